"""What `curate select` writes down: the photos that people should label next, each with its reason."""

from typing import Literal

from pydantic import Field

from curation.imports import Refused
from training.records import FileRef, Record

PickKind = Literal["finding", "uncertain", "likely miss", "diverse", "random"]


class Pick(Record):
    """One photo that is worth labelling."""

    photo_id: str
    """24 hex digits: the digest of the file's bytes."""
    path: str
    """Where the workspace keeps it, relative to the workspace."""
    name: str
    """What it is called in the pool: its path relative to the folder, printable."""
    kind: PickKind
    """`random` photos alone may come back into val and test: they are an unbiased view of the pool."""
    finding_id: str | None = None
    """The finding that it was picked for."""
    reason: str
    """Why it was picked, in words."""


class Selection(Record):
    """Photos of a pool that people should label next."""

    number: int = Field(ge=1)
    round: int = Field(ge=1)
    """The round whose findings and champion it stands on."""
    model_id: str
    pool: str
    """Name of the folder or dataset that it was selected from."""
    asked: int = Field(ge=1)
    """Photos that were wanted."""
    seen: int
    """Photos that the pool holds, usable or not."""
    excluded: dict[str, int]
    """Usable photos that were not candidates, by why: `in train`, `in val`, `in test`, `like one of val or test` (or
    like one that was drawn for these and is not back), `selected before`, `there twice`."""
    refused: tuple[Refused, ...]
    """What could not be read."""
    classes: tuple[str, ...]
    picks: FileRef
    """JSON Lines of `Pick`, the most telling first."""
    images: FileRef
    """`ImageTable` in the order of the picks; their split is empty."""
    prelabels: FileRef
    """`BoxTable` of what the champion sees in them at its operating point."""
    shares: dict[str, int]
    """Picked photos by what they were picked for, in words."""
    notes: tuple[str, ...] = ()
    """What people should know, a sentence each."""
