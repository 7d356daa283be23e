"""Gather what the report of a round shows: its records, crops of what was missed, thumbnails of what was made."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from curation.changes import changed
from curation.desk import Frozen, findings_of
from curation.evidence import GALLERY_SIDE_PX, Crop, GalleryPicture, Pixels, evidence_crop, thumbnail
from curation.judging import load_judged, power_on_test
from curation.ledger import STEPS, Ledger, RoundFolder
from curation.records import Batch, Briefs, Comparison, Decision, Findings, Payoffs, Plan, Review
from curation.report import ReportInput
from curation.sections import Examples, PictureCounts
from generation.records import GENERATION_REQUEST, SyntheticImage, Verdict
from training.boxes import Ints
from training.errors import UsageError
from training.records import Evaluation, ImageSet, TrainingMix

MAX_CROPS = 8
MAX_PICTURES = 36
ReadPixels = Callable[[Path], Pixels]


def gather(ledger: Ledger, *, dataset: str, drawn: bool, min_photos: int, read_pixels: ReadPixels) -> ReportInput:
    """Give the report's input for the last round; raises `UsageError` where no round was begun.

    `min_photos` is `decide.min_photos`.
    """
    rounds = [folder for folder in ledger.rounds() if folder.finished("freeze")]
    images = rounds[-1].read("freeze", ImageSet) if rounds else None
    if images is None:
        raise UsageError("there is nothing to report yet", hint="start a round first: curate analyze")
    folder = rounds[-1]
    findings, frozen = findings_of(folder), Frozen(images, folder)
    evaluation = folder.read("evaluate", Evaluation)
    batch = folder.read("generate", Batch)
    comparison = folder.read("compare", Comparison)
    elapsed_s = folder.elapsed_s()
    return ReportInput(
        dataset=dataset,
        round=folder.number,
        images=images,
        drawn=drawn,
        champion=evaluation,
        power=power_on_test(frozen, evaluation, min_photos) if evaluation else None,
        tests=_tests(comparison),
        findings=findings,
        briefs=folder.read("brief", Briefs),
        plan=folder.read("plan", Plan),
        batch=batch,
        review=folder.read("review", Review),
        mix=folder.read("mix", TrainingMix),
        payoffs=folder.read("payoff", Payoffs),
        decision=folder.read("decide", Decision),
        elapsed_s={step: elapsed_s[step] for step in STEPS if step in elapsed_s},
        counts=_counts(folder),
        examples=_examples(ledger.root, frozen, comparison, read_pixels) if comparison else None,
        crops=_crops(ledger.root, frozen, findings, read_pixels),
        gallery=_gallery(ledger.root, folder, batch, read_pixels) if batch else (),
    )


def _tests(comparison: Comparison | None) -> Mapping[str, Evaluation]:
    if comparison is None:
        return {}
    return {"champion": comparison.champion, "control": comparison.control[0], "candidate": comparison.candidate[0]}


def _counts(folder: RoundFolder) -> dict[str, PictureCounts]:
    """Count the pictures that each finding led to."""
    plan, batch = folder.read("plan", Plan), folder.read("generate", Batch)
    requested = (
        Counter(r.finding_id for r in folder.load_lines(plan.requests, GENERATION_REQUEST)) if plan else Counter()
    )
    pictures = folder.load_lines(batch.pictures, SyntheticImage) if batch else ()
    verdicts = _verdicts(folder)
    made = Counter(picture.finding_id for picture in pictures)
    accepted = Counter(p.finding_id for p in pictures if p.request_id in verdicts and verdicts[p.request_id].accepted)
    return {
        finding_id: PictureCounts(requested=count, made=made[finding_id], accepted=accepted[finding_id])
        for finding_id, count in requested.items()
    }


def _verdicts(folder: RoundFolder) -> dict[str, Verdict]:
    review = folder.read("review", Review)
    return {verdict.request_id: verdict for verdict in folder.load_lines(review.verdicts, Verdict)} if review else {}


def _crops(
    root: Path, frozen: Frozen, findings: Findings | None, read_pixels: ReadPixels
) -> dict[str, tuple[Crop, ...]]:
    """Cut the first missed objects of each finding that people are shown out of their photos."""
    if findings is None:
        return {}
    row_of = {str(label_id): row for row, label_id in enumerate(frozen.labels.id)}
    evidence = {each.finding_id: each.evidence for each in findings.findings if each.is_shown}
    evidence |= {each.finding_id: each.evidence for each in findings.shortages}
    return {
        finding_id: tuple(_crop(root, frozen, row_of[label_id], read_pixels) for label_id in label_ids[:MAX_CROPS])
        for finding_id, label_ids in evidence.items()
    }


def _examples(root: Path, frozen: Frozen, comparison: Comparison, read_pixels: ReadPixels) -> Examples:
    """Cut out some objects of test that the candidate sees otherwise than the champion."""
    before, after = (load_judged(frozen, each) for each in (comparison.champion, comparison.candidate[0]))
    labels = before.labels
    found = changed(labels, before=before.errors.label_found, after=after.errors.label_found)
    rows = np.flatnonzero(np.isin(frozen.labels.id, labels.id))  # of the split's labels in the table of all

    def crops(some: Ints) -> tuple[Crop, ...]:
        return tuple(_crop(root, frozen, int(rows[row]), read_pixels) for row in some[:MAX_CROPS])

    return Examples(
        gained=len(found.gained),
        lost=len(found.lost),
        of_gained=crops(found.gained),
        of_lost=crops(found.lost),
    )


def _crop(root: Path, frozen: Frozen, row: int, read_pixels: ReadPixels) -> Crop:
    pixels = read_pixels(root / str(frozen.images.path[frozen.labels.image[row]]))
    x1, y1, x2, y2 = frozen.labels.xyxy[row].tolist()
    return evidence_crop(pixels, (x1, y1, x2, y2), caption=frozen.image_set.classes[frozen.labels.label[row]])


def _gallery(root: Path, folder: RoundFolder, batch: Batch, read_pixels: ReadPixels) -> list[GalleryPicture]:
    """Give some pictures of the batch, evenly spread, refused ones among them."""
    pictures = folder.load_lines(batch.pictures, SyntheticImage)
    verdicts = _verdicts(folder)
    refused = [p for p in pictures if p.request_id in verdicts and not verdicts[p.request_id].accepted]
    others = [p for p in pictures if p not in refused]
    chosen = [*_spread(others, MAX_PICTURES * 2 // 3), *_spread(refused, MAX_PICTURES // 3)]
    return [_shown(picture, verdicts.get(picture.request_id), read_pixels(root / picture.path)) for picture in chosen]


def _spread(items: Sequence[SyntheticImage], count: int) -> list[SyntheticImage]:
    rows = np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).astype(int))
    return [items[row] for row in rows] if items else []


def _shown(picture: SyntheticImage, verdict: Verdict | None, pixels: Pixels) -> GalleryPicture:
    added = [label.label for label in picture.labels if label.added]
    return GalleryPicture(
        jpeg=thumbnail(pixels, max_side_px=GALLERY_SIDE_PX),
        width_px=picture.width_px,
        height_px=picture.height_px,
        labels=picture.labels,
        accepted=verdict.accepted if verdict else None,
        reason=verdict.reason if verdict else "",
        words=", ".join(sorted(set(added))),
        is_unverified=picture.verified == "unverified",
    )
