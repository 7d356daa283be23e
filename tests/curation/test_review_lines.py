"""What a session of review gave, in a terminal."""

import pytest

from curation.precision import share_of
from curation.records import Agreement, ClassTaught, LabelPrecision, PersonSaid, Share, Taught
from curation.review_lines import agreement_lines, session_lines, share_text, taught_lines
from curation.screen import MAX_LINES
from curation.wording import cells_of
from tests.curation.small_pictures import say

NOTHING = share_of([])
NOBODY = Agreement(pictures=NOTHING, reviewers=0)


def share(right: int, count: int) -> Share:
    return share_of(number < right for number in range(count))


def taught(*classes: ClassTaught, **changes: object) -> Taught:
    given: dict[str, object] = {"withdrawn": 0, "let_in": 0, "before": share(178, 200), "after": share(191, 200)}
    return Taught.model_validate(given | {"classes": classes} | changes)


def of_class(name: str = "cone", **changes: object) -> ClassTaught:
    given: dict[str, object] = {
        "label": name, "decisions": 64, "rejections": 20, "kept": True, "before": share(40, 50), "after": share(42, 44),
        "why": "held-out log loss lower by 0.113 (p = 0.004), decisions right on 84% instead of 70%",
    }  # fmt: skip
    return ClassTaught.model_validate(given | changes)


def precision(backends: int = 2, classes: int = 2) -> LabelPrecision:
    return LabelPrecision(
        overall=share(191, 200),
        backends={f"backend {n}": share(90, 100) for n in range(backends)},
        classes={f"class {n}": share(9, 10) for n in range(classes)},
    )


def said(accepted: int, **reasons: int) -> dict[str, PersonSaid]:
    """So many pictures accepted, and rejected for each reason."""
    found = say([f"right {n}" for n in range(accepted)], True)
    for reason, count in reasons.items():
        found |= say([f"{reason} {n}" for n in range(count)], False, reason.replace("_", " "))
    return found


def test_a_share_stands_with_its_interval_and_n() -> None:
    assert share_text(share(191, 200)) == "95.5 % [91.7, 97.6], n = 200"
    assert share_text(NOTHING) == "–, n = 0"


def test_a_session_is_told() -> None:
    change = taught(of_class(withdrawn=80, let_in=3), withdrawn=88, let_in=3)
    agreed = Agreement(pictures=share(18, 20), reviewers=2)
    decisions = said(80, looks_unreal=14, too_small=5)
    lines = session_lines(decisions, precision(), agreed, change, 120, pictures=480, stopped=["finding f: stopped"])
    assert lines[:3] == [
        "99 of 480 pictures decided by people: 80 accepted, 19 rejected",
        "rejected: looks unreal 14, too small 5",
        "label precision 95.5 % [91.7, 97.6], n = 200",
    ]
    text = "\n".join(lines)
    assert "backend 1        90.0 % [82.6, 94.5]     100" in text
    assert "agreement of 2 people: 90.0 % [69.9, 97.2], n = 20 that two or more decided on" in text
    assert "88 pictures withdrawn, 3 let in, label precision 95.5 % [91.7, 97.6], n = 200 (before: 89.0 %" in text
    assert "  cone: 80 withdrawn, 3 let in, fitted to 64 decisions: held-out log loss lower by 0.113" in text
    assert lines[-1] == "finding f: stopped"


def test_a_session_in_which_nobody_decided_is_short() -> None:
    empty = LabelPrecision(overall=NOTHING, backends={}, classes={})
    assert session_lines({}, empty, NOBODY, None, 80, pictures=8) == [
        "0 of 8 pictures decided by people: 0 accepted, 0 rejected",
        "label precision –, n = 0",
    ]
    assert agreement_lines(NOBODY, 80) == []


def test_rare_reasons_are_counted_together() -> None:
    decisions = said(0, a=9, b=8, c=7, d=6, e=5, f=2, g=1)
    line = session_lines(decisions, precision(), NOBODY, None, 120, pictures=40)[1]
    assert line == "rejected: a 9, b 8, c 7, d 6, e 5, other reasons 3"


def test_what_was_not_kept_is_said_after_what_was() -> None:
    classes = [of_class(name, kept=False, why="12 decisions, needs 30") for name in ("a", "b", "c")]
    lines = taught_lines(taught(*classes, of_class("z")), 200)
    assert lines[1].startswith("  z: 0 withdrawn")
    assert lines[-1] == "  4 classes, 3 shown"
    assert "12 decisions, needs 30" in lines[2]
    assert taught_lines(taught(*classes), 200)[0].startswith("the rule of acceptance stays as it was")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit_the_screen(width: int) -> None:
    change = taught(*(of_class(f"class {'x' * 40} {n}", withdrawn=9) for n in range(9)), withdrawn=88, let_in=3)
    agreed = Agreement(pictures=share(18, 20), reviewers=2)
    decisions = said(1, **{"a" * 80: 4, "b" * 200: 3, "\x1b[31m": 2})
    many = LabelPrecision(
        overall=share(1, 2), backends={}, classes={f"{'y' * 70}{n}\x1b": share(1, 2) for n in range(40)}
    )
    lines = session_lines(decisions, many, agreed, change, width, pictures=99, stopped=["z" * 500])
    assert max(map(cells_of, lines)) <= width
    assert len(lines) <= MAX_LINES
    assert "\x1b" not in "".join(lines)
