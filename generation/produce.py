"""Turn requests into pictures: resumable, one file a picture, failures kept as data."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from generation.records import (
    Backend,
    Failure,
    GenerationRequest,
    ObjectCheck,
    PictureLabel,
    SyntheticImage,
    Verified,
)
from training.errors import CurateError
from training.files import digest_of, digest_of_file, write_bytes, write_text

MIN_TRIED = 20  # before this many requests, failures are not yet a pattern
MAX_FAILED_SHARE = 0.5
MAX_WAITING = 256  # finished pictures wait for a batch of missing ones to fill, but not for ever
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
    verified: Verified = "by construction"
    checks: tuple[ObjectCheck, ...] = ()
    repairs: tuple[str, ...] = ()
    attempts: int = 1


class Painter(Protocol):
    """Makes pictures."""

    @property
    def batch_count(self) -> int:
        """Give how many pictures are best made at once."""

    def paint(self, requests: Sequence[GenerationRequest]) -> Sequence[Picture | Failure]:
        """Give a picture or a failure for each request, in order."""


Outcome = SyntheticImage | Failure


def produce(
    requests: Iterable[GenerationRequest],
    *,
    painter_of: Callable[[Backend], Painter],
    folder: Path,
    workspace: Path,
    progress: Callable[[int], object] = lambda _: None,
) -> Iterator[Outcome]:
    """Give a picture or a failure for each request, in order.

    A picture is `<request_id[:2]>/<request_id>.jpg` below the folder, which lies in the workspace. Its note, beside it,
    is written after it: a request whose note fits its picture is never painted again, so this can be killed at any
    moment and called again. Failures leave no note and are tried again. `painter_of` is called only where something is
    to be painted; `progress` is told 1 after each request. Raises `CurateError` when more than half of at least 20
    requests could not be painted, refused ones not counted, and when the disk cannot be written.
    """
    tried, failed = 0, 0
    with ThreadPoolExecutor(WRITERS) as writers:
        desk = _Desk(folder, workspace, writers)
        started = (
            future
            for backend, group in groupby(requests, key=lambda request: request.backend)
            for future in desk.started(group, partial(painter_of, backend))
        )
        for outcome in _in_turn(started, ahead_count=2 * WRITERS):
            tried += 1
            failed += isinstance(outcome, Failure) and not outcome.refused
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


@dataclass(frozen=True)
class _Desk:
    """Where pictures go."""

    folder: Path
    workspace: Path
    writers: Executor

    def started(
        self, requests: Iterable[GenerationRequest], painter: Callable[[], Painter]
    ) -> Iterator[Future[Outcome]]:
        """Give what is there, and paint what is not, as much at once as the painter likes; in the order of requests."""
        waiting: list[tuple[GenerationRequest, SyntheticImage | None]] = []
        missing = 0
        for request in requests:
            path = self._path(request)
            waiting.append((request, _finished(path, self._name(path))))
            missing += waiting[-1][1] is None
            if not missing or missing == painter().batch_count or len(waiting) == MAX_WAITING:
                yield from self._flush(waiting, painter)
                waiting, missing = [], 0
        yield from self._flush(waiting, painter)

    def _flush(
        self, waiting: Sequence[tuple[GenerationRequest, SyntheticImage | None]], painter: Callable[[], Painter]
    ) -> Iterator[Future[Outcome]]:
        missing = [request for request, finished in waiting if finished is None]
        made = iter(painter().paint(missing) if missing else ())
        for request, finished in waiting:
            yield self._outcome(request, finished or next(made))

    def _outcome(self, request: GenerationRequest, made: SyntheticImage | Picture | Failure) -> Future[Outcome]:
        if not isinstance(made, Picture):
            known: Future[Outcome] = Future()
            known.set_result(made)
            return known
        path = self._path(request)
        return self.writers.submit(_write, path, made.data, _note(request, made, self._name(path)))

    def _path(self, request: GenerationRequest) -> Path:
        return self.folder / request.request_id[:2] / f"{request.request_id}.jpg"

    def _name(self, path: Path) -> str:
        return path.relative_to(self.workspace).as_posix()


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
        verified=picture.verified,
        checks=picture.checks,
        repairs=picture.repairs,
        attempts=picture.attempts,
    )
