"""A question with pictures: its digest, and the body of the request that asks it."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

from pydantic import BaseModel

from generation.allowance import LlmSettings
from generation.form import strict_schema
from training.files import canonical_json, digest_of

Part = str | bytes
"""A piece of a question: text, or the bytes of a JPEG without EXIF."""
MAX_SHOWN = 4000
"""Characters of a wrong answer that the model is shown again."""
OVERHEAD_TOKENS = 200
"""What a server may add around messages."""
START, SCAN, METADATA = b"\xff\xd8", 0xDA, (0xE1, 0xED, 0xFE)
"""Of JPEG: its first bytes, the marker of its pixels, and those of EXIF and XMP, IPTC, and comments."""


@dataclass(frozen=True)
class Question:
    """What the model is asked, and the form that it is to fill in."""

    parts: tuple[Part, ...]
    system: str
    form: type[BaseModel]
    purpose: str
    """One or two words for the journal."""
    mended: tuple[str, str] | None = None
    """A wrong answer to this question and what was wrong with it, where the model is asked to mend it."""

    def __post_init__(self) -> None:
        """Check that pictures are JPEG and tell nothing besides their pixels."""
        for part in self.parts:
            if isinstance(part, bytes):
                _check_jpeg(part)

    def request_id(self, settings: LlmSettings) -> str:
        """Give the digest of everything that the answer depends on: model, texts, pictures and form."""
        parts = [{"jpeg": digest_of(part)} if isinstance(part, bytes) else {"text": part} for part in self.parts]
        return digest_of([settings.model, settings.detail, self.system, parts, self.form.model_json_schema()])

    def mend(self, answer: str, wrong: str) -> Self:
        """Give the question that shows the model its answer and asks for a right one."""
        return replace(self, mended=(answer[:MAX_SHOWN], wrong))

    def body(self, settings: LlmSettings, room: int, link: Callable[[bytes], str]) -> dict[str, Any]:
        """Give the request of Chat Completions as JSON values; `link` names a picture.

        `room` is the most tokens that the answer may have.
        """
        content = [_content(part, settings, link) for part in self.parts]
        form = {"name": self.form.__name__[:64], "strict": True, "schema": strict_schema(self.form)}
        return {
            "model": settings.model,
            "messages": [
                {"role": "system", "content": self.system},
                {"role": "user", "content": content},
                *self._mending(),
            ],
            "response_format": {"type": "json_schema", "json_schema": form},
            "max_completion_tokens": room,
        }

    def input_tokens(self, settings: LlmSettings, room: int) -> int:
        """Give the most tokens that the question can have: no token is shorter than a byte."""
        written = canonical_json(self.body(settings, room, link=lambda _: "")).encode()
        pictures = sum(isinstance(part, bytes) for part in self.parts)
        return len(written) + pictures * settings.picture_tokens + OVERHEAD_TOKENS

    def _mending(self) -> list[dict[str, str]]:
        if self.mended is None:
            return []
        answer, wrong = self.mended
        wish = f"That does not fit the form ({wrong}). Answer again with the JSON of the form alone."
        return [{"role": "assistant", "content": answer}, {"role": "user", "content": wish}]


def data_uri(jpeg: bytes) -> str:
    """Give a picture as an address that holds it."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _content(part: Part, settings: LlmSettings, link: Callable[[bytes], str]) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": "image_url", "image_url": {"url": link(part), "detail": settings.detail}}


def _check_jpeg(data: bytes) -> None:
    """Raise `ValueError` unless the segments before the pixels are there and hold no EXIF, XMP, IPTC or comment."""
    at = len(START)
    while data.startswith(START) and at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in METADATA:
            raise ValueError("a picture for the language model holds metadata: encode its pixels anew")
        if marker == SCAN:
            return
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise ValueError("a picture for the language model is not a JPEG")
