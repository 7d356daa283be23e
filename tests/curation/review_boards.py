"""Two boards that people decide on: a model of the database in plain lists, and a real one whose mongod is killed."""

import copy
import json
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from bson import ObjectId

from curation.connection import connect, disconnect
from curation.decisions import Collected, Edits, HumanDecisions, Journal
from curation.documents import Boxes, NamedBoxes, box_ids
from curation.mongod import running
from curation.plugin import sitting
from curation.plugin.decisions import decide_stages, undo_stages
from curation.records import PersonSaid
from curation.schema import declare_review
from curation.store import Store, open_dataset
from generation.records import PictureLabel, SyntheticImage, Verdict

DECIDED = ("accepted", "rejected")
START = np.datetime64("2026-01-01T00:00:00", "ms")


@dataclass(frozen=True)
class Box:
    """A box on a picture, as people see it."""

    id: str
    name: str
    left: float
    """The other corners are the same for all: nothing is learned from moving these, too."""


@dataclass(frozen=True)
class Seen:
    """What people see of a picture: our tags, and the verdict with whose it is."""

    tags: frozenset[str]
    verdict: str | None
    reviewer: str | None


class Board(Protocol):
    """What people and the program do to samples."""

    def begin(self) -> None: ...
    def drop(self) -> None: ...
    def decide(self, picture_id: str, verdict: str, *, reviewer: str) -> None: ...
    def undo(self, picture_id: str, *, reviewer: str) -> None: ...
    def tag(self, picture_id: str, verdict: str) -> None: ...
    def leave(self, picture_id: str, boxes: Sequence[Box]) -> None: ...
    def publish_pictures(self, pictures: Sequence[SyntheticImage], journal: Journal) -> int: ...
    def publish_verdicts(self, verdicts: Sequence[Verdict]) -> None: ...
    def collect(self, pictures: Sequence[SyntheticImage]) -> Collected: ...
    def restart(self) -> None: ...
    def seen(self, picture_id: str) -> Seen: ...


def boxes_of(picture: SyntheticImage, left: Boxes | None = None) -> list[Box]:
    """Give the boxes of a picture, or those that people left on it, under the ids that they are published with."""
    labels = picture.labels if left is None else left
    numbered = zip(box_ids(picture, labels), labels, strict=True)
    return [Box(box_id, label.label, round(label.xyxy[0], 9)) for box_id, label in numbered]


def corners(box: Box) -> tuple[float, float, float, float]:
    return (box.left, 0.2, box.left + 0.25, 0.5)


def time_of(number: int) -> np.datetime64:
    """Give a moment of the model's clock."""
    return START + np.timedelta64(number, "s")


def picture_of(request_id: str, boxes: Sequence[tuple[str, float]]) -> SyntheticImage:
    """Give a picture with these classes at these left sides."""
    labels = [
        PictureLabel(label=name, xyxy=corners(Box("", name, left)), visible_share=1, source_id=f"of {name}", added=True)
        for name, left in boxes
    ]
    return SyntheticImage(
        request_id=request_id, brief_id="b", finding_id="f", backend="paste", digest="0" * 24,
        path=f"{request_id}.jpg", width_px=320, height_px=240, labels=tuple(labels), source_ids=(), look="0" * 16,
    )  # fmt: skip


