"""The journal of calls to the language model: what a call may cost is written down before it is made.

One file a call, `000001.json`: first with what was set aside, then again with what the server counted. A call whose
process was killed in between, or that nobody counted, counts as all that was set aside.
"""

from pathlib import Path
from threading import Lock

from pydantic import Field, ValidationError

from generation.allowance import LlmSettings
from training.errors import DamagedFile, LlmBudget
from training.files import write_json
from training.records import Record


class Call(Record):
    """One request to the server."""

    number: int = Field(ge=1)
    request_id: str
    purpose: str
    model: str
    max_input_tokens: int = Field(ge=0)
    """Set aside before the call."""
    max_output_tokens: int = Field(ge=0)
    """Set aside before the call."""
    outcome: str = "open"
    """`answer`, or the kind of trouble; `open` until it is known."""
    counted: tuple[int, int] | None = None
    """Tokens sent and received, None where nobody counted."""

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens sent and received that the call is charged for."""
        return self.counted or (self.max_input_tokens, self.max_output_tokens)


class Calls:
    """The calls of a round. Several threads may use it, but one process only: the workspace is locked."""

    def __init__(self, folder: Path, settings: LlmSettings) -> None:
        self._folder = folder
        self._settings = settings
        self._lock = Lock()
        self._calls = {call.number: call for call in map(_read, sorted(folder.glob("*.json")))}

    def reserve(self, *, request_id: str, purpose: str, max_input_tokens: int, max_output_tokens: int) -> int:
        """Set aside what a call may cost, and give the call's number once that is on the disk.

        Raises `LlmBudget` where it would go beyond the most calls or tokens of a round; nothing is set aside then.
        """
        with self._lock:
            self._refuse_too_much(purpose, max_input_tokens + max_output_tokens)
            call = Call(
                number=max(self._calls, default=0) + 1,
                request_id=request_id,
                purpose=purpose,
                model=self._settings.model,
                max_input_tokens=max_input_tokens,
                max_output_tokens=max_output_tokens,
            )
            self._write(call)
            return call.number

    def settle(self, number: int, *, outcome: str, counted: tuple[int, int] | None) -> None:
        """Write down how a call ended, and the tokens that were counted."""
        with self._lock:
            self._write(self._calls[number].model_copy(update={"outcome": outcome, "counted": counted}))

    def all(self) -> tuple[Call, ...]:
        """Give all calls, in order."""
        with self._lock:
            return tuple(self._calls.values())

    def _refuse_too_much(self, purpose: str, tokens: int) -> None:
        settings = self._settings
        if len(self._calls) >= settings.max_calls:
            raise LlmBudget(
                f"all {settings.max_calls} calls of the round to the language model are used",
                hint="raise llm.max_calls; answers that are there are kept",
            )
        left = settings.max_tokens - sum(sum(call.tokens) for call in self._calls.values())
        if tokens > left:
            raise LlmBudget(
                f"a call ({purpose}) could take {tokens:,} tokens, and {max(left, 0):,} of the round's "
                f"{settings.max_tokens:,} are left",
                hint="raise llm.max_tokens, or lower llm.max_output_tokens; answers that are there are kept",
            )

    def _write(self, call: Call) -> None:
        write_json(self._folder / f"{call.number:06d}.json", call.plain())
        self._calls[call.number] = call


def _read(path: Path) -> Call:
    try:
        call = Call.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DamagedFile(f"{path} is not a call to the language model", hint="restore it from a backup") from error
    if path.name != f"{call.number:06d}.json":
        raise DamagedFile(f"{path} holds the call {call.number}", hint="restore it from a backup")
    return call
