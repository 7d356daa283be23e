"""Try a judge on train photos whose truth is known, and a generator on a grid of pictures; once each, and kept."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import ValidationError

from generation.artist import Artist, Drawing
from generation.calibration import Calibration, calibrate
from generation.card import CapabilityCard, card_of, card_requests
from generation.draw import Verification
from generation.grounding import Pixels
from generation.priors import Priors
from generation.records import ObjectCheck
from generation.sighting import Judge
from generation.vocabulary import Vocabulary
from training.boxes import Ints
from training.files import digest_of, write_text
from training.records import Record

R = TypeVar("R", bound=Record)
PHOTOS_OF_CLASS = 40  # enough to tell a judge that sees a class from one that does not
AT_ONCE = 16


def try_judge(
    judge: Judge,
    priors: Priors,
    *,
    vocabulary: Vocabulary,
    read_photo: Callable[[int], Pixels],
    folder: Path,
    progress: Callable[[int, int, str], object],
) -> Calibration:
    """Give how well the judge sees each class, from up to 40 train photos a class.

    `read_photo` gives the photo of a row. The result is kept in the folder under the judge's name, the words that it is
    asked with, and the labels, so that it is made anew where one of them changes.
    """
    phrases = [vocabulary.judged_as(label) for label in priors.classes]
    rows = _photos_to_try(priors)
    path = folder / f"{digest_of([judge.name, phrases, priors.labels_digest(rows.tolist())])}.json"
    if known := read_record(path, Calibration):
        return known
    sightings = []
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE].tolist()
        sightings += judge.look([read_photo(row) for row in part], phrases)
        progress(start + len(part), len(rows), "photos")
    found = calibrate(sightings, priors.labels_on(rows), classes=priors.classes, judge=judge.name)
    write_text(path, found.model_dump_json(indent=2) + "\n")
    return found


def read_record(path: Path, kind: type[R]) -> R | None:
    """Give what was kept; None where nothing was, or something else: then it is found out anew."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def try_generator(
    artist: Artist,
    verification: Verification,
    *,
    generator: str,
    progress: Callable[[int, int, str], object],
) -> CapabilityCard:
    """Give what an artist that draws whole pictures can draw of the verification's classes.

    `generator` is the digest of what draws and judges.
    """
    requests = card_requests(verification.vocabulary, verification.classes, generator=generator)
    checks: list[tuple[ObjectCheck, ...]] = []
    while len(checks) < len(requests):  # the batch may shrink on the way
        part = requests[len(checks) : len(checks) + artist.batch_count]
        drawings = artist.draw(part, attempt=1)
        shown = [drawing for drawing in drawings if isinstance(drawing, Drawing)]
        seen = iter(verification.look([drawing.pixels for drawing in shown]) if shown else ())
        checks += [
            verification.check(request, drawing, next(seen)).checks if isinstance(drawing, Drawing) else ()
            for request, drawing in zip(part, drawings, strict=True)
        ]
        progress(len(checks), len(requests), "pictures")
    return card_of(requests, checks, generator=generator)


def calibration_lines(found: Calibration) -> list[str]:
    """Say how well the judge sees each class, a line each."""
    lines = [f"the judge on {found.photos} train photos, where the truth is known:"]
    for each in found.classes:
        seen = (
            f"recall {each.recall:.2f}, precision {each.precision:.2f}"
            if each.sees
            else f"left to people: {each.reason}"
        )
        lines.append(f"  {each.label}: {seen} (n = {each.objects})")
    return lines


def _photos_to_try(priors: Priors) -> Ints:
    """Give the rows of photos, up to 40 that hold each class; ids are digests, so the first rows are as good as any."""
    chosen: Sequence[Ints] = [
        np.unique(priors.labels.image[priors.labels.label == number])[:PHOTOS_OF_CLASS]
        for number in range(len(priors.classes))
    ]
    return np.unique(np.concatenate(chosen))