@dataclass
class Sample:
    """One sample of the model."""

    boxes: list[Box]
    entries: list[tuple[str, str, int, int]] = field(default_factory=list)
    """Verdict, reviewer, time, and what an undo takes back (−1 for none)."""
    tags: list[str] = field(default_factory=list)
    verdict: str | None = None
    reviewer: str | None = None
    ruled: tuple[str | None, str | None] = (None, None)
    modified: int = 0

    def by_tag(self) -> list[tuple[str, str, int, int]]:
        """Give the decision that the last tag is, where the verdict does not say the same."""
        other = [tag for tag in self.tags if tag != self.verdict]
        return [(other[-1], "tag", self.modified, -1)] if other else []

    def standing(self, entries: Sequence[tuple[str, str, int, int]]) -> list[int]:
        """Give the places of the decisions that were not taken back."""
        back = {undone for *_, undone in entries}
        return [n for n, (verdict, *_) in enumerate(entries) if verdict != "undone" and n not in back]

    def take_in(self) -> None:
        if not self.standing(self.entries):
            self.ruled = self.verdict, self.reviewer
        self.entries += self.by_tag()

    def show(self, now: int) -> None:
        left = self.standing(self.entries)
        self.verdict, self.reviewer = self.entries[left[-1]][:2] if left else self.ruled
        self.tags, self.modified = [self.verdict] if self.verdict else [], now

    def publish(self, verdict: Verdict, now: int) -> None:
        """Show a verdict unless somebody has done anything since; one that is the tag is taken into the list."""
        mine = DECIDED[not verdict.accepted]
        if self.by_tag():
            if verdict.reviewer == "tag" and self.by_tag()[0][0] == mine:
                self.take_in()
                self.show(now)
        elif not self.standing(self.entries) and (verdict.reviewer == "rule" or not self.entries):
            self.tags, self.verdict, self.reviewer, self.modified = [mine], mine, verdict.reviewer, now

    def restore(self, told: PersonSaid) -> None:
        """Take in what is known from before the database was made anew."""
        at = int((np.datetime64(told.at) - START) / np.timedelta64(1, "s"))
        others = [(who, yes) for who, yes in sorted(told.by_reviewer.items()) if who != told.reviewer]
        self.entries = [(DECIDED[not yes], who, at, -1) for who, yes in [*others, (told.reviewer, told.accepted)]]
        self.show(at)


class ModelBoard:
    """The database as its lists say it is; what was acknowledged is on the disk, and a restart reads the disk."""

    def begin(self) -> None:
        """Start with no samples."""
        self.now = getattr(self, "now", 0)
        self.memory: dict[str, Sample] = {}
        self.disk: dict[str, Sample] = {}

    def drop(self) -> None:
        self.begin()

    def decide(self, picture_id: str, verdict: str, *, reviewer: str) -> None:
        sample = self._touched(picture_id)
        sample.take_in()
        sample.entries.append((verdict, reviewer, self.now, -1))
        sample.show(self.now)
        self._acknowledge()

    def undo(self, picture_id: str, *, reviewer: str) -> None:
        sample = self._touched(picture_id)
        sample.take_in()
        if mine := [n for n in sample.standing(sample.entries) if sample.entries[n][1] == reviewer]:
            sample.entries.append(("undone", reviewer, self.now, mine[-1]))
        sample.show(self.now)
        self._acknowledge()

    def tag(self, picture_id: str, verdict: str) -> None:
        sample = self._touched(picture_id)
        sample.tags += [verdict] if verdict not in sample.tags else []
        sample.modified = self.now
        self._acknowledge()

    def leave(self, picture_id: str, boxes: Sequence[Box]) -> None:
        self._touched(picture_id).boxes = list(boxes)
        self._acknowledge()

    def publish_pictures(self, pictures: Sequence[SyntheticImage], journal: Journal) -> int:
        new = [each for each in pictures if each.request_id not in self.memory]
        for each in new:
            sample = self.memory[each.request_id] = Sample(boxes_of(each, journal.boxes.get(each.request_id)))
            if told := journal.said.get(each.request_id):
                sample.restore(told)
        self._acknowledge()
        return len(new)

    def publish_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        for each in verdicts:
            self._touched(each.request_id).publish(each, self.now)
        self._acknowledge()

    def collect(self, pictures: Sequence[SyntheticImage]) -> Collected:
        rows: list[tuple[Any, ...]] = []
        for picture_id, sample in sorted(self.memory.items()):
            entries = sample.entries + sample.by_tag()
            left = sample.standing(entries)
            for n, (verdict, reviewer, at, _) in enumerate(entries):
                rows.append((picture_id, n, verdict, reviewer, "", time_of(at), n in left, n in left[-1:]))
        columns = list(zip(*rows, strict=True)) or [()] * 8
        kinds: tuple[Any, ...] = ("<U24", np.int64, np.str_, np.str_, np.str_, "datetime64[ms]", np.bool_, np.bool_)
        decisions = HumanDecisions(*(np.array(each, kind) for each, kind in zip(columns, kinds, strict=True)))
        both = [each for each, sample in sorted(self.memory.items()) if len(sample.tags) > 1]
        return Collected(decisions, tuple(both), self._edits(pictures))

    def restart(self) -> None:
        self.memory = copy.deepcopy(self.disk)

    def seen(self, picture_id: str) -> Seen:
        sample = self.memory[picture_id]
        return Seen(frozenset(sample.tags), sample.verdict, sample.reviewer)

    def _touched(self, picture_id: str) -> Sample:
        self.now += 1
        return self.memory[picture_id]

    def _acknowledge(self) -> None:
        self.disk = copy.deepcopy(self.memory)

    def _edits(self, pictures: Sequence[SyntheticImage]) -> Edits:
        there = [each for each in pictures if each.request_id in self.memory]
        changed = [each.request_id for each in there if self.memory[each.request_id].boxes != boxes_of(each)]
        found = [(place, box) for place, each in enumerate(changed) for box in self.memory[each].boxes]
        boxes = NamedBoxes(
            id=np.array([box.id for _, box in found], "<U24"),
            image=np.array([place for place, _ in found], np.int64),
            name=np.array([box.name for _, box in found], np.str_),
            xyxy=np.array([corners(box) for _, box in found], np.float64).reshape(-1, 4),
        )
        return Edits(tuple(changed), boxes, tuple(each.request_id for each in there))


