"""Turn requests into pictures: resumable, one file a picture, failures kept as data."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from generation.records import Failure, GenerationRequest, PictureLabel, SyntheticImage
from training.errors import CurateError
from training.files import digest_of, digest_of_file, write_bytes, write_json

MIN_TRIED = 20  # before this many requests, failures are not yet a pattern
MAX_FAILED_SHARE = 0.5


@dataclass(frozen=True)
class Picture:
    """What a painter gives back for a request."""

    data: bytes
    """The encoded file."""
    width_px: int
    height_px: int
    labels: tuple[PictureLabel, ...]
    source_ids: tuple[str, ...]
    """Ids of all train photos that it was made from, sorted."""
    look: int
    """64-bit difference hash of the pixels."""


Paint = Callable[[GenerationRequest], Picture]
"""Makes one picture; raises `CurateError` where it cannot. May be called from several threads."""


def produce(
    requests: Sequence[GenerationRequest],
    *,
    paint: Paint,
    folder: Path,
    workspace: Path,
    workers: int = 1,
    progress: Callable[[int], object] = lambda _: None,
) -> Iterator[SyntheticImage | Failure]:
    """Give a picture or a failure for each request, in order.

    A picture is `<request_id[:2]>/<request_id>.jpg` below the folder, which lies in the workspace. Its note, beside it,
    is written after it: a request whose note fits its picture is never painted again, so this can be killed at any
    moment and called again. Failures leave no note and are tried again. `progress` is told 1 after each request.
    Raises `CurateError` when more than half of at least 20 requests failed, or when the disk cannot be written.
    """
    tried, failed = 0, 0
    with ThreadPoolExecutor(workers) as pool:
        for outcome in _outcomes(requests, paint, folder, workspace, pool, batch_count=4 * workers):
            tried += 1
            failed += isinstance(outcome, Failure)
            if isinstance(outcome, Failure) and tried >= MIN_TRIED and failed > MAX_FAILED_SHARE * tried:
                raise CurateError(
                    f"{failed} of {tried} pictures could not be made, the last because {outcome.reason}",
                    hint="finished pictures are kept: remove the cause and run the command again",
                )
            progress(1)
            yield outcome


def _outcomes(
    requests: Sequence[GenerationRequest],
    paint: Paint,
    folder: Path,
    workspace: Path,
    pool: Executor,
    *,
    batch_count: int,
) -> Iterator[SyntheticImage | Failure]:
    """Work through the requests in batches, so that a caller who stops has not started all of them."""
    remaining = iter(requests)
    while batch := list(islice(remaining, batch_count)):
        yield from pool.map(lambda request: _finish(request, paint, folder, workspace), batch)


def _finish(request: GenerationRequest, paint: Paint, folder: Path, workspace: Path) -> SyntheticImage | Failure:
    """Give what is there for a request, or make it."""
    path = folder / request.request_id[:2] / f"{request.request_id}.jpg"
    note_path = path.with_suffix(".json")
    if finished := _finished(note_path, path, path.relative_to(workspace).as_posix()):
        return finished
    try:
        picture = paint(request)
    except CurateError as error:
        return Failure(request_id=request.request_id, reason=error.message)
    note = _note(request, picture, path.relative_to(workspace).as_posix())
    write_bytes(path, picture.data)
    write_json(note_path, note.plain())
    return note


def _finished(note_path: Path, path: Path, name: str) -> SyntheticImage | None:
    """Give the note of a finished picture; None where there is none, or where it does not fit its picture."""
    if not (note_path.is_file() and path.is_file()):
        return None
    try:
        note = SyntheticImage.model_validate_json(note_path.read_bytes())
    except ValidationError:
        return None
    return note if note.path == name and note.digest == digest_of_file(path) else None


def _note(request: GenerationRequest, picture: Picture, name: str) -> SyntheticImage:
    return SyntheticImage(
        request_id=request.request_id,
        brief_id=request.brief_id,
        finding_id=request.finding_id,
        backend=request.backend,
        digest=digest_of(picture.data),
        path=name,
        width_px=picture.width_px,
        height_px=picture.height_px,
        labels=picture.labels,
        source_ids=picture.source_ids,
        look=f"{picture.look:016x}",
    )
