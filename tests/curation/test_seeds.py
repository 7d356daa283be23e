"""What several seeds say of the pictures: on simulated detections, by the real rules."""

from typing import Any

import numpy as np
import pytest

from curation.compare import add_luck
from curation.decide import decide
from curation.decide import nothing_to_try as early
from curation.records import DecideSettings, Decision
from tests.curation.test_decide import CLASSES, QUICK, detect, judged, some_labels
from training.errors import UsageError
from training.records import Interval


def by_seeds(
    control: list[float], candidate: list[float], *, champion: float = 0.7, photos: int = 150, **given: Any
) -> Decision:
    """Decide between arms whose runs find these shares of the labels, a share a seed."""
    labels = some_labels(7, photos)

    def arm(name: str, recalls: list[float], first: int) -> list[Any]:
        found = [detect(first + place, labels, [recall] * 2) for place, recall in enumerate(recalls)]
        return [judged(f"{name} {place}", labels, photos, boxes) for place, boxes in enumerate(found)]

    options = {"settings": QUICK, "openings": 1} | given
    return decide(
        champion=arm("champion", [champion], 1)[0],
        control=arm("control", control, 100),
        candidate=arm("candidate", candidate, 200),
        classes=CLASSES,
        rng=np.random.default_rng(0),
        **options,
    )


ATTRIBUTIONS = {
    # name: recall of control and candidate by seed, what is attributed, how the sentence begins
    "one seed, however clear": ([0.4], [0.95], "cannot tell", "not attributable: one seed; candidate − control is +"),
    "three seeds agree": (
        [0.4, 0.41, 0.4], [0.9, 0.9, 0.91], "the pictures did it",
        "the pictures did it: candidate − control over 3 seeds is +",
    ),
    "three seeds agree that they harm": (
        [0.9, 0.9, 0.91], [0.4, 0.41, 0.4], "the pictures did not do it",
        "the pictures did not do it: candidate − control over 3 seeds is −",
    ),
    "the gain of one lucky run": (
        [0.5, 0.5, 0.5], [0.95, 0.5, 0.5], "cannot tell", "not attributable: the interval holds 0; ",
    ),
    "two seeds that scatter": (
        [0.5, 0.5], [0.9, 0.7], "cannot tell", "not attributable: the interval holds 0; ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_the_pictures_are_credited_by_the_interval_over_the_seeds(name):
    control, candidate, attributed, words = ATTRIBUTIONS[name]
    decision = by_seeds(control, candidate)
    assert decision.attributed == attributed
    assert decision.attribution.startswith(words)
    assert decision.seeds == len(control)


def test_the_nominated_seed_alone_may_be_promoted():
    """The mean over the seeds is far above the champion; the first candidate is not."""
    lucky, unlucky = by_seeds([0.4] * 3, [0.9, 0.7, 0.7]), by_seeds([0.4] * 3, [0.7, 0.9, 0.9])
    assert (lucky.outcome, lucky.champion) == ("promoted", "candidate 0")
    assert (unlucky.outcome, unlucky.champion) == ("inconclusive", "champion 0")
    assert unlucky.models == {"champion": "champion 0", "control": "control 0", "candidate": "candidate 0"}


def test_the_difference_of_the_pictures_is_the_mean_over_the_seeds_for_every_class_too():
    alone = [by_seeds([0.5], [share]) for share in (0.9, 0.6)]
    both = by_seeds([0.5, 0.5], [0.9, 0.6])
    first = alone[0].pictures_did_it
    assert both.better == alone[0].better, "the claim about the model rests on the first seed alone"
    assert both.pictures_did_it.mean_ap.value < first.mean_ap.value
    classes = both.pictures_did_it.classes
    assert both.pictures_did_it.mean_ap.value == pytest.approx(np.mean([each.value for each in classes.values()]))
    assert all(each.high - each.low > 3 * (first.classes[name].high - first.classes[name].low) for name, each in
               classes.items()), "two runs that scatter are hardly known"  # fmt: skip


LUCK = {
    # name: by seed, low and high of the photo draws around the mean, low and high with luck
    "runs that agree": ([0.1, 0.1, 0.1], (0.05, 0.16), (0.05, 0.16)),
    "photos that agree": ([0.0, 0.2], (0.1, 0.1), (0.1 - 12.706 * 0.1, 0.1 + 12.706 * 0.1)),
    "both scatter": ([0.0, 0.1, 0.2], (0.0, 0.3), (0.1 - np.hypot(0.1, 0.24842), 0.1 + np.hypot(0.2, 0.24842))),
}


@pytest.mark.parametrize("name", LUCK)
def test_luck_widens_the_interval_by_student_s_t_in_squares(name):
    by_seed, (low, high), wanted = LUCK[name]
    drawn = Interval(value=float(np.mean(by_seed)), low=low, high=high, photos=9)
    found = add_luck(drawn, np.array(by_seed))
    assert (found.low, found.high) == pytest.approx(wanted, abs=1e-4)
    assert (found.value, found.photos) == (drawn.value, 9)


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_candidate_below_the_control_is_rejected_only_where_luck_does_not_explain_it(seeds):
    runs = {1: ([0.95], [0.75]), 3: ([0.95, 0.6, 0.75], [0.75, 0.76, 0.74])}[seeds]
    decision = by_seeds(*runs, champion=0.4)
    assert decision.pictures_did_it.mean_ap.value < 0
    assert decision.outcome == {1: "rejected", 3: "promoted"}[seeds]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"openings": 6}, "not attributable: these test photos have been looked at 6 times"),
        ({"settings": DecideSettings(replicates=400, min_photos=200)}, "not attributable: too few test photos"),
    ],
)
def test_no_credit_rests_on_a_test_that_carries_no_claim(given, words):
    decision = by_seeds([0.4, 0.41, 0.4], [0.9, 0.9, 0.91], **given)
    assert (decision.outcome, decision.attributed) == ("inconclusive", "cannot tell")
    assert decision.attribution.startswith(words)
    assert "candidate − control over 3 seeds is +0." in decision.attribution


def test_a_round_that_closes_early_has_no_seeds():
    decision = early("no picture was accepted", champion="m1", openings=2)
    assert (decision.attributed, decision.seeds) == ("cannot tell", 0)


@pytest.mark.parametrize(("control", "candidate"), [([0.5], [0.5, 0.6]), ([], [])])
def test_arms_of_other_numbers_of_seeds_are_refused(control, candidate):
    with pytest.raises(UsageError, match="seed by seed"):
        by_seeds(control, candidate)
