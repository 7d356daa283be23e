"""Reviewing 10,000 pictures: publishing, collecting and opening, on a mongod of its own in a temporary folder.

    python benchmarks/review.py [--browser]

* Publishing: pictures with verdicts by `Store`, against FiftyOne's own `add_samples` with label objects, of which 2,000
  are built and added; 10,000 are extrapolated from them, linearly.
* Collecting: every picture has a decision, every tenth a moved box; all decisions and all boxes are read.
* Opening, with `--browser`: from the App's address to the first picture drawn, in headless Chromium; the median of
  three tabs, after one that warms the server. An empty dataset has no panel: the App says that there are no samples.
  Left out, with the reason, where there is no Chromium.

Exits with 1 where publishing is less than ten times as fast, collecting takes more than a tenth of publishing by
objects, or the queue takes more than twice as long to open as an empty dataset.
"""

import argparse
import contextlib
import importlib.util
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curation.connection import connect, disconnect
from curation.mongod import running
from curation.plugin import sitting
from curation.plugin.decisions import ACCEPTED, decide_stages
from curation.session import open_session
from curation.store import Store, open_dataset
from generation.records import PictureLabel, SyntheticImage, Verdict

PICTURES, BY_OBJECTS, BOXES, TABS = 10_000, 2_000, 4, 3
CLASSES = ("cone", "vest", "barrow")
MIN_RATIO, MAX_COLLECT_SHARE, MAX_OPEN_RATIO = 10.0, 0.1, 2.0
WIDTH_PX, HEIGHT_PX, SLOW_MS = 320, 240, 120_000
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
Row = tuple[str, str, str, bool]


def made(rng: np.random.Generator) -> list[SyntheticImage]:
    """Give pictures with four boxes each; their ids are not in order, as digests are not."""
    corner, size = rng.uniform(0, 0.7, (PICTURES, BOXES, 2)), rng.uniform(0.05, 0.3, (PICTURES, BOXES, 2))
    corners = np.concatenate([corner, corner + size], axis=2).tolist()
    names = rng.choice(CLASSES, (PICTURES, BOXES)).tolist()
    ids = [f"{number:024x}" for number in rng.permutation(PICTURES).tolist()]
    return [picture(*each) for each in zip(ids, corners, names, strict=True)]


def picture(
    request_id: str, corners: Sequence[tuple[float, float, float, float]], names: Sequence[str]
) -> SyntheticImage:
    labels = [
        PictureLabel(label=name, xyxy=xyxy, visible_share=1, source_id="", added=True)
        for name, xyxy in zip(names, corners, strict=True)
    ]
    return SyntheticImage(
        request_id=request_id,
        brief_id="brief",
        finding_id="finding",
        backend="paste",
        digest="0" * 24,
        path=f"pictures/{request_id}.jpg",
        width_px=WIDTH_PX,
        height_px=HEIGHT_PX,
        labels=tuple(labels),
        source_ids=(),
        look="0" * 16,
    )


def ruled(pictures: Sequence[SyntheticImage]) -> list[Verdict]:
    """Give a verdict on each picture; every third is rejected."""
    return [
        Verdict(request_id=each.request_id, accepted=bool(n % 3), reason="" if n % 3 else "too small", reviewer="rule")
        for n, each in enumerate(pictures)
    ]


def draw(root: Path, pictures: Sequence[SyntheticImage]) -> None:
    """Put the same small photo under the name of each picture."""
    from PIL import Image

    (root / "pictures").mkdir()
    Image.new("RGB", (WIDTH_PX, HEIGHT_PX), (90, 120, 60)).save(root / "one.jpg")
    for each in pictures:
        os.link(root / "one.jpg", root / each.path)


def publish(store: Store, pictures: Sequence[SyntheticImage], verdicts: Sequence[Verdict]) -> None:
    assert store.publish_pictures(pictures) == len(pictures)
    store.publish_verdicts(verdicts)


def add_by_objects(root: Path, pictures: Sequence[SyntheticImage], verdicts: Sequence[Verdict]) -> None:
    """Add the same as samples with label objects, as FiftyOne's manual does; the dataset stays until the end."""
    import fiftyone as fo

    samples = []
    for each, verdict in zip(pictures, verdicts, strict=True):
        boxes = [
            fo.Detection(label=label.label, bounding_box=top_left(label.xyxy), visible_share=1.0, added=True)
            for label in each.labels
        ]
        word = ACCEPTED if verdict.accepted else "rejected"
        sample = fo.Sample(filepath=str(root / each.path), tags=["synthetic", word], verdict=word)
        sample["ground_truth"] = fo.Detections(detections=boxes)
        sample["metadata"] = fo.ImageMetadata(width=each.width_px, height=each.height_px)
        sample["request_id"], sample["verdict_reason"] = each.request_id, verdict.reason
        samples.append(sample)
    fo.Dataset("by_objects").add_samples(samples)


def top_left(xyxy: Sequence[float]) -> list[float]:
    return [xyxy[0], xyxy[1], xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]]


