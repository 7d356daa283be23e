"""Pre-specified slices of the error table, each tested for being weaker than the rest.

Effect: recall of the rest minus recall of the slice. The photo is the unit: the variance is that of a ratio estimator
over photos (linearised, cluster-robust), and never below the binomial variance of the same recalls with one success
and one failure added to each side (Agresti and Caffo 2000, doi 10.1080/00031305.2000.10474560), because a slice that
was found always, or never, would otherwise have no variance at all. The binomial trials are objects; they are photos
where the rarer outcome, found or missed, is seen on so few photos that these cannot show how much photos differ. The
reference is t with one degree of freedom less than photos of the slice or of the rest, whichever has fewer.

* confirmed: q at most `max_q`, q being the one-sided p after Benjamini–Hochberg over all tests of the round
* refuted: the upper end of the effect's 95 % interval lies below `min_effect`
* open: neither; with the number of objects that would settle it at the observed effect
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from curation.records import Condition, Finding, Findings, Status
from training.boxes import SIZE_BINS, Bools, BoxTable, Floats, ImageTable, Ints, Table, Texts, size_bin
from training.files import digest_of
from training.records import Interval

MAX_EVIDENCE = 24
POWER = 0.8
# With fewer, the variance between photos is a guess. In simulated null worlds with the rest on five photos, 36 % of
# rounds had a false finding without both this and the degrees of freedom of the side on fewer photos, 1 % with both.
MIN_VARIED_PHOTOS = 5


@dataclass(frozen=True)
class ErrorTable(Table):
    """The labelled objects of one split, and whether the detector found them at its operating point."""

    id: Texts
    photo: Ints
    """Row of the `ImageTable`: objects of one photo are not independent."""
    label: Ints
    size: Ints
    """Number into `training.boxes.SIZE_BINS`."""
    found: Bools
    """A prediction of the same class at `min_score` or more overlaps it with an IoU of at least 0.5."""


def error_table(images: ImageTable, labels: BoxTable, found: Bools) -> ErrorTable:
    """Give the error table of labels, `found` being parallel to them."""
    return ErrorTable(id=labels.id, photo=labels.image, label=labels.label, size=size_bin(labels, images), found=found)


@dataclass(frozen=True)
class Slice:
    """Objects of a class and a size, and the objects that they are compared with."""

    label: int | None
    size: int | None
    inside: Bools
    rest: Bools
    versus: str


@dataclass(frozen=True)
class Effect:
    """A tested difference of recalls."""

    value: float
    low: float
    high: float
    p: float
    standard_error: float
    photos: int


def find(
    table: ErrorTable,
    *,
    classes: Sequence[str],
    areas: Floats,
    gain: Callable[[Bools], float],
    min_effect: float,
    max_q: float,
    view_prefix: str = "missed",
) -> Findings:
    """Test every class, every size and every size of a class, and order them by what fixing them would gain.

    `areas` orders the evidence (largest first); `gain` gives the mean AP that returns when the objects of a mask, all
    missed, were found.
    """
    slices = list(prespecified(table, classes))
    effects = [test(table, part) for part in slices]
    q_values: Floats = stats.false_discovery_control([effect.p for effect in effects]) if effects else np.zeros(0)
    findings = [
        _finding(
            table,
            part,
            effect,
            float(q),
            classes=classes,
            areas=areas,
            gain=gain,
            min_effect=min_effect,
            max_q=max_q,
            view_prefix=view_prefix,
        )
        for part, effect, q in zip(slices, effects, q_values, strict=True)
    ]
    findings.sort(key=lambda finding: (-finding.gain, finding.finding_id))
    return Findings(findings=tuple(findings), split="val", min_effect=min_effect, max_q=max_q)


def prespecified(table: ErrorTable, classes: Sequence[str]) -> Iterator[Slice]:
    """Give the slices that need no look at the data: classes, sizes, sizes within a class; each with its rest."""
    everything = np.ones(len(table), bool)
    for label in range(len(classes)):
        of_class = table.label == label
        yield from _unless_empty(Slice(label, None, of_class, everything & ~of_class, "other classes"))
        for size in range(len(SIZE_BINS)):
            inside = of_class & (table.size == size)
            yield from _unless_empty(Slice(label, size, inside, of_class & ~inside, f"other sizes of {classes[label]}"))
    if len(np.unique(table.label)) < 2:
        return  # the sizes of the only class were given already
    for size in range(len(SIZE_BINS)):
        of_size = table.size == size
        yield from _unless_empty(Slice(None, size, of_size, everything & ~of_size, "other sizes"))


def members(table: ErrorTable, finding: Finding, classes: Sequence[str]) -> Bools:
    """Give the objects of a finding's slice, as a mask over the table."""
    of_class = np.ones(len(table), bool) if finding.label is None else table.label == classes.index(finding.label)
    return of_class if finding.size is None else of_class & (table.size == SIZE_BINS.index(finding.size))


