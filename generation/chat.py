"""The language model: a question with pictures in, a filled-in form out.

A question that was asked before is answered from its stored reply. Any other goes to the server: what a call may cost
is set aside first, and troubles end in one of two ways. `NoAnswer` is data: this question has no answer, the next may
have one. `LlmUnavailable` and `LlmBudget` stop everything, with exit code 4 and what to do.

| trouble | what is done |
|---|---|
| key refused, quota used up, no such model, redirect to another address | stop |
| asks to wait | wait and try again within the deadline, else stop and say how long |
| connection broken, error of the server | try again, three tries in all, then no answer |
| five useless replies in a row, over all questions | stop |
| question too long | ask the smaller form of it once |
| answer cut | ask once more with twice the room |
| answer does not fit the form | show the model what is wrong, once |
| refused by the model, filtered by the server | no answer, stored like one |
| not a completion, too large, empty, no time left | no answer |
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from generation.allowance import LlmSettings, Spending
from generation.attempt import TRIED_AGAIN, Attempt, NoAnswer, no_answer
from generation.calls import Calls
from generation.completion import Completion, Trouble, read_completion
from generation.form import read_form
from generation.question import Part, Question, data_uri
from generation.replies import Reply, damaged, find_reply, store_reply
from generation.wire import load_client, send
from training.errors import LlmUnavailable

T = TypeVar("T", bound=BaseModel)
MAX_FAILURES = 5
"""Useless replies in a row after which the server is given up."""
STOPPING = {
    "key": "set OPENAI_API_KEY to a key that it takes",
    "quota": "add credit to the account behind the key, or wait for its next period",
    "missing": "check llm.model and llm.base_url",
    "redirect": "set llm.base_url to the address that you trust",
}
OF_THE_QUESTION = frozenset({"too long", "cut"})
"""Troubles of one question, which say nothing about the server."""


@dataclass
class Chat:
    """The language model of a round. Several threads may ask.

    Loading this module loads no openai; the first question that has no stored reply does.
    """

    settings: LlmSettings
    api_key: str | None = field(repr=False)
    """Without one, only stored replies can be had."""
    replies: Path
    """Folder of stored replies, one file a question; rounds may share it."""
    calls: Path
    """Folder of the journal of calls: the most calls and tokens hold for it, so there is one a round."""
    first_pause_s: float = 0.5
    """Before the second try; doubled before the third."""
    _journal: Calls = field(init=False, repr=False)
    _replayed: int = field(default=0, init=False)
    _waited_s: float = field(default=0.0, init=False)
    _failures: int = field(default=0, init=False)
    _stopped: LlmUnavailable | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the key and read the journal; raises `LlmUnavailable` and `DamagedFile`."""
        if self.api_key and not (self.api_key.isascii() and self.api_key.isprintable() and " " not in self.api_key):
            raise LlmUnavailable(
                "the key for the language model holds spaces or other characters that no key has",
                hint="copy it again and set OPENAI_API_KEY",
            )
        self._journal = Calls(self.calls, self.settings)

    def ask(
        self, parts: Sequence[Part], *, system: str, schema: type[T], purpose: str, smaller: Sequence[Part] = ()
    ) -> T | NoAnswer:
        """Give the model's answer as a filled-in `schema`, or why there is none.

        Parts are texts and JPEG files without metadata. `smaller` is asked once where the model finds `parts` too long.
        `purpose` is one or two words for the journal. Answers, refusals and filterings are stored by the digest of
        model, system, parts and schema, before they are used. The schema has a type for every field, bounds its strings
        and lists by `max_length`, and has no `dict` and no tuple of fixed length.

        Raises `LlmUnavailable` where the server cannot be used, `LlmBudget` where a call could cost more than is left,
        `ValueError` for pictures and schemas as they must not be.
        """
        question = Question(tuple(parts), system, schema, purpose)
        request_id = question.request_id(self.settings)
        reply: Reply | NoAnswer | None = find_reply(self.replies, request_id)
        if reply is None:
            reply = self._ask_server(request_id, question, smaller)
        else:
            self._replayed += 1
        if isinstance(reply, NoAnswer):
            return reply
        if reply.outcome != "answer":
            return NoAnswer(request_id=request_id, purpose=purpose, kind=reply.outcome, reason=reply.text)
        answer = read_form(schema, reply.text)
        if isinstance(answer, str):  # the form's own checks have changed, or its file has
            raise damaged(self.replies / f"{request_id}.json")
        return answer

    def spending(self) -> Spending:
        """Give what the round has spent, as far as its journal and this process know."""
        calls = self._journal.all()
        sent, received = (sum(call.tokens[side] for call in calls) for side in (0, 1))
        return Spending(
            calls=len(calls),
            input_tokens=sent,
            output_tokens=received,
            unsettled=sum(call.counted is None for call in calls),
            cost=self.settings.cost(input_tokens=sent, output_tokens=received),
            replayed=self._replayed,
            waited_s=self._waited_s,
        )

    def _ask_server(self, request_id: str, question: Question, smaller: Sequence[Part]) -> Reply | NoAnswer:
        if not self.api_key:
            raise LlmUnavailable(
                "there is no key for the language model, and no stored reply to this question",
                hint="set OPENAI_API_KEY, or go on with --no-llm",
            )
        load_client(self.settings)
        ends_at = time.monotonic() + self.settings.deadline_s
        attempt: Attempt | None = Attempt(question, self.settings.max_output_tokens)
        trouble = Trouble("time", "no answer within the deadline")
        while attempt is not None and (left_s := ends_at - time.monotonic()) > 0:
            if self._stopped:
                raise self._stopped
            outcome = self._try(request_id, attempt, self.api_key, left_s)
            if isinstance(outcome, Reply):
                self._failures = 0
                return outcome
            trouble = outcome
            self._stop_if_useless(trouble)
            attempt = self._after(attempt, trouble, smaller, ends_at)
        return no_answer(trouble, request_id=request_id, purpose=question.purpose)

    def _try(self, request_id: str, attempt: Attempt, api_key: str, within_s: float) -> Reply | Trouble:
        """Make one call: set aside, send, read, store, settle; in this order, so that a kill loses no count."""
        question = attempt.question
        number = self._journal.reserve(
            request_id=request_id,
            purpose=question.purpose,
            max_input_tokens=question.input_tokens(self.settings, attempt.room),
            max_output_tokens=attempt.room,
        )
        body = question.body(self.settings, attempt.room, data_uri)
        sent = send(body, settings=self.settings, api_key=api_key, within_s=within_s)
        completion = sent if isinstance(sent, Trouble) else read_completion(sent)
        result = self._worth_keeping(request_id, attempt, completion)
        if isinstance(result, Reply):
            store_reply(self.replies, result)
        outcome = result.outcome if isinstance(result, Reply) else result.kind
        self._journal.settle(number, outcome=outcome, counted=_counted(completion))
        return result

    def _worth_keeping(self, request_id: str, attempt: Attempt, completion: Completion | Trouble) -> Reply | Trouble:
        """Give the reply to be stored, a filled-in form or the word that there will be none; else the trouble."""
        result = _filled_in(attempt.question.form, completion)
        if isinstance(result, Trouble) and result.kind not in {"refused", "filtered"}:
            return result
        return Reply.of(
            request_id=request_id,
            purpose=attempt.question.purpose,
            model=self.settings.model,
            served_by=completion.model if isinstance(completion, Completion) else "",
            outcome=result.kind if isinstance(result, Trouble) else "answer",
            text=result.words if isinstance(result, Trouble) else result,
            shortened="too long" in attempt.changes,
        )

    def _stop_if_useless(self, trouble: Trouble) -> None:
        """Raise `LlmUnavailable`, now and at every later question, where asking on would be of no use."""
        server = self.settings.server
        if trouble.kind not in OF_THE_QUESTION:
            self._failures += 1
        if trouble.kind in STOPPING:
            self._stopped = LlmUnavailable(f"{server} does not serve us: {trouble.words}", hint=STOPPING[trouble.kind])
        elif self._failures >= MAX_FAILURES:
            self._stopped = LlmUnavailable(
                f"{server} gave {self._failures} useless replies in a row, the last: {trouble.words}",
                hint="try again later, or look at the server; answers that are there are kept",
            )
        if self._stopped:
            raise self._stopped

    def _after(self, attempt: Attempt, trouble: Trouble, smaller: Sequence[Part], ends_at: float) -> Attempt | None:
        """Give what to ask next, after the pause before it; None where nothing is left to try.

        Raises `LlmUnavailable` where the server is too busy for as long as we may wait.
        """
        following = attempt.next(trouble, smaller)
        if trouble.kind not in TRIED_AGAIN:
            return following
        pause_s = trouble.wait_s if trouble.wait_s is not None else self.first_pause_s * 2 ** (attempt.tries - 1)
        if following is not None and time.monotonic() + pause_s < ends_at:
            time.sleep(pause_s)
            self._waited_s += pause_s
            return following
        if trouble.kind == "busy":
            when = "later" if trouble.wait_s is None else f"after {math.ceil(trouble.wait_s)} s"
            raise LlmUnavailable(
                f"{self.settings.server} is too busy for us: {trouble.words}",
                hint=f"try again {when}; answers that are there are kept",
            )
        return None


def _filled_in(form: type[BaseModel], completion: Completion | Trouble) -> str | Trouble:
    """Give the text of a filled-in form, or why there is none."""
    if isinstance(completion, Trouble):
        return completion
    if trouble := completion.trouble():
        return trouble
    wrong = read_form(form, completion.text)
    return Trouble("not the form", wrong, text=completion.text) if isinstance(wrong, str) else completion.text


def _counted(completion: Completion | Trouble) -> tuple[int, int] | None:
    """Give the tokens that a call is charged for, None where they are not known."""
    if isinstance(completion, Trouble):
        return (0, 0) if completion.free else None
    usage = completion.usage
    return None if usage is None else (usage.prompt_tokens, usage.completion_tokens)
