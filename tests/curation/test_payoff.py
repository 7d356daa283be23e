"""What the pictures of a finding did on its slice of val."""

from typing import Any

import numpy as np
import pytest

from curation.diagnose import Column, ErrorTable
from curation.payoff import Found, minutes_of, payoff_of, payoffs, per_100_pictures, per_minute, verdict_of
from curation.payoff_lines import losses_lines, payoff_lines
from curation.records import Condition, Finding, Findings, Loss, Payoff, Payoffs, Shortage
from curation.wording import cells_of
from training.boxes import Bools
from training.records import Interval

OBJECTS, PHOTOS = 120, 60


def gain(value: float = 0.2, low: float = 0.1, high: float = 0.3) -> Interval:
    return Interval(value=value, low=low, high=high, photos=40)


def finding(label: str, **changes: Any) -> Finding:
    given: dict[str, Any] = {
        "finding_id": label, "origin": "pre-specified", "tested_on": "val", "label": label, "size": None,
        "conditions": (Condition(column="class", value=label),), "versus": "other classes", "words": label,
        "status": "confirmed", "objects": 40, "photos": 20, "recall": 0.5, "recall_rest": 0.8, "effect": gain(),
        "p": 0.001, "q": 0.01, "gain": 0.1, "missed": {label: 20}, "objects_to_settle": None, "evidence": (),
        "view": "",
    }  # fmt: skip
    return Finding.model_validate(given | changes)


def shortage(label: str) -> Shortage:
    return Shortage(
        finding_id=f"short of {label}", conditions=(Condition(column="class", value=label),), label=label, size=None,
        words=label, why="", train_objects=3, val_objects=12, val_photos=9, recall=0.2, gain=0.1, evidence=(), view="",
    )  # fmt: skip


def findings(*found: Finding, shortages: tuple[Shortage, ...] = ()) -> Findings:
    return Findings(findings=found, split="val", min_effect=0.1, max_q=0.05, shortages=shortages)


def table() -> ErrorTable:
    """Two objects a photo, a cone and a hat."""
    codes = (np.arange(OBJECTS) % 2).astype(np.int16)
    return ErrorTable(
        id=np.array([f"label{row}" for row in range(OBJECTS)]),
        photo=np.arange(OBJECTS) // 2,
        label=codes.astype(np.int64),
        found=np.zeros(OBJECTS, np.bool_),
        columns=(Column("class", ("cone", "hat", "vest"), codes, "label"),),
    )


