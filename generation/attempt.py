"""What is asked next when a question got no answer, and what is said when nothing is left to ask."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

from generation.completion import Trouble
from generation.question import Part, Question
from training.records import Record

MAX_TRIES = 3
"""Of one question where the server is busy or broken."""
TRIED_AGAIN = frozenset({"busy", "server", "connection"})
NoAnswerKind = Literal[
    "refused", "filtered", "too long", "cut", "empty", "too large", "not the form", "protocol", "no reply",
    "bad request", "dry run",
]  # fmt: skip


class NoAnswer(Record):
    """Why one question has no answer: data, for the next question may have one."""

    request_id: str
    purpose: str
    kind: NoAnswerKind
    reason: str
    """For people: one printable line of at most 300 characters."""


@dataclass(frozen=True)
class Attempt:
    """A question as it is asked now, and what was changed about it so far."""

    question: Question
    room: int
    """Most tokens of the answer."""
    tries: int = 1
    changes: frozenset[str] = frozenset()
    """Kinds of trouble that a change was made for."""

    def next(self, trouble: Trouble, smaller: Sequence[Part]) -> Self | None:
        """Give what to ask after a trouble; None where nothing is left to try, for each change is made once."""
        if trouble.kind in TRIED_AGAIN:
            return replace(self, tries=self.tries + 1) if self.tries < MAX_TRIES else None
        if trouble.kind in self.changes:
            return None
        changed = replace(self, changes=self.changes | {trouble.kind})
        if trouble.kind == "cut":
            return replace(changed, room=2 * self.room)
        if trouble.kind == "not the form":
            return replace(changed, question=self.question.mend(trouble.text, trouble.words))
        if trouble.kind == "too long" and smaller:
            return replace(changed, question=replace(self.question, parts=tuple(smaller)))
        return None


def no_answer(trouble: Trouble, *, request_id: str, purpose: str) -> NoAnswer:
    """Give a trouble as data; troubles of server, connection and time are all `no reply`."""
    kinds: dict[str, NoAnswerKind] = {
        "refused": "refused",
        "filtered": "filtered",
        "too long": "too long",
        "cut": "cut",
        "empty": "empty",
        "too large": "too large",
        "not the form": "not the form",
        "protocol": "protocol",
        "bad request": "bad request",
    }
    kind = kinds.get(trouble.kind, "no reply")
    return NoAnswer(request_id=request_id, purpose=purpose, kind=kind, reason=trouble.words[:300])