def test(table: ErrorTable, part: Slice) -> Effect:
    """Test whether the recall inside is lower than that of the rest."""
    inside, rest = part.inside, part.rest
    robust = float(((_influence(table, rest) - _influence(table, inside)) ** 2).sum())
    standard_error = math.sqrt(max(robust, _least_variance(table, inside) + _least_variance(table, rest)))
    photos, photos_rest = len(np.unique(table.photo[inside])), len(np.unique(table.photo[rest]))
    freedom = max(1, min(photos, photos_rest) - 1)
    value = float(table.found[rest].mean()) - float(table.found[inside].mean())
    reach = float(stats.t.ppf(0.975, freedom)) * standard_error
    p = float(stats.t.sf(value / standard_error, freedom))
    return Effect(value, max(-1.0, value - reach), min(1.0, value + reach), p, standard_error, photos)


def status_of(effect: Effect, q: float, *, min_effect: float, max_q: float) -> Status:
    """Give the status by the rules above."""
    if q <= max_q and effect.value > 0:
        return "confirmed"
    return "refuted" if effect.high < min_effect else "open"


def objects_to_settle(effect: Effect, objects: int, *, min_effect: float) -> int:
    """Estimate the objects that would show the observed effect, or `min_effect` if larger, with a power of 80 %."""
    wanted = max(effect.value, min_effect)
    reach = float(stats.norm.ppf(0.975) + stats.norm.ppf(POWER)) * effect.standard_error
    return max(objects + 1, math.ceil(objects * (reach / wanted) ** 2))


def _finding(
    table: ErrorTable,
    part: Slice,
    effect: Effect,
    q: float,
    *,
    classes: Sequence[str],
    areas: Floats,
    gain: Callable[[Bools], float],
    min_effect: float,
    max_q: float,
    view_prefix: str,
) -> Finding:
    missed = part.inside & ~table.found
    status = status_of(effect, q, min_effect=min_effect, max_q=max_q)
    objects = int(part.inside.sum())
    label = None if part.label is None else classes[part.label]
    size = None if part.size is None else SIZE_BINS[part.size]
    words = " ".join(word for word in (size, label or "objects") if word)
    finding_id = digest_of(["recall", label, size])
    rows = np.flatnonzero(missed)
    rows = rows[np.argsort(-areas[rows], kind="stable")][:MAX_EVIDENCE]
    return Finding(
        finding_id=finding_id,
        conditions=tuple(Condition(column=c, value=v) for c, v in (("class", label), ("size", size)) if v),
        origin="pre-specified",
        tested_on="val",
        label=label,
        size=size,
        words=words,
        versus=part.versus,
        status=status,
        objects=objects,
        photos=effect.photos,
        recall=float(table.found[part.inside].mean()),
        recall_rest=float(table.found[part.rest].mean()),
        effect=Interval(value=effect.value, low=effect.low, high=effect.high, photos=effect.photos),
        p=effect.p,
        q=q,
        gain=gain(missed),
        missed={classes[k]: int(count) for k, count in enumerate(np.bincount(table.label[missed])) if count},
        objects_to_settle=objects_to_settle(effect, objects, min_effect=min_effect) if status == "open" else None,
        evidence=tuple(str(table.id[row]) for row in rows),
        view=f"{view_prefix}: missed {words} ({finding_id[:4]})",  # FiftyOne drops what is not ASCII from names
    )


def _influence(table: ErrorTable, mask: Bools) -> Floats:
    """Give by how much each photo moves the recall of some objects, larger where they lie on few photos."""
    residual = np.where(mask, table.found - table.found[mask].mean(), 0) / mask.sum()
    photos = len(np.unique(table.photo[mask]))
    return np.asarray(np.bincount(table.photo, weights=residual) * math.sqrt(photos / max(1, photos - 1)), np.float64)


def _least_variance(table: ErrorTable, mask: Bools) -> float:
    """Give the binomial variance of a recall, by objects, or by photos where too few of them vary."""
    found, photo = table.found[mask], table.photo[mask]
    varied = min(len(np.unique(photo[found])), len(np.unique(photo[~found])))
    objects = np.unique(photo, return_counts=True)[1]
    equal_photos = objects.sum() ** 2 / (objects**2).sum()  # of Kish: photos with most of the objects count for more
    trials = float(len(found) if varied >= MIN_VARIED_PHOTOS else equal_photos)
    share = (float(found.mean()) * trials + 1) / (trials + 2)
    return share * (1 - share) / (trials + 2)


def _unless_empty(part: Slice) -> Iterator[Slice]:
    if part.inside.any() and part.rest.any():
        yield part