class RealBoard:
    """A dataset on a mongod of its own, which is killed and started again on the same folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.server = root, ExitStack()
        self._start()

    def begin(self) -> None:
        """Start with no samples."""
        self.store.dataset._sample_collection.delete_many({})

    def drop(self) -> None:
        """Drop all samples, as if the database were made anew."""
        self.begin()

    def decide(self, picture_id: str, verdict: str, *, reviewer: str) -> None:
        sitting.apply(self.store.dataset, [picture_id], decide_stages(verdict, reviewer=reviewer))

    def undo(self, picture_id: str, *, reviewer: str) -> None:
        sitting.apply(self.store.dataset, [picture_id], undo_stages(reviewer=reviewer))

    def tag(self, picture_id: str, verdict: str) -> None:
        self.store.dataset.select(picture_id).tag_samples(verdict)

    def leave(self, picture_id: str, boxes: Sequence[Box]) -> None:
        detections = [
            {
                "_id": ObjectId(box.id),
                "_cls": "Detection",
                "label": box.name,
                "bounding_box": [box.left, 0.2, 0.25, 0.3],
            }
            for box in boxes
        ]
        update = [{"$set": {"ground_truth.detections": {"$literal": detections}, "last_modified_at": "$$NOW"}}]
        self.store.dataset._sample_collection.update_one({"_id": ObjectId(picture_id)}, update)

    def publish_pictures(self, pictures: Sequence[SyntheticImage], journal: Journal) -> int:
        return self.store.publish_pictures(pictures, journal)

    def publish_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        self.store.publish_verdicts(verdicts)

    def collect(self, pictures: Sequence[SyntheticImage]) -> Collected:
        return self.store.collect(pictures)

    def restart(self) -> None:
        """Kill mongod, and start another one on the same folder."""
        disconnect()  # a client that finds nobody to say goodbye to waits ten seconds
        pid = json.loads((self.root / "db" / "server.json").read_text())["pid"]
        os.kill(pid, signal.SIGKILL)
        self.server.close()
        self._start()

    def seen(self, picture_id: str) -> Seen:
        found = self.store.dataset._sample_collection.find_one({"_id": ObjectId(picture_id)})
        return Seen(frozenset(found["tags"]) & {*DECIDED}, found.get("verdict"), found.get("reviewer"))

    def close(self) -> None:
        """End the mongod."""
        disconnect()
        self.server.close()

    def _start(self) -> None:
        uri = self.server.enter_context(running(self.root / "db"))
        connect(uri, plugins_dir=self.root / "plugins")
        self.store: Store = open_dataset("machine", root=self.root)
        declare_review(self.store.dataset)


def real_board(root: Path) -> Iterator[RealBoard]:
    """Serve a real board, for a fixture."""
    board = RealBoard(root)
    yield board
    board.close()
    shutil.rmtree(root / "db")