def decide(store: Store, pictures: Sequence[SyntheticImage]) -> int:
    """Leave a decision on every picture, and a moved box on every tenth; give the number of the latter."""
    ids = [each.request_id for each in pictures]
    sitting.apply(store.dataset, ids, decide_stages(ACCEPTED, reviewer="ann"))
    from bson import ObjectId

    moved = [ObjectId(each) for each in ids[::10]]
    change = {"$set": {"ground_truth.detections.0.bounding_box.2": 0.01}}
    return int(store.dataset._sample_collection.update_many({"_id": {"$in": moved}}, change).modified_count)


def database_rows(store: Store, pictures: Sequence[SyntheticImage]) -> list[Row]:
    """Measure publishing and collecting."""
    verdicts = ruled(pictures)
    publish_s, _ = timed(lambda: publish(store, pictures, verdicts))
    some_s, _ = timed(lambda: add_by_objects(store.root, pictures[:BY_OBJECTS], verdicts[:BY_OBJECTS]))
    objects_s = some_s * PICTURES / BY_OBJECTS
    moved_count = decide(store, pictures)
    collect_s, found = timed(lambda: store.collect(pictures))
    assert len(found.decisions) == PICTURES
    assert len(found.edits.picture_ids) == moved_count
    ratio, share = objects_s / publish_s, collect_s / objects_s
    by_objects = f"{some_s:.1f} s, so {objects_s:.1f} s"
    return [
        (f"publishing {PICTURES:,} pictures with verdicts", f"{publish_s:.2f} s", "", True),
        (f"by objects, {BY_OBJECTS:,} measured, extrapolated", by_objects, "", True),
        ("by objects / ours", f"{ratio:.1f} x", f"at least {MIN_RATIO:.0f}", ratio >= MIN_RATIO),
        (f"collecting {PICTURES:,} decisions, {moved_count:,} edits", f"{collect_s:.2f} s", "", True),
        (
            "collecting / publishing by objects",
            f"{share:.3f}",
            f"at most {MAX_COLLECT_SHARE}",
            share <= MAX_COLLECT_SHARE,
        ),
    ]


def browser_rows(store: Store, pictures: Sequence[SyntheticImage]) -> list[Row]:
    """Measure the first screen of the queue, and that of a dataset without samples."""
    empty = open_dataset("empty", root=store.root)
    ids = [each.request_id for each in pictures]
    prepare_s, full_s = first_screen(store, ids)
    _, empty_s = first_screen(empty, [])
    ratio = full_s / empty_s
    return [
        (f"preparing a session of {PICTURES:,}, App started", f"{prepare_s:.1f} s", "", True),
        (f"first screen of a queue of {PICTURES:,}", f"{full_s:.2f} s", "", True),
        ("first screen of an empty dataset", f"{empty_s:.2f} s", "", True),
        ("queue / empty", f"{ratio:.2f} x", f"at most {MAX_OPEN_RATIO:.0f}", ratio <= MAX_OPEN_RATIO),
    ]


def first_screen(store: Store, queue_ids: Sequence[str]) -> tuple[float, float]:
    """Give the seconds until the App answers, and from its address to the first screen."""
    prepare_s, session = timed(lambda: open_session(store, queue_ids, what="pictures", reviewer="ann"))
    try:
        with chromium() as browser:
            taken_s = [opened_s(browser, session.url, is_empty=not queue_ids) for _ in range(1 + TABS)]
    finally:
        session.close()
    return prepare_s, statistics.median(taken_s[1:])


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def opened_s(browser: Any, url: str, *, is_empty: bool) -> float:
    """Open an address in a browser without a cache; give the seconds until all that it shows at first is there."""
    tab = browser.new_context(viewport={"width": 1400, "height": 800}).new_page()
    tab.set_default_timeout(SLOW_MS)

    def wait() -> None:
        tab.goto(url)
        if is_empty:
            tab.get_by_text("No samples yet").wait_for()
        else:
            tab.get_by_text(" decided").first.wait_for()
            tab.locator("canvas").first.wait_for()

    taken_s, _ = timed(wait)
    tab.context.close()
    return taken_s


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start_s = time.perf_counter()
    result = work()
    return time.perf_counter() - start_s, result


def no_browser() -> str:
    """Say why nothing can be opened, empty where it can."""
    if CHROMIUM is None:
        return "there is no Chromium: make browser"
    return "" if importlib.util.find_spec("playwright") else "playwright is not installed"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--browser", action="store_true", help="open the queue in Chromium, too")
    asked = parser.parse_args()
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
    pictures = made(np.random.default_rng(0))
    with tempfile.TemporaryDirectory() as name, running(Path(name) / "db") as uri:
        root = Path(name)
        connect(uri, plugins_dir=root / "plugins")
        store = open_dataset("queue", root=root)
        store.dataset.default_classes = list(CLASSES)
        draw(root, pictures)
        rows = database_rows(store, pictures)
        skipped = no_browser() if asked.browser else "asked without --browser"
        if not skipped:
            rows += browser_rows(store, pictures)
        disconnect()
    for what, figure, target, good in rows:
        print(f"{what:<50} {figure:>22}   {target:<16} {'' if good else 'MISSED'}")
    if skipped:
        print(f"opening a queue was not measured: {skipped}")
    return 0 if all(good for *_, good in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
