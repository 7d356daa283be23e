"""The batch contract: a file of requests in; pictures, labels and one manifest out, without a workspace.

This is what a managed batch job or a machine of a cluster runs. One line in is one line out, in the same order: a
picture or an error. The folder then holds

    images/ab/ID.jpg         a picture, and ID.json, its note: labels, verdicts, seeds
    labels/ab/ID.txt         its labels as YOLO rows
    data.yaml                what ultralytics trains by
    coco.json                the same labels as COCO
    manifest.jsonl           a `PictureLine` or an `ErrorLine` for each line; written last: presence means finished

With shards, `coco-2-of-8.json` and `manifest-2-of-8.jsonl` stand beside those of the others, and the rest is shared.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from generation.label_files import Result, check_classes, write_dataset
from generation.produce import Painter, produce
from generation.records import Backend, DrawRequest, Failure, identified
from training.errors import DataError, UsageError
from training.records import Record
from training.source import BadItem, checked_name, printable

MAX_LINE_BYTES = 2**20
_NEEDS_WORKSPACE = {"paste": "is pasted onto photos", "gligen-inpaint": "is painted into photos"}

Shard = tuple[int, int]
"""Which of how many, from 1: line n goes to shard (n − 1) mod count + 1."""


@dataclass(frozen=True)
class Asked:
    """One line of a file of requests."""

    line: int
    """From 1, counted over the whole file."""
    wish: DrawRequest | Failure
    """A failure where the line cannot be used; its `request_id` is what the line says, if anything."""


class BatchResult(Record):
    """What came of a batch, or of one shard of it."""

    lines: int
    pictures: int
    """Lines that gave a picture."""
    errors: int
    """Lines that gave none, those refused by the judge included."""
    refused: int
    manifest: str
    """Name in the folder, as the next."""
    coco: str


def read_requests(path: Path, *, shard: Shard = (1, 1), generator: str = "") -> Iterator[Asked]:
    """Read the lines of a shard, one `DrawRequest` as JSON each, without holding the file.

    * A line that leaves out `request_id` gets it computed; one with another than that of its content is an error,
      because a finished picture is found by it.
    * A line that leaves out `generator` gets the one given; one of another generator is an error.
    * A line that needs a workspace's photos, is no request or is blank is an error.

    Raises `UsageError` for a shard that there is not, `DataError` where the file cannot be read.
    """
    own, count = shard
    if not 1 <= own <= count:
        raise UsageError(f"there is no shard {own} of {count}", hint="count shards from 1: --shard 1/8 to --shard 8/8")
    try:
        with path.open("rb") as file:
            for line, text in enumerate(_lines(file), 1):
                if (line - own) % count == 0:
                    yield Asked(line, _wish(text, generator))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(
            f"cannot read {path}: {reason}", hint="name a file of requests, one line of JSON each"
        ) from error


def classes_of(path: Path) -> tuple[str, ...]:
    """Give the labels of all requests of a file, sorted: over all its lines, so that every shard numbers them alike."""
    wishes = (asked.wish for asked in read_requests(path))
    return tuple(sorted({one.label for wish in wishes if isinstance(wish, DrawRequest) for one in wish.objects}))


def run_batch(
    asked: Iterable[Asked],
    *,
    painter_of: Callable[[Backend], Painter],
    folder: Path,
    classes: Sequence[str],
    shard: Shard = (1, 1),
    progress: Callable[[int], object] = lambda _: None,
) -> BatchResult:
    """Make the pictures of a batch or of one shard, then their label files; `progress` is told 1 after each line.

    Can be killed at any moment and called again: nothing is painted twice, and the files end the same. Equal requests
    give one picture, and a line of the manifest each. Pictures of an earlier batch in the same folder stay in it.

    Raises `DataError` where the folder holds other classes, or a picture shows one that is not named, and `CurateError`
    as `produce` does and where the disk cannot be written. Finished pictures and their notes are kept then, the
    manifest is not written, and the same call goes on from there.
    """
    check_classes(folder, classes)
    book = _Book(frozenset(classes), progress)
    for outcome in produce(
        book.requests(asked), painter_of=painter_of, folder=folder / "images", workspace=folder, progress=progress
    ):
        book.outcomes[outcome.request_id] = outcome if isinstance(outcome, Failure) else outcome.path
    part = "" if shard[1] == 1 else f"-{shard[0]}-of-{shard[1]}"
    manifest, coco = f"manifest{part}.jsonl", f"coco{part}.json"
    write_dataset(folder, book.results(), classes=classes, manifest=manifest, coco=coco)
    failures = [came for _, came in book.results() if isinstance(came, Failure)]
    return BatchResult(
        lines=len(book.lines),
        pictures=len(book.lines) - len(failures),
        errors=len(failures),
        refused=sum(failure.refused for failure in failures),
        manifest=manifest,
        coco=coco,
    )


@dataclass
class _Book:
    """The lines of a batch in their order, and what came of the requests; small things only, for there may be many."""

    classes: frozenset[str]
    progress: Callable[[int], object]
    lines: list[tuple[int, str | Failure]] = field(default_factory=list)
    """Number of the line, and the id of its request or what is wrong with it."""
    outcomes: dict[str, str | Failure] = field(default_factory=dict)
    """By id of the request: the picture's path, or why there is none."""

    def requests(self, asked: Iterable[Asked]) -> Iterator[DrawRequest]:
        """Give the requests to be painted, each once, and enter all lines."""
        seen: set[str] = set()
        for one in asked:
            wish = self._known(one.wish)
            self.lines.append((one.line, wish if isinstance(wish, Failure) else wish.request_id))
            if isinstance(wish, Failure) or wish.request_id in seen:
                self.progress(1)
            else:
                seen.add(wish.request_id)
                yield wish

    def results(self) -> Iterator[Result]:
        """Give what came of each line."""
        for line, entered in self.lines:
            yield line, entered if isinstance(entered, Failure) else self.outcomes[entered]

    def _known(self, wish: DrawRequest | Failure) -> DrawRequest | Failure:
        if isinstance(wish, Failure):
            return wish
        unknown = sorted({one.label for one in wish.objects} - self.classes)
        reason = f"class that is not named: {printable(unknown[0])}" if unknown else ""
        return Failure(request_id=wish.request_id, reason=reason) if unknown else wish


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Give the lines of a file, None for one that is too long to be held."""
    while text := file.readline(MAX_LINE_BYTES + 1):
        is_whole = len(text) <= MAX_LINE_BYTES or text.endswith(b"\n")
        rest = b"" if is_whole else text
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE_BYTES)
        yield text if is_whole else None


def _wish(text: bytes | None, generator: str) -> DrawRequest | Failure:
    told_id = ""
    try:
        values = _values(text)
        told_id = printable(told) if isinstance(told := values.get("request_id"), str) else ""
        return _identified(_request(values), generator)
    except BadItem as bad:
        return Failure(request_id=told_id, reason=bad.reason)


def _values(text: bytes | None) -> dict[str, Any]:
    if text is None:
        raise BadItem(f"line too long: at most {MAX_LINE_BYTES} bytes are read")
    if not text.strip():
        raise BadItem("blank line: one request a line is expected")
    try:
        values = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadItem(f"not JSON: {printable(str(error), 100)}") from error
    if not isinstance(values, dict):
        raise BadItem("not a request: the line is no JSON object")
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise BadItem("not text: half of a character stands alone") from error
    return values


def _request(values: dict[str, Any]) -> DrawRequest:
    """Read a request; raises `BadItem` for one that cannot be painted here, or that training could not read back."""
    backend = values.get("backend")
    if isinstance(backend, str) and backend in _NEEDS_WORKSPACE:
        raise BadItem(f"needs a workspace: what {backend} makes {_NEEDS_WORKSPACE[backend]} that it has")
    try:
        request = DrawRequest.model_validate({"request_id": ""} | values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the line"
        raise BadItem(f"not a request: {printable(where)}: {printable(first['msg'], 100)}") from error
    for place, one in enumerate(request.objects, 1):
        x1, y1, x2, y2 = one.xyxy
        if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
            raise BadItem(f"bad box: that of object {place} must have x1 < x2 and y1 < y2, all within 0–1")
        if checked_name(one.label) != one.label:
            raise BadItem(f"not a class name: {one.label!r} has space around it")
    for words in (request.prompt, request.negative_prompt, *(one.phrase for one in request.objects)):
        if not (words.isprintable() and (words.strip() or words == request.negative_prompt)):
            raise BadItem(f"not printable: {printable(words, 40)}")
    return request


def _identified(request: DrawRequest, generator: str) -> DrawRequest:
    """Give the request with its generator and its id; raises `BadItem` where it has others."""
    if request.request_id not in ("", identified(request).request_id):
        raise BadItem("wrong request_id: it is not the digest of the rest; leave it out")
    if request.generator not in ("", generator) and generator:
        raise BadItem(f"for another generator: it was planned for {printable(request.generator)}, this is {generator}")
    return identified(request.model_copy(update={"generator": request.generator or generator}))
