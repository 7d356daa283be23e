"""What test could show, estimated beforehand: by the formula, and against simulated rounds."""

import numpy as np
import pytest

from benchmarks.coverage_worlds import contender, detect, draw_photos, truth
from curation.decide import decide
from curation.power import ASSUMED_CORRELATION, DETECTED, power_of, words
from curation.records import DecideSettings
from training.bootstrap import bootstrap_ap
from training.records import ClassScore, Evaluation, FileRef, Interval

REF = FileRef(name="table.npz", digest="0" * 24)
PAIRED = DETECTED * np.sqrt(2 * (1 - ASSUMED_CORRELATION))


def score(ap: float, error: float, photos: int) -> Interval:
    return Interval(value=ap, low=ap - 1.96 * error, high=ap + 1.96 * error, photos=photos)


def on_val(mean: Interval, **classes: Interval | None) -> Evaluation:
    scores = [
        ClassScore(label=name, ap=ap, ap50=None, objects=0, recall=None, precision=None, errors={})
        for name, ap in classes.items()
    ]
    return Evaluation(
        model_id="champion", images="d1", split="val", min_score=0.25, mean_ap=mean, mean_ap50=0.5,
        classes=tuple(scores), predictions=REF, matches=REF,
    )  # fmt: skip


TWO = {"cone": score(0.5, 0.03, 50), "hat": score(0.6, 0.04, 200)}
POWERS = {
    # name: error of the mean on val, classes on val, test photos by class, standard error on test (mean, cone, hat)
    "test like val, errors apart": (0.025, TWO, {"cone": 50, "hat": 200}, (0.025, 0.03, 0.04)),
    "test like val, errors together": (0.035, TWO, {"cone": 50, "hat": 200}, (0.035, 0.03, 0.04)),
    "four times the photos": (0.025, TWO, {"cone": 200, "hat": 800}, (0.0125, 0.015, 0.02)),
    "one class on too few photos": (0.025, TWO, {"cone": 25, "hat": 200}, (0.04, 0.03 * 2**0.5, 0.04)),
    "no class on enough photos": (0.025, TWO, {"cone": 5, "hat": 8}, (None, 0.03 * 10**0.5, 0.2)),
    "a class that test does not hold": (0.025, TWO, {"hat": 200}, (0.04, None, 0.04)),
    "a class that val does not hold": (0.04, TWO | {"cone": None}, {"cone": 50, "hat": 200}, (0.04, None, 0.04)),
    "an AP that does not vary": (
        0.02, TWO | {"cone": score(0, 0, 50)}, {"cone": 50, "hat": 200}, (0.04, None, 0.04),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", POWERS)
def test_the_smallest_change_follows_from_the_errors_on_val(name):
    mean, classes, photos, wanted = POWERS[name]
    power = power_of(on_val(score(0.55, mean, 300), **classes), photos, test_photos=300, min_photos=50)
    found = (power.smallest_gain, power.by_class["cone"], power.by_class["hat"])
    assert found == tuple(None if error is None else pytest.approx(PAIRED * error) for error in wanted)


def test_the_sentence_is_marked_as_an_estimate_and_names_what_it_assumes():
    power = power_of(on_val(score(0.55, 0.0131, 72), cell=score(0.55, 0.0131, 72)), {"cell": 72}, test_photos=72,
                     min_photos=50)  # fmt: skip
    assert words(power) == (
        "Estimate: with 72 test photos a change of mean AP from about 0.028 on would be shown in four of five cases "
        "(assuming that both models find the same photos hard, with a correlation of 0.7)."
    )
    unknown = power.model_copy(update={"smallest_gain": None})
    assert words(unknown) == "Estimate: what 72 test photos could show of a change of mean AP cannot be told."


def test_a_change_of_the_estimated_size_is_shown_in_about_four_of_five_simulated_rounds():
    true = truth(ap50=False, photos=20_000)
    before = np.array([true.skill(0.45)])
    promoted = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        curves = detect(rng, draw_photos(rng, 200), before)
        measured = bootstrap_ap(curves, replicates=200, rng=rng)
        evaluation = on_val(measured.mean, thing=measured.classes[0])
        photos = draw_photos(rng, 200)
        held = {"thing": int(photos.labels.count_nonzero())}
        gain = power_of(evaluation, held, test_photos=200, min_photos=50).smallest_gain
        champion, candidate = (detect(rng, photos, skill) for skill in (before, np.array([true.skill(0.45 + gain)])))
        decision = decide(
            champion=contender("champion", champion),
            control=[contender("control", champion)],
            candidate=[contender("candidate", candidate)],
            classes=("thing",),
            settings=DecideSettings(replicates=200),
            openings=1,
            rng=rng,
        )
        promoted += decision.outcome == "promoted"
    assert 36 <= promoted <= 57
