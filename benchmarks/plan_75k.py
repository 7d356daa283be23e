"""How long 75,000 pictures take beside the painting: to plan their requests, and to write their label files.

Requests are planned from a vocabulary without photos (configs/ppe.yaml), as one brief, and written as JSON Lines. Label
files are written from the notes that `produce` leaves: YOLO rows by parallel writers, COCO, the manifest; once into a
folder that has none, and once more, where all is there. Reading the requests is told, too, with no target of its own:
a batch does it twice, to know the classes and to paint.

Each step runs in a process of its own, on two cores; its memory is the most that the process ever held. Time is that of
the clock, and includes the disk. Growth is measured in seconds of the processor, for this is often run on a busy
machine: against the mean of a run before and one after. 75,000 are 7.5 times 10,000; 9 leaves a fifth for chance and is
what n · log n would just take.
"""

import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from generation.batch import read_requests
from generation.cold_layout import plan_cold
from generation.label_files import write_dataset
from generation.records import DrawRequest, PictureLabel, SyntheticImage
from generation.vocabulary import Vocabulary

FEW, MANY = 10_000, 75_000
CORES = 2
MAX_S, MAX_GIB, MAX_GROWTH = 60.0, 1.0, 9.0
WORDS = Path(__file__).parents[1] / "configs" / "ppe.yaml"
LABEL = "safety_vest"

CLASSES = ("hard_hat", "person", "safety_vest")


@dataclass(frozen=True)
class Taken:
    clock_s: float
    processor_s: float
    gib: float


def main() -> int:
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
    print(f"{'':<32}{'requests':>10}{'time':>10}{'processor':>12}{'memory':>12}{'growth':>9}")
    missed: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / part for part in ("before", "many", "after")]
        for step, work in STEPS.items():
            turns = list(zip(folders, (FEW, MANY, FEW), strict=True))
            taken = [alone(work, folder, count) for folder, count in turns]
            growth = 2 * taken[1].processor_s / (taken[0].processor_s + taken[2].processor_s)
            for (_, count), one in zip(turns, taken, strict=True):
                shown = f"{growth:>7.1f} ×" if count == MANY else ""
                told = f"{one.clock_s:>8.1f} s{one.processor_s:>10.1f} s{one.gib:>8.2f} GiB{shown}"
                print(f"{step:<32}{count:>10,}{told}", flush=True)
            if work in AIMED and not (taken[1].clock_s < MAX_S and taken[1].gib < MAX_GIB and growth <= MAX_GROWTH):
                missed.append(step)
    print(f"load of the machine after: {os.getloadavg()[0]:.1f}")
    print(f"targets for {MANY:,}: {MAX_S:.0f} s, {MAX_GIB:.0f} GiB, {MAX_GROWTH:.0f} times the time of {FEW:,}")
    print(f"missed: {', '.join(missed)}" if missed else "all targets met")
    return 1 if missed else 0


def alone(work: Callable[[Path, int], None], folder: Path, count: int) -> Taken:
    """Run a step in a new process on two cores."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measured, (work, folder, count))


def measured(work: Callable[[Path, int], None], folder: Path, count: int) -> Taken:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    started, processor = time.perf_counter(), time.process_time()
    work(folder, count)
    clock_s, processor_s = time.perf_counter() - started, time.process_time() - processor
    return Taken(clock_s, processor_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def plan(folder: Path, count: int) -> None:
    folder.mkdir()
    vocabulary = Vocabulary.model_validate(yaml.safe_load(WORDS.read_text(encoding="utf-8"))["vocabulary"])
    requests = plan_cold(vocabulary, label=LABEL, brief_id="b", generator="g", count=count, seed=0)
    with (folder / "requests.jsonl").open("w", encoding="utf-8") as file:
        planned_count = sum(bool(file.write(request.model_dump_json() + "\n")) for request in requests)
    assert planned_count == count


def read(folder: Path, count: int) -> None:
    wishes = (asked.wish for asked in read_requests(folder / "requests.jsonl"))
    assert sum(isinstance(wish, DrawRequest) for wish in wishes) == count


def note(folder: Path, count: int) -> None:
    """Leave the notes that `produce` would, and none of the pictures: nobody opens them here."""
    paths = []
    for asked in read_requests(folder / "requests.jsonl"):
        assert isinstance(asked.wish, DrawRequest)
        picture = picture_of(asked.wish)
        path = folder / picture.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".json").write_text(picture.model_dump_json(indent=2) + "\n")
        paths.append(picture.path)
    assert len(paths) == count
    (folder / "paths").write_text("\n".join(paths))
    os.sync()  # so that the next step does not wait for what this one wrote


def picture_of(request: DrawRequest) -> SyntheticImage:
    name = request.request_id
    return SyntheticImage(
        request_id=name,
        brief_id=request.brief_id,
        finding_id=request.finding_id,
        backend=request.backend,
        digest=name,
        path=f"images/{name[:2]}/{name}.jpg",
        width_px=512,
        height_px=512,
        labels=tuple(
            PictureLabel(label=one.label, xyxy=one.xyxy, visible_share=1, source_id="", added=True)
            for one in request.objects
        ),
        source_ids=(),
        look="0" * 16,
        verified="unverified",
    )


def label(folder: Path, count: int) -> None:
    results = enumerate((folder / "paths").read_text().split(), 1)
    write_dataset(folder, results, classes=CLASSES, manifest="manifest.jsonl", coco="coco.json")
    assert sum(1 for _ in folder.glob("labels/*/*.txt")) == count


def label_again(folder: Path, count: int) -> None:
    label(folder, count)


STEPS = {
    "plan, write requests": plan,
    "read requests": read,
    "write notes (preparation)": note,
    "label files, COCO, manifest": label,
    "the same again": label_again,
}
AIMED = (plan, label)


if __name__ == "__main__":
    sys.exit(main())
