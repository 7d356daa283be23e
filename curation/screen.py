"""Records as lines of text for a terminal: what a person reads after a command, at most a screen.

Nothing is printed here. A score stands with its n and, where the record has one, its 95 % interval. Names come from
other people's data, so control characters (a terminal would obey them) are replaced before anything is laid out.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from curation.columns import Column, table
from curation.records import MIN_RELIABLE_PHOTOS, Decision, Difference
from curation.wording import (
    NOTHING,
    VERDICTS,
    count_text,
    fit,
    full_sentence,
    number_text,
    printable,
    score_text,
    short,
    without_outcome,
    wrap,
)
from training.records import ClassScore, Evaluation

MAX_LINES = 22  # a screen of 24 lines, less two for the next command


def evaluation_lines(evaluation: Evaluation, width: int) -> list[str]:
    """Give a model's scores by class, weakest first, then its errors by kind."""
    scores = sorted(evaluation.classes, key=lambda score: score.ap.value if score.ap else 2.0)
    head = f"{short(evaluation.model_id)} on {evaluation.split}: mean AP {score_text(evaluation.mean_ap)} over "
    head += f"{count_text(evaluation.mean_ap.photos, 'photo')}, mean AP50 {evaluation.mean_ap50:.3f}"
    title = wrap(head, width)
    columns = [
        Column("class", [score.label for score in scores], stretch=True),
        Column("objects", [str(score.objects) for score in scores], right=True),
        Column("photos", _photos(scores), right=True),
        Column("AP [95 % interval]", [score_text(score.ap) for score in scores]),
        Column("recall", [number_text(score.recall, digits=2) for score in scores], right=True),
        Column("precision", [number_text(score.precision, digits=2) for score in scores], right=True, rank=2),
        Column("mostly", [_commonest_error(score) for score in scores], rank=1),
    ]
    errors: Counter[str] = sum((Counter(score.errors) for score in scores), Counter())
    told = ", ".join(f"{kind} {count}" for kind, count in errors.most_common()) or "none"
    after = wrap(f"errors at score ≥ {evaluation.min_score:g}: {told}", width)
    if any(score.ap and score.ap.photos < MIN_RELIABLE_PHOTOS for score in scores):
        after += wrap(f"* on fewer than {MIN_RELIABLE_PHOTOS} photos: the interval is unreliable", width)
    return screenful(title, columns, after, things="classes", width=width)


def decision_lines(decision: Decision, width: int) -> list[str]:
    """Give the verdict, its two claims, and every class: worse ones first."""
    classes = sorted(decision.classes, key=lambda verdict: VERDICTS.index(verdict.verdict))
    better = decision.better.classes if decision.better else {}
    head = wrap(f"{decision.outcome.upper()}: {without_outcome(decision)}", width, max_lines=4)
    head += [line for claim in _claims(decision) for line in wrap(claim, width, max_lines=3)]
    columns = [
        Column("class", [verdict.label for verdict in classes], stretch=True),
        Column("photos", [str(verdict.photos) for verdict in classes], right=True),
        Column("champion", [number_text(verdict.champion_ap) for verdict in classes], right=True, rank=2),
        Column("control", [number_text(verdict.control_ap) for verdict in classes], right=True, rank=3),
        Column("candidate", [number_text(verdict.candidate_ap) for verdict in classes], right=True, rank=1),
        Column("AP gained [95 %]", [score_text(better.get(verdict.label), signed=True) for verdict in classes]),
        Column("verdict", [verdict.verdict for verdict in classes]),
    ]
    after = wrap(f"what would settle it: {decision.settle}", width, max_lines=3) if decision.settle else []
    after += wrap(f"test has been opened {count_text(decision.openings, 'time')}", width)
    return screenful(head, columns, after, things="classes", width=width)


def screenful(head: list[str], columns: Sequence[Column], after: list[str], *, things: str, width: int) -> list[str]:
    """Put a table between lines, and cut it so that all fits the screen; `things` are what its rows are."""
    count = len(columns[0].cells)
    room = max(1, MAX_LINES - len(head) - len(after) - 3)
    clean = [replace(column, cells=[printable(cell) for cell in column.cells]) for column in columns]
    body = table(clean, width=width) if count else []
    more = [fit(f"and {count - room} more {things} in report.html", width)] if count > room else []
    return [*head, *([""] if body else []), *body[: 1 + room], *more, *after]


def _photos(scores: Sequence[ClassScore]) -> list[str]:
    """Give photos by class; a star marks few, and keeps its place beside the other numbers."""
    counts = [score.ap.photos if score.ap else 0 for score in scores]
    few = [0 < count < MIN_RELIABLE_PHOTOS for count in counts]
    star = {True: "*", False: " " if any(few) else ""}
    return [f"{count}{star[is_few]}" for count, is_few in zip(counts, few, strict=True)]


def _commonest_error(score: ClassScore) -> str:
    kind, count = max(score.errors.items(), key=lambda error: error[1], default=("", 0))
    return f"{kind} {count}" if count else NOTHING


def _claims(decision: Decision) -> list[str]:
    """Say both claims; what attribution says of the pictures often holds their difference already."""
    claims = [f"is the model better: {_difference_text(decision.better)}"] if decision.better else []
    pictures = decision.pictures_did_it
    if pictures and number_text(pictures.mean_ap.value, signed=True) not in decision.attribution:
        claims.append(f"did the pictures do it: {_difference_text(pictures)}")
    return [*claims, full_sentence(decision.attribution)]


def _difference_text(difference: Difference) -> str:
    score = score_text(difference.mean_ap, signed=True)
    return f"{difference.of} {score} mean AP on {count_text(difference.mean_ap.photos, 'test photo')}"
