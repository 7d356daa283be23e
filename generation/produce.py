"""Turn requests into pictures: resumable, one file a picture, failures kept as data."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from generation.records import Failure, GenerationRequest, PictureLabel, SyntheticImage
from training.errors import CurateError
from training.files import digest_of, digest_of_file, write_bytes, write_text

MIN_TRIED = 20  # before this many requests, failures are not yet a pattern
MAX_FAILED_SHARE = 0.5
WRITERS = 4  # files wait for the disk side by side, while the next picture is painted


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
"""Makes one picture; raises `CurateError` where it cannot."""
Outcome = SyntheticImage | Failure


def produce(
    requests: Sequence[GenerationRequest],
    *,
    paint: Paint,
    folder: Path,
    workspace: Path,
    progress: Callable[[int], object] = lambda _: None,
) -> Iterator[Outcome]:
    """Give a picture or a failure for each request, in order.

    A picture is `<request_id[:2]>/<request_id>.jpg` below the folder, which lies in the workspace. Its note, beside it,
    is written after it: a request whose note fits its picture is never painted again, so this can be killed at any
    moment and called again. Failures leave no note and are tried again. `progress` is told 1 after each request.
    Raises `CurateError` when more than half of at least 20 requests failed, or when the disk cannot be written.
    """
    tried, failed = 0, 0
    with ThreadPoolExecutor(WRITERS) as writers:
        started = (_finish(request, paint, folder, workspace, writers) for request in requests)
        for outcome in _in_turn(started, ahead_count=2 * WRITERS):
            tried += 1
            failed += isinstance(outcome, Failure)
            if isinstance(outcome, Failure) and tried >= MIN_TRIED and failed > MAX_FAILED_SHARE * tried:
                raise CurateError(
                    f"{failed} of {tried} pictures could not be made, the last because {outcome.reason}",
                    hint="finished pictures are kept: remove the cause and run the command again",
                )
            progress(1)
            yield outcome


def _in_turn(started: Iterable[Future[Outcome]], *, ahead_count: int) -> Iterator[Outcome]:
    """Wait for the oldest once enough others are started: a caller who stops has not started all of them."""
    waiting: deque[Future[Outcome]] = deque()
    for one in started:
        waiting.append(one)
        if len(waiting) > ahead_count:
            yield waiting.popleft().result()
    for one in waiting:
        yield one.result()


def _finish(
    request: GenerationRequest, paint: Paint, folder: Path, workspace: Path, writers: Executor
) -> Future[Outcome]:
    """Give what is there for a request, or make it and have it written."""
    path = folder / request.request_id[:2] / f"{request.request_id}.jpg"
    name = path.relative_to(workspace).as_posix()
    if finished := _finished(path, name):
        return writers.submit(lambda: finished)
    try:
        picture = paint(request)
    except CurateError as error:
        failure = Failure(request_id=request.request_id, reason=error.message)
        return writers.submit(lambda: failure)
    return writers.submit(_write, path, picture.data, _note(request, picture, name))


def _write(path: Path, data: bytes, note: SyntheticImage) -> SyntheticImage:
    """Write a picture, and its note after it."""
    write_bytes(path, data)
    write_text(path.with_suffix(".json"), note.model_dump_json(indent=2) + "\n")
    return note


def _finished(path: Path, name: str) -> SyntheticImage | None:
    """Give the note of a finished picture; None where there is none, or where it does not fit its picture."""
    note_path = path.with_suffix(".json")
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