def found_by(cones: int, hats: int = 30) -> Bools:
    """Find the first of each."""
    row = np.arange(OBJECTS)
    return np.where(row % 2 == 0, row // 2 < cones, row // 2 < hats)


def models(candidate_cones: int = 50, seeds: int = 3) -> Found:
    return Found(
        photo=table().photo,
        champion=found_by(20),
        control=[found_by(24)] * seeds,
        candidate=[found_by(candidate_cones)] * seeds,
    )


def test_only_the_objects_of_the_slice_count_and_the_rest_is_left_alone() -> None:
    cone, hat = payoffs(findings(finding("cone"), finding("hat")), table(), models(), pictures={"cone": 60, "hat": 40})
    assert (cone.objects, cone.photos, cone.pictures) == (60, 60, 60)
    assert (cone.champion, cone.control, cone.candidate) == pytest.approx((20 / 60, 24 / 60, 50 / 60))
    assert cone.gain.value == pytest.approx(26 / 60)
    assert (cone.verdict, hat.verdict) == ("pays", "does not pay")
    assert hat.gain.value == 0


def test_only_what_has_pictures_and_objects_on_val_is_measured_findings_first() -> None:
    found = findings(finding("hat"), finding("cone"), finding("vest"), shortages=(shortage("cone"), shortage("hat")))
    pictures = {"cone": 3, "vest": 5, "short of hat": 7, "gone": 9}
    assert [(each.finding_id, each.pictures) for each in payoffs(found, table(), models(), pictures=pictures)] == [
        ("cone", 3),
        ("short of hat", 7),
    ]


def test_a_slice_of_a_column_that_is_not_there_is_left_out() -> None:
    tagged = finding("cone", conditions=(Condition(column="mud", value="much"),))
    assert payoffs(findings(tagged), table(), models(), pictures={"cone": 3}) == ()


def test_recalls_are_means_over_the_seeds() -> None:
    arms = Found(
        photo=np.arange(OBJECTS),
        champion=np.zeros(OBJECTS, np.bool_),
        control=[found_by(10, 10), found_by(20, 20)],
        candidate=[found_by(30, 30), found_by(50, 50)],
    )
    made = payoff_of(finding("cone"), arms, pictures=10, min_effect=0.1)
    assert (made.champion, made.control, made.candidate) == pytest.approx((0, 0.25, 40 / 60))


VERDICTS = {
    # what: low, high, seeds, verdict with a smallest effect of 0.1
    "above 0": (0.01, 0.2, 3, "pays"),
    "above 0, and small": (0.01, 0.05, 3, "pays"),
    "above 0, one seed": (0.01, 0.2, 1, "cannot be shown"),
    "above 0, and small, one seed": (0.01, 0.05, 1, "cannot be shown"),
    "surely small": (-0.05, 0.09, 3, "does not pay"),
    "surely small, one seed": (-0.05, 0.09, 1, "does not pay"),
    "below 0": (-0.2, -0.1, 3, "does not pay"),
    "from 0": (0.0, 0.2, 3, "cannot be shown"),
    "perhaps useful": (-0.05, 0.1, 3, "cannot be shown"),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_the_first_rule_that_fits_gives_the_verdict(name: str) -> None:
    low, high, seeds, verdict = VERDICTS[name]
    measured = gain((low + high) / 2, low, high)
    assert verdict_of(measured, seeds=seeds, min_effect=0.1) == verdict


UNEVEN: dict[str, dict[str, Any]] = {
    "arms of other lengths": {"control": [found_by(1)[:-1]]},
    "more controls than candidates": {"control": [found_by(1)] * 2},
    "no arm": {"control": [], "candidate": []},
}


@pytest.mark.parametrize("name", UNEVEN)
def test_arms_that_do_not_belong_together_are_refused(name: str) -> None:
    whole: dict[str, Any] = {
        "photo": table().photo, "champion": found_by(1), "control": [found_by(1)], "candidate": [found_by(1)],
    }  # fmt: skip
    with pytest.raises(ValueError, match="arms must be equally many"):
        Found(**whole | UNEVEN[name])


def measured(finding_id: str = "cone", pictures: int = 40, **changes: Any) -> Payoff:
    given: dict[str, Any] = {
        "finding_id": finding_id, "words": finding_id, "pictures": pictures, "objects": 60, "photos": 40,
        "champion": 0.4, "control": 0.5, "candidate": 0.7, "gain": gain(), "verdict": "pays",
    }  # fmt: skip
    return Payoff.model_validate(given | changes)


def test_a_gain_is_scaled_to_100_pictures_and_to_a_minute_with_its_interval() -> None:
    by_hundred, by_minute = per_100_pictures(measured()), per_minute(measured(), 4)
    assert (by_hundred.value, by_hundred.low, by_hundred.high) == pytest.approx((0.5, 0.25, 0.75))
    assert by_minute is not None
    assert (by_minute.value, by_minute.low, by_minute.high) == pytest.approx((0.05, 0.025, 0.075))
    assert per_minute(measured(), 0) is None


def test_the_minutes_of_making_are_shared_by_pictures() -> None:
    took = {"generate": 100.0, "review": 20.0, "train": 240.0, "analyze": 999.0}
    assert minutes_of([measured("cone", 30), measured("hat", 10)], took) == {"cone": 3, "hat": 1}
    assert minutes_of([], took) == {}


def loss(words: str) -> Loss:
    change = Interval(value=-0.3, low=-0.4, high=-0.2, photos=25)
    return Loss(words=words, since_round=2, before=0.9, now=0.6, change=change)


def test_lines_tell_each_finding_the_largest_gain_first_and_what_was_forgotten() -> None:
    small = measured("hat", gain=gain(-0.05, -0.1, 0.02), verdict="does not pay")
    lines = payoff_lines(Payoffs(findings=(small, measured()), losses=(loss("vest"),)), 130, seeds=3)
    rows = [" ".join(line.split()) for line in lines]
    assert rows[3] == "cone 40 0.40 0.50 → 0.70 +0.20 [+0.10, +0.30] 60/40 +0.50 pays"
    assert rows[4].startswith("hat 40 0.40 0.50 → 0.70 −0.05 [−0.10, +0.02]")
    assert rows[4].endswith("does not pay")
    assert "means over 3 seeds" in lines[-2]
    assert lines[-1] == (
        "forgotten: vest: recall 0.60 against 0.90 of round 2 (−0.30 [−0.40, −0.20], 25 photos)"
    )  # fmt: skip


def test_one_seed_is_named_and_minutes_have_a_column_of_their_own() -> None:
    text = "\n".join(payoff_lines(Payoffs(findings=(measured(),), losses=()), 140, seeds=1, minutes={"cone": 4}))
    assert "one seed" in text
    assert "+0.050" in text
    assert "per min" in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_fit_the_terminal_and_many_losses_are_counted(width: int) -> None:
    many = Payoffs(findings=(measured("x" * 90),), losses=tuple(loss(f"slice {n} " * 9) for n in range(7)))
    lines = payoff_lines(many, width, seeds=1, minutes={})
    assert max(map(cells_of, lines)) <= width
    assert len(lines) <= 22
    assert losses_lines(many.losses, width)[-1] == "and 3 more were forgotten"
