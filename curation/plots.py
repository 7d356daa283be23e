"""Where the marks of the report's plots go: positions in percent of a row's width, so that a plot fits any screen."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from curation.records import MIN_RELIABLE_PHOTOS, Findings
from generation.records import Corners
from training.records import ERROR_KINDS, Evaluation, Interval

ROLES = ("champion", "control", "candidate")
MAX_TICKS = 7


@dataclass(frozen=True)
class Axis:
    """A linear scale from `low` at 0 % to `high` at 100 %, with its ticks in order."""

    low: float
    high: float
    ticks: tuple[float, ...]
    digits: int
    """Decimals that tell the ticks apart."""

    def at(self, value: float) -> float:
        """Give a value's position in percent; values beyond the ends lie on them."""
        return round(100 * min(max((value - self.low) / (self.high - self.low), 0.0), 1.0), 2)

    def labels(self, every: int) -> tuple[float, ...]:
        """Give the ticks that are labelled where only every so many have room, zero among them."""
        step = self.ticks[1] - self.ticks[0]
        return tuple(tick for tick in self.ticks if round(tick / step) % every == 0)


@dataclass(frozen=True)
class Mark:
    """A dot with its whisker: positions in percent."""

    role: str
    score: Interval
    at: float
    low: float
    high: float


@dataclass(frozen=True)
class ScoreRow:
    """One class, or the mean over classes, as every model does on it."""

    label: str
    photos: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class ScorePlot:
    """AP of one to three models: the mean, then the classes that the split holds, the first model's weakest first."""

    axis: Axis
    mean: ScoreRow
    rows: tuple[ScoreRow, ...]
    absent: tuple[str, ...]
    """Classes of which the split holds no object."""

    @property
    def few(self) -> bool:
        """Whether any class lies on too few photos for its interval to be trusted."""
        return any(row.photos < MIN_RELIABLE_PHOTOS for row in self.rows)


@dataclass(frozen=True)
class ErrorRow:
    """Wrong objects in columns, and each count's bar in percent of the largest of the table."""

    label: str
    counts: tuple[int, ...]
    bars: tuple[float, ...]


def score_plot(evaluations: Mapping[str, Evaluation]) -> ScorePlot:
    """Place AP by class of models, keyed by role in drawing order, that were judged on the same photos."""
    first = next(iter(evaluations.values()))
    by_class = {role: {c.label: c.ap for c in evaluation.classes} for role, evaluation in evaluations.items()}
    labels = [score.label for score in sorted(first.classes, key=lambda c: c.ap.value if c.ap else 2.0)]
    scores = {label: {role: aps.get(label) for role, aps in by_class.items()} for label in labels}
    means: dict[str, Interval | None] = {role: evaluation.mean_ap for role, evaluation in evaluations.items()}
    axis = axis_over([score for row in [means, *scores.values()] for score in row.values() if score], 0.0, 1.0)
    rows = [score_row(label, scores[label], axis) for label in labels]
    return ScorePlot(
        axis=axis,
        mean=score_row("mean over classes", means, axis),
        rows=tuple(row for row in rows if row.marks),
        absent=tuple(row.label for row in rows if not row.marks),
    )


def score_row(label: str, scores: Mapping[str, Interval | None], axis: Axis) -> ScoreRow:
    """Place one row's scores on an axis, leaving out those that are not there."""
    marks = [mark(role, score, axis) for role, score in scores.items() if score]
    return ScoreRow(label=label, photos=max((m.score.photos for m in marks), default=0), marks=tuple(marks))


def mark(role: str, score: Interval, axis: Axis) -> Mark:
    """Place one score on an axis."""
    return Mark(role=role, score=score, at=axis.at(score.value), low=axis.at(score.low), high=axis.at(score.high))


def axis_over(scores: Sequence[Interval], lowest: float, highest: float) -> Axis:
    """Give a round axis that holds all intervals and lies within `lowest` and `highest`, at most 7 ticks."""
    low = max(min([score.low for score in scores], default=lowest), lowest)
    high = min(max([score.high for score in scores], default=highest), highest)
    step = next(step for step in (0.05, 0.1, 0.2, 0.5, 1.0) if (high - low) / step <= MAX_TICKS - 2)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if first == last:  # one point: give it a stretch of axis within the bounds
        first, last = (first - 1, last) if last >= round(highest / step) else (first, last + 1)
    ticks = tuple(round(number * step, 2) for number in range(first, last + 1))
    return Axis(low=ticks[0], high=ticks[-1], ticks=ticks, digits=2 if step < 0.1 else 1)


def effect_axis(findings: Findings) -> Axis:
    """Give an axis that holds 0, the least effect that counts, and the effects of all findings."""
    least = Interval(value=0, low=0, high=findings.min_effect, photos=0)
    return axis_over([least, *(finding.effect for finding in findings.findings)], -1.0, 1.0)


def errors_by_class(evaluation: Evaluation) -> tuple[ErrorRow, ...]:
    """Count error kinds (columns, as in `ERROR_KINDS`) by class, those with most errors first."""
    counts = {score.label: tuple(score.errors.get(kind, 0) for kind in ERROR_KINDS) for score in evaluation.classes}
    return _error_rows(dict(sorted(counts.items(), key=lambda row: -sum(row[1]))))


def errors_by_model(evaluations: Mapping[str, Evaluation]) -> tuple[ErrorRow, ...]:
    """Count error kinds by model (columns, in the order given) over all classes."""
    return _error_rows(
        {
            kind: tuple(sum(score.errors.get(kind, 0) for score in each.classes) for each in evaluations.values())
            for kind in ERROR_KINDS
        }
    )


def bars(values: Mapping[str, float]) -> dict[str, float]:
    """Give each value's bar in percent of the largest."""
    largest = max(values.values(), default=0) or 1
    return {name: round(100 * value / largest, 1) for name, value in values.items()}


def outlines(boxes: Iterable[Corners]) -> str:
    """Draw boxes as one SVG path in a square of 1000 by 1000."""
    corners = [[round(1000 * value) for value in box] for box in boxes]
    return "".join(f"M{x1} {y1}H{x2}V{y2}H{x1}Z" for x1, y1, x2, y2 in corners)


def _error_rows(counts: Mapping[str, tuple[int, ...]]) -> tuple[ErrorRow, ...]:
    largest = max((count for row in counts.values() for count in row), default=0) or 1
    return tuple(
        ErrorRow(label=label, counts=row, bars=tuple(round(100 * count / largest, 1) for count in row))
        for label, row in counts.items()
    )
