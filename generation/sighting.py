"""What a judge sees in a picture, and what a judge is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from generation.grounding import Pixels
from training.boxes import Floats, Ints


@dataclass(frozen=True, eq=False)
class Sighting:
    """What a judge sees in one picture, whatever its score; k boxes, the surest first."""

    label: Ints
    """(k,) numbers of the classes that were asked for."""
    xyxy: Floats
    """(k, 4) corners as fractions 0–1."""
    score: Floats
    """(k,) 0–1; only comparable within a class."""

    def __post_init__(self) -> None:
        """Check shapes."""
        if not len(self.label) == len(self.xyxy) == len(self.score) or self.xyxy.shape[1:] != (4,):
            raise ValueError(
                f"a sighting wants equal lengths, got {len(self.label)}, {self.xyxy.shape}, {len(self.score)}"
            )


class Judge(Protocol):
    """A detector that is told in words what to look for, and is not the one under repair."""

    @property
    def name(self) -> str:
        """Give what it is: weights and revision."""

    def look(self, pictures: Sequence[Pixels], phrases: Sequence[str]) -> list[Sighting]:
        """Give what it sees in each picture (h, w, 3) in blue, green, red; one phrase a class, in their order."""
