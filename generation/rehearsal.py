"""A language model that answers nothing, and writes down what it would have been sent: `--dry-run`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from generation.allowance import LlmSettings
from generation.attempt import NoAnswer
from generation.question import Part, Question
from training.files import digest_of, write_bytes, write_json


@dataclass
class Rehearsal:
    """The `ask` of `generation.chat.Chat`, without a key, a network or a stored reply.

    Of the n-th question, `NNN.json` is the body of the request as it would be sent, save that a picture's address is
    the name of the file beside it, `DIGEST.jpg`, which holds its bytes.
    """

    settings: LlmSettings
    folder: Path
    asked: int = field(default=0, init=False)
    """Questions so far."""
    max_tokens: int = field(default=0, init=False)
    """The most that they can cost, their answers included."""

    def ask(
        self,
        parts: Sequence[Part],
        *,
        system: str,
        schema: type[BaseModel],
        purpose: str,
        smaller: Sequence[Part] = (),  # noqa: ARG002  # the same call as the real one
    ) -> NoAnswer:
        """Write what would be sent, and answer nothing; raises as the real one does for pictures and schemas."""
        question = Question(tuple(parts), system, schema, purpose)
        room = self.settings.max_output_tokens
        self.asked += 1
        self.max_tokens += question.input_tokens(self.settings, room) + room
        write_json(self.folder / f"{self.asked:03d}.json", question.body(self.settings, room, self._lay_down))
        request_id = question.request_id(self.settings)
        return NoAnswer(request_id=request_id, purpose=purpose, kind="dry run", reason="nothing was sent")

    def _lay_down(self, jpeg: bytes) -> str:
        name = f"{digest_of(jpeg)}.jpg"
        write_bytes(self.folder / name, jpeg)
        return name
