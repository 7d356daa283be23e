"""The capability card: what a generator can draw, found out once with a small grid of pictures.

Every class is asked for in two sizes, alone and four at a time, at three places each: fifteen objects a class and size.
A judge says which of them are there. Where less than a third is, pictures of that kind are left to other means.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from generation.prompts import phrase, prompt
from generation.records import DrawObject, DrawRequest, ObjectCheck, SizeBin, identified
from generation.vocabulary import Vocabulary
from training.boxes import Floats
from training.records import Record

SIDES: dict[SizeBin, float] = {"medium": 0.15, "large": 0.36}
"""Side of an object as a share of the picture's: 77 and 184 px of 512. Small ones lie below what a model ever saw."""
ALONE = ((0.5, 0.5),)
IN_FOUR = ((0.27, 0.3), (0.73, 0.3), (0.27, 0.7), (0.73, 0.7))
SHIFTS = ((0.0, 0.0), (-0.06, 0.05), (0.06, -0.05))
MIN_DRAWN_SHARE = 1 / 3  # below, a picture takes more tries than it has


class CardRow(Record):
    """How many of the objects of a class and size were drawn where they were asked for."""

    label: str
    size: SizeBin
    asked: int
    drawn: int
    judged: int
    """Of those asked for, the ones that the judge could say something about."""
    failed: int
    """Of those asked for, the ones whose picture could not be drawn at all."""


class CapabilityCard(Record):
    """What a generator can draw."""

    generator: str
    rows: tuple[CardRow, ...]

    def against(self, label: str, size: SizeBin | None) -> str | None:
        """Say why pictures of a class and size are not to be asked for; None where they may be, or nothing is known."""
        rows = [row for row in self.rows if row.label == label and size in (None, row.size)]
        drawn = sum(row.drawn for row in rows)
        tried = sum(row.judged + row.failed for row in rows)
        if drawn >= MIN_DRAWN_SHARE * tried:
            return None
        return f"the generator drew {drawn} of {tried} {f'{size} ' if size else ''}{label} where they were asked for"


def card_requests(vocabulary: Vocabulary, classes: Sequence[str], *, generator: str) -> tuple[DrawRequest, ...]:
    """Give the pictures of the grid; `generator` is the digest of what draws them."""
    return tuple(_grid(vocabulary, classes, generator))


def card_of(
    requests: Sequence[DrawRequest], checks: Sequence[Sequence[ObjectCheck]], *, generator: str
) -> CapabilityCard:
    """Count what the judge saw: for each request its checks, none where the picture could not be drawn."""
    counts: dict[tuple[str, SizeBin], list[int]] = {}
    for request, seen in zip(requests, checks, strict=True):
        wish = request.objects[0]
        size: SizeBin = "large" if wish.xyxy[2] - wish.xyxy[0] > SIDES["medium"] + 0.01 else "medium"
        row = counts.setdefault((wish.label, size), [0, 0, 0, 0])
        row[0] += len(request.objects)
        row[3] += 0 if seen else len(request.objects)
        row[1] += sum(check.verdict in ("found", "moved") for check in seen)
        row[2] += sum(check.verdict != "unjudged" for check in seen)
    rows = tuple(
        CardRow(label=label, size=size, asked=asked, drawn=drawn, judged=judged, failed=failed)
        for (label, size), (asked, drawn, judged, failed) in counts.items()
    )
    return CapabilityCard(generator=generator, rows=rows)


def card_lines(card: CapabilityCard) -> list[str]:
    """Say what can be drawn, a line a class and size."""
    lines = ["what the generator can draw, as the judge sees it:"]
    for row in card.rows:
        seen = f"{row.drawn} of {row.judged}" if row.judged else "the judge cannot see this class"
        seen = f"{row.failed} of {row.asked} could not be drawn" if row.failed else seen
        lines.append(f"  {row.size} {row.label}: {seen}")
    return lines


def _grid(vocabulary: Vocabulary, classes: Sequence[str], generator: str) -> Iterator[DrawRequest]:
    for label in classes:
        for side in SIDES.values():
            for middles in (ALONE, IN_FOUR):
                for turn, shift in enumerate(SHIFTS):
                    boxes = _boxes(np.array(middles) + shift, side)
                    yield _request(label, boxes, vocabulary, generator, turn)


def _boxes(middles: Floats, side: float) -> Floats:
    return np.round(np.concatenate([middles - side / 2, middles + side / 2], axis=1), 6)


def _request(label: str, boxes: Floats, vocabulary: Vocabulary, generator: str, turn: int) -> DrawRequest:
    rng = np.random.default_rng(turn)
    place = {"place": vocabulary.place[turn % len(vocabulary.place)]}
    objects = tuple(
        DrawObject(label=label, phrase=phrase(label, place, vocabulary, rng=rng), xyxy=tuple(corners))
        for corners in boxes.tolist()
    )
    request = DrawRequest(
        request_id="",
        backend="gligen",
        generator=generator,
        seed=turn,
        prompt=prompt([one.phrase for one in objects], place, vocabulary),
        negative_prompt=vocabulary.negative_prompt,
        objects=objects,
        attributes=place,
    )
    return identified(request)
