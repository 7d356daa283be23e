"""What a server sends back for a question: a completion, or a trouble with a name."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from training.source import printable

MAX_TEXT_BYTES = 64_000
"""A longer answer is refused: no form of ours needs it."""
TroubleKind = Literal[
    "key", "quota", "busy", "redirect", "missing",
    "server", "connection", "time", "protocol", "too large", "bad request",
    "too long", "cut", "empty", "not the form",
    "refused", "filtered",
]  # fmt: skip
"""Why a try gave no answer. Of the server as a whole: key (refused), quota (used up), busy (asks to wait), redirect (to
another address), missing (no such model or address). Of this try: server (an error of its own), connection, time (none
left), protocol (not a completion), too large, bad request. Of this question: too long, cut (at the room it had), empty,
not the form, refused (by the model), filtered (by the server)."""


@dataclass(frozen=True)
class Trouble:
    """Why a try gave no answer."""

    kind: TroubleKind
    words: str
    """For people: one printable line, without the key."""
    wait_s: float | None = None
    """How long the server asks to wait, where it does."""
    free: bool = False
    """The server certainly did no work that it could charge for."""
    text: str = ""
    """The answer that was no good, where there was one."""


class Usage(BaseModel):
    """The tokens that a server counted for a call."""

    prompt_tokens: int = Field(ge=0, le=10**9)
    completion_tokens: int = Field(ge=0, le=10**9)


@dataclass(frozen=True)
class Completion:
    """One reply of Chat Completions, as far as we use it."""

    text: str
    refusal: str
    finish: str
    model: str
    """The model that says it answered."""
    usage: Usage | None
    """None where the server counted nothing."""

    def trouble(self) -> Trouble | None:
        """Give why this is not an answer, None where it may be one."""
        if self.refusal:
            return Trouble("refused", printable(f"the model refuses: {self.refusal}", 300))
        if self.finish == "content_filter":
            return Trouble("filtered", "the server's content filter took the answer away")
        if self.finish == "length":
            return Trouble("cut", "the answer was cut at the room that it had")
        if not self.text.strip():
            return Trouble("empty", "the answer is empty")
        if len(self.text.encode()) > MAX_TEXT_BYTES:
            return Trouble("too large", f"the answer is longer than {MAX_TEXT_BYTES // 1000} kB")
        return None


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Envelope(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    model: str | None = None
    usage: Any = None


def read_completion(body: bytes) -> Completion | Trouble:
    """Read the body of a reply; whatever is not a completion is a trouble of kind `protocol`."""
    try:
        envelope = _Envelope.model_validate_json(body)
        choice = envelope.choices[0]
        text = (choice.message.content or "").encode().decode()  # a lone surrogate cannot be encoded, nor stored
    except ValueError as error:
        return Trouble("protocol", printable(f"the reply is no completion: {_first_problem(error)}", 300))
    return Completion(
        text=text,
        refusal=choice.message.refusal or "",
        finish=choice.finish_reason or "",
        model=printable(envelope.model or "", 200),
        usage=_usage(envelope.usage),
    )


def _usage(value: Any) -> Usage | None:
    try:
        return Usage.model_validate(value)
    except ValidationError:
        return None


def _first_problem(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return "text that is not Unicode"
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, problem['loc'])) or 'all of it'}: {problem['msg']}"
