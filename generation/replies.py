"""Stored replies of the language model: asking the same again costs nothing and needs no network."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError, model_validator

from training.errors import DamagedFile
from training.files import digest_of, write_json
from training.records import Record


class Reply(Record):
    """What the model said to one question: a filled-in form, or that it will not answer."""

    request_id: str
    """Digest of model, texts, pictures and form."""
    purpose: str
    model: str
    """The model that was asked."""
    served_by: str
    """The model that the server says has answered."""
    outcome: Literal["answer", "refused", "filtered"]
    text: str
    """The JSON of the form, or the reason."""
    shortened: bool
    """The question was too long, and its smaller form was asked."""
    digest: str
    """Of all the rest, so that a damaged file is noticed."""

    @classmethod
    def of(cls, **said: Any) -> Self:
        """Give the reply with its digest."""
        return cls(**said, digest=digest_of(said))

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.digest != digest_of(self.model_dump(exclude={"digest"})):
            raise ValueError("the reply is not the one that was stored")
        return self


def find_reply(folder: Path, request_id: str) -> Reply | None:
    """Give the stored reply to a question, None where there is none; raises `DamagedFile` where it cannot be read."""
    path = _path(folder, request_id)
    if not path.is_file():
        return None
    try:
        reply = Reply.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise damaged(path) from error
    if reply.request_id != request_id:
        raise damaged(path)
    return reply


def store_reply(folder: Path, reply: Reply) -> None:
    """Write a reply, whole or not at all."""
    write_json(_path(folder, reply.request_id), reply.plain())


def damaged(path: Path) -> DamagedFile:
    """Say that a stored reply cannot be used."""
    return DamagedFile(f"{path} is not a stored reply", hint="remove it: the question is asked again")


def _path(folder: Path, request_id: str) -> Path:
    return folder / f"{request_id}.json"
