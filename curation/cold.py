"""A first detector from no photos: how many pictures of each class are asked for, and in which order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Literal

from pydantic import Field

from generation.cold_layout import plan_cold
from generation.records import DrawRequest, Verified
from generation.vocabulary import Vocabulary
from training.records import FileRef, FitSettings, Record

BRIEF_ID = "cold"
UNPROVEN: Literal["not verified on real photos"] = "not verified on real photos"


class ColdStart(Record):
    """What a cold start stands on."""

    source: str
    """Name of the configuration that was copied."""
    classes: tuple[str, ...]
    min_photos: int
    """Real photos that are to hold each class, of val and of test, before a model can be judged on it."""


class ColdPlan(Record):
    """The pictures that are asked for, and what they show."""

    made_from: str
    """Digest of the vocabulary, the generator, the seed and the number."""
    count: int
    classes: tuple[str, ...]
    """In the order of their numbers."""
    pictures: dict[str, int]
    """By the class that a picture is made for."""
    objects: dict[str, int]
    """By class, in all pictures."""
    values: dict[str, dict[str, int]]
    """Pictures by attribute ("light", "vest.colour") and value."""
    requests: FileRef
    """JSON Lines of `DrawRequest`."""


class ColdDrawn(Record):
    """What came of the requests."""

    plan: str
    """Digest of the `ColdPlan`."""
    pictures: int
    errors: int
    """Requests that gave no picture, those that the judge refused included."""
    refused: dict[str, int]
    """By the class that the picture was made for; each class is named."""
    verified: dict[Verified, int]
    """Pictures by why their labels may be believed."""


class ColdModel(Record):
    """The first model, and what it learned from."""

    model_id: str
    classes: tuple[str, ...]
    pictures: int = Field(ge=1)
    verified: dict[Verified, int]
    trained_on: str
    """Digest of the arm."""
    settings: FitSettings
    note: Literal["not verified on real photos"] = UNPROVEN


def equal_shares(count: int, classes: tuple[str, ...]) -> dict[str, int]:
    """Give each class its number of pictures; where they do not come out even, the first have one more."""
    each, more = divmod(count, len(classes))
    return {label: each + (number < more) for number, label in enumerate(classes)}


def class_of_line(line: int, classes: tuple[str, ...]) -> str:
    """Give the class that the request on a line, from 1, was made for: classes take turns."""
    return classes[(line - 1) % len(classes)]


def plan_requests(vocabulary: Vocabulary, *, generator: str, count: int, seed: int) -> Iterator[DrawRequest]:
    """Lay out pictures over the classes of a vocabulary, in turns, so that a run that is cut short is balanced."""
    shares = equal_shares(count, tuple(vocabulary.classes))
    queues = [
        plan_cold(vocabulary, label=label, brief_id=BRIEF_ID, generator=generator, count=share, seed=seed)
        for label, share in shares.items()
    ]
    for turn in zip_longest(*queues):
        yield from (request for request in turn if request is not None)


@dataclass
class PlanCounts:
    """Counts what requests show while they pass by."""

    objects: dict[str, int]
    values: dict[str, dict[str, int]] = field(default_factory=dict)

    def passing(self, requests: Iterator[DrawRequest]) -> Iterator[DrawRequest]:
        """Give requests on, and count them."""
        for request in requests:
            for one in request.objects:
                self.objects[one.label] += 1
            for name, value in request.attributes.items():
                counts = self.values.setdefault(name, {})
                counts[value] = counts.get(value, 0) + 1
            yield request


def counts_of(vocabulary: Vocabulary) -> PlanCounts:
    """Give the counts of no requests."""
    return PlanCounts(dict.fromkeys(vocabulary.classes, 0))


def refused_by_class(lines: Mapping[int, bool], classes: tuple[str, ...]) -> dict[str, int]:
    """Count refused pictures by class; `lines` says of each line whether the judge refused its picture."""
    refused = dict.fromkeys(classes, 0)
    for line, is_refused in lines.items():
        refused[class_of_line(line, classes)] += is_refused
    return refused
