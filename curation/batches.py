"""Bind the batch contract: a file of requests is drawn into a folder, with or without a configuration at hand."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from curation.config import Config, load_config
from curation.ledger import CONFIG_NAME
from curation.painters import Permissions, Weights, painter_without_photos
from curation.step_settings import Drawing
from curation.wiring import counted, profile_of
from generation.batch import BatchResult, Shard, classes_of, read_requests, run_batch
from generation.label_files import ErrorLine
from training.errors import CurateError, UsageError

WHOLE: Shard = (1, 1)


def config_in(folder: Path) -> Config:
    """Give the configuration of a folder, the defaults where it has none."""
    path = folder / CONFIG_NAME
    return load_config(path) if path.is_file() else Config()


def shard_of(text: str | None) -> Shard:
    """Read `2/8`; raises `UsageError` for what is no such thing."""
    if text is None:
        return WHOLE
    if not (found := re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)):
        raise UsageError(f"--shard takes which of how many, got {text!r}", hint="count from 1: --shard 1/8 to 8/8")
    return int(found[1]), int(found[2])


def draw_file(requests: Path, folder: Path, *, config: Config, allowed: Permissions, shard: Shard) -> BatchResult:
    """Draw the requests of a shard of a file, and write labels and manifest beside the pictures.

    Classes are those of the vocabulary, in its order, where it names all that are asked for; else those of the file.
    Raises `CurateError` where no line gave a picture, after the manifest has been written.
    """
    folder = folder.resolve()  # links that lead out of it are not followed
    total = sum(1 for _ in read_requests(requests, shard=shard))
    asked_for = classes_of(requests)
    named = tuple(config.vocabulary.classes)
    classes = named if set(asked_for) <= set(named) else asked_for
    result = draw_batch(requests, folder, config=config, allowed=allowed, classes=classes, total=total, shard=shard)
    refuse_none(result, folder)
    return result


def draw_batch(
    requests: Path,
    folder: Path,
    *,
    config: Config,
    allowed: Permissions,
    classes: Sequence[str],
    total: int,
    shard: Shard = WHOLE,
) -> BatchResult:
    """Draw what a file asks for, showing how far it is of `total` lines."""
    weights = Weights(config, profile_of(config.training).device, allowed)
    with counted("drawing", total, "pictures") as progress:
        return run_batch(
            read_requests(requests, shard=shard, generator=Drawing.of(config).digest),
            painter_of=painter_without_photos(weights, classes),
            folder=folder,
            classes=classes,
            shard=shard,
            progress=progress,
        )


def refuse_none(result: BatchResult, folder: Path) -> None:
    """Raise `CurateError` where there were lines and none gave a picture."""
    if result.pictures or not result.lines:
        return
    reason = next(error_lines(folder / result.manifest)).reason
    if result.refused == result.lines:
        raise CurateError(
            f"{result.refused} of {result.lines} pictures were refused, the first because {reason}",
            hint="look at what the generator paints; no check is weakened to let such pictures through",
        )
    raise CurateError(
        f"none of {result.lines} lines gave a picture, the first because: {reason}",
        hint=f"{folder / result.manifest} says of each line what is wrong with it",
    )


def error_lines(manifest: Path) -> Iterator[ErrorLine]:
    """Give the lines of a manifest that gave no picture."""
    with manifest.open("rb") as lines:
        for text in lines:
            if text.startswith(b'{"kind":"error"'):
                yield ErrorLine.model_validate_json(text)
