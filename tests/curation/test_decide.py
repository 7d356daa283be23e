"""Verdicts on simulated detections: real matching, real AP, real draws; only the detector is made up."""

from typing import Any

import numpy as np
import pytest

from curation.compare import Contender, holm, two_sided_p
from curation.decide import MIN_LOSS_PHOTOS, decide, foregone, nothing_to_try
from curation.records import DecideSettings, Decision
from training.bootstrap import bootstrap_ap
from training.boxes import BoxTable
from training.errors import UsageError
from training.matching import match
from training.metrics import prepare
from training.records import Evaluation, FileRef, Interval

CLASSES = ("helmet", "cone")
REF = FileRef(name="table.npz", digest="0" * 24)
QUICK = DecideSettings(replicates=400, min_photos=20)


def some_labels(seed: int, photos: int, *, share: float = 0.8, classes: int = 2) -> BoxTable:
    """Put one object of each class into this share of the photos, side by side."""
    rng = np.random.default_rng(seed)
    image, label = np.divmod(np.flatnonzero(rng.random(photos * classes) < share), classes)
    corner = np.stack([(label + 0.1) / (classes + 1), np.full(len(label), 0.2)], axis=1)
    size = rng.uniform(0.5, 0.9, (len(label), 2)) / (classes + 1)
    return BoxTable(
        id=np.arange(len(label)).astype("<U24"), image=image, label=label,
        xyxy=np.hstack([corner, corner + size]), score=np.ones(len(label)),
    )  # fmt: skip


def detect(seed: int, labels: BoxTable, recall: list[float]) -> BoxTable:
    """Find this share of each class's labels, with noise, and a wrong box beside every third label."""
    rng = np.random.default_rng(seed)
    found = labels.take(rng.random(len(labels)) < np.array(recall)[labels.label])
    side = np.tile(found.xyxy[:, 2:] - found.xyxy[:, :2], 2)
    noisy = np.clip(found.xyxy + rng.normal(0, 0.04, (len(found), 4)) * side, 0, 1)
    wrong = labels.take(rng.random(len(labels)) < 1 / 3)
    away = wrong.xyxy * [1, 0.2, 1, 0.2] + [0, 0.75, 0, 0.75]
    columns = {name: np.concatenate([getattr(found, name), getattr(wrong, name)]) for name in ("id", "image", "label")}
    score = np.concatenate([rng.beta(4, 2, len(found)), rng.beta(2, 4, len(wrong))])
    return BoxTable(**columns, xyxy=np.vstack([noisy, away]), score=score)


def judged(
    name: str, labels: BoxTable, photos: int, predictions: BoxTable, *, split: str = "test", images: str = "d1"
) -> Contender:
    curves = prepare(
        predictions, labels, match(predictions, labels), image_rows=np.arange(photos), class_count=len(CLASSES)
    )
    return Contender(evaluation=evaluation(name, split=split, images=images), curves=curves)


def evaluation(name: str, *, split: str = "test", images: str = "d1") -> Evaluation:
    return Evaluation(
        model_id=name, images=images, split=split, min_score=0.25, mean_ap=Interval(value=0, low=0, high=0, photos=1),
        mean_ap50=0, classes=(), predictions=REF, matches=REF,
    )  # fmt: skip


Recalls = dict[str, list[float]]
SAME: Recalls = {"champion": [0.7, 0.7], "control": [0.7, 0.7], "candidate": [0.7, 0.7]}


def verdict(
    recall: Recalls,
    *,
    photos: int = 300,
    settings: DecideSettings = QUICK,
    openings: int = 1,
    seed: int = 0,
    share: float = 0.8,
) -> Decision:
    labels = some_labels(seed, photos, share=share)
    arms = {
        role: judged(role, labels, photos, detect(1000 + 10 * seed + place, labels, recall[role]))
        for place, role in enumerate(recall)
    }
    return decide(
        **one_seed(arms), classes=CLASSES, settings=settings, openings=openings, rng=np.random.default_rng(seed)
    )


def one_seed(arms: dict[str, Contender]) -> dict[str, Any]:
    """Give champion, control and candidate as `decide` takes them, the last two trained once."""
    return {"champion": arms["champion"], "control": [arms["control"]], "candidate": [arms["candidate"]]}


OUTCOMES = {
    # name: recalls, photos, outcome, words of the sentence, verdict on each class
    "better on both": (SAME | {"candidate": [0.9, 0.9]}, 300, "promoted", "Promoted: mean AP", ["better", "better"]),
    "better on one, equal on the other": (
        SAME | {"candidate": [0.7, 0.95]}, 300, "promoted", "Promoted: mean AP", ["cannot be shown", "better"],
    ),
    "equal arms": (SAME, 300, "inconclusive", "Cannot tell: mean AP", ["cannot be shown", "cannot be shown"]),
    "worse on both": (
        SAME | {"candidate": [0.4, 0.4]}, 300, "rejected", "worse than the champion on helmet", ["worse", "worse"],
    ),
    "one class gained, one lost": (
        SAME | {"candidate": [0.4, 1.0]}, 300, "rejected", "worse than the champion on helmet", ["worse", "better"],
    ),
    "better than the champion, worse than the control": (
        {"champion": [0.5, 0.5], "control": [0.95, 0.95], "candidate": [0.7, 0.7]}, 300, "rejected",
        "worse than the control", ["better", "better"],
    ),
    "a test of ten photos": (
        SAME | {"candidate": [0.9, 0.9]}, 10, "inconclusive", "too few test photos",
        ["too few photos", "too few photos"],
    ),
    "a champion that knows no class of the data": (
        SAME | {"champion": [0.0, 0.0]}, 300, "promoted", "Promoted: mean AP", ["better", "better"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTCOMES)
def test_the_outcome_follows_the_rules(name):
    recall, photos, outcome, words, classes = OUTCOMES[name]
    decision = verdict(recall, photos=photos)
    assert decision.outcome == outcome
    assert words in decision.sentence
    assert [found.verdict for found in decision.classes] == classes
    assert decision.champion == ("candidate" if outcome == "promoted" else "champion")
    assert decision.models == {"champion": "champion", "control": "control", "candidate": "candidate"}
    assert bool(decision.settle) == (outcome == "inconclusive")
    assert decision.attribution.startswith("not attributable: one seed")


def test_the_sentence_gives_both_means_the_difference_its_interval_and_the_photos():
    decision = verdict(SAME | {"candidate": [0.9, 0.9]})
    means = [
        np.mean([getattr(found, f"{role}_ap") for found in decision.classes]) for role in ("candidate", "champion")
    ]
    change = decision.better.mean_ap
    assert decision.sentence == (
        f"Promoted: mean AP {means[0]:.3f} against {means[1]:.3f} of the champion "
        f"(+{change.value:.3f}, 95 % interval {change.low:.3f} to {change.high:.3f}, 300 test photos)."
    )


def test_a_loss_is_written_with_a_minus_sign():
    assert "champion (−0." in verdict(SAME | {"candidate": [0.4, 0.4]}).sentence


def test_a_model_against_itself_differs_by_exactly_nothing():
    labels = some_labels(0, 60)
    arm = judged("same", labels, 60, detect(1, labels, [0.7, 0.7]))
    decision = decide(
        champion=arm,
        control=[arm],
        candidate=[arm],
        classes=CLASSES,
        settings=QUICK,
        openings=1,
        rng=np.random.default_rng(0),
    )
    assert decision.outcome == "inconclusive"
    assert (decision.better.mean_ap.low, decision.better.mean_ap.high) == (0, 0)
    assert decision.settle.startswith("more pictures, or another finding")


def test_models_are_compared_on_the_same_draws():
    """A difference between models that make the same errors is known far better than either model's AP."""
    labels = some_labels(3, 60)
    predictions = detect(4, labels, [0.7, 0.7])
    fewer = predictions.take(np.arange(len(predictions)) % 20 > 0)
    after, before = judged("after", labels, 60, predictions), judged("before", labels, 60, fewer)
    rng = np.random.default_rng(0)
    decision = decide(
        champion=before, control=[before], candidate=[after], classes=CLASSES, settings=QUICK, openings=1, rng=rng
    )
    paired, alone = decision.better.mean_ap, bootstrap_ap(after.curves, replicates=400, rng=rng).mean
    assert paired.high - paired.low < (alone.high - alone.low) / 2


def test_a_small_gain_says_how_many_more_photos_would_settle_it():
    decision = verdict(SAME | {"candidate": [0.74, 0.74]}, photos=60, seed=3)
    change = decision.better.mean_ap
    assert change.low < 0 < change.value
    needed = ((change.high - change.low) / 2 / change.value) ** 2 * 60 - 60
    assert decision.settle.startswith(f"about {int(np.ceil(needed)):,} more test photos")


def test_a_small_test_says_which_class_needs_how_many_more_photos():
    labels_on = [some_labels(0, 10).image[some_labels(0, 10).label == number] for number in range(2)]
    needs = sorted(20 - len(np.unique(images)) for images in labels_on)
    settle = verdict(SAME, photos=10).settle
    assert [int(word.split()[-1]) for word in settle.split(": ")[1].split(", ")] == needs


RARE = {
    # name: photos with a cone, recall on helmet and cone of champion and candidate, outcome, whether the loss is named
    "all is well": (12, [0.5, 0.7], [0.9, 0.7], "promoted", False),
    "the rare class is lost": (12, [0.5, 1.0], [0.9, 0.0], "inconclusive", True),
    "the rare class is lost, and nothing gained": (12, [0.7, 1.0], [0.7, 0.0], "inconclusive", True),
    "all is lost": (12, [0.9, 1.0], [0.4, 0.0], "rejected", True),
    "lost on the fewest photos that can show it": (MIN_LOSS_PHOTOS, [0.5, 1.0], [0.9, 0.0], "inconclusive", True),
    "lost on fewer than can show anything": (MIN_LOSS_PHOTOS - 1, [0.5, 1.0], [0.9, 0.0], "promoted", False),
}


@pytest.mark.parametrize("name", RARE)
def test_nothing_is_promoted_over_a_possible_loss_and_no_claim_rests_on_one(name):
    cones, champion, candidate, outcome, named = RARE[name]
    photos, labels = 120, some_labels(5, 120, share=1)
    labels = labels.take((labels.label == 0) | (labels.image < cones))
    recall = {"champion": champion, "control": champion, "candidate": candidate}
    arms = {
        role: judged(role, labels, photos, detect(place, labels, recall[role])) for place, role in enumerate(recall)
    }
    decision = decide(**one_seed(arms), classes=CLASSES, settings=QUICK, openings=1, rng=np.random.default_rng(0))
    assert decision.classes[1].verdict == "too few photos", "the verdict on the class stays what it is"
    assert decision.better.mean_ap.value == pytest.approx(decision.better.classes["helmet"].value)
    assert decision.outcome == outcome
    assert decision.champion == ("candidate" if outcome == "promoted" else "champion")
    loss = decision.better.classes["cone"]
    assert ("possibly worse on cone (−" in decision.sentence) == named
    if named:
        assert loss.high < -QUICK.margin
        assert f"{cones} test photos), on too few photos for a verdict" in decision.sentence
    settles = outcome == "inconclusive"
    assert (f"more test photos that hold the class: cone {20 - cones}" in decision.settle) == settles


def test_a_small_loss_on_too_few_photos_is_none():
    """The interval must lie wholly below −margin, as for any class."""
    photos, labels = 120, some_labels(5, 120, share=1)
    labels = labels.take((labels.label == 0) | (labels.image < 12))
    recall = {"champion": [0.5, 1.0], "control": [0.5, 1.0], "candidate": [0.9, 0.0]}
    arms = {
        role: judged(role, labels, photos, detect(place, labels, recall[role])) for place, role in enumerate(recall)
    }
    wide = DecideSettings(replicates=400, min_photos=20, margin=0.99)
    decision = decide(**one_seed(arms), classes=CLASSES, settings=wide, openings=1, rng=np.random.default_rng(0))
    assert (decision.outcome, "possibly" in decision.sentence) == ("promoted", False)


FOREGONE = {
    # name: photos of each class, looks so far, words of the sentence, what settles it; None: it is open
    "enough of all": ({"helmet": 50, "cone": 70}, 0, None, None),
    "enough of one": ({"helmet": 50, "cone": 0}, 4, None, None),
    "too few of all": (
        {"helmet": 40, "cone": 49}, 0, "no class is on 50 of them",
        "more test photos that hold the class: cone 1, helmet 10",
    ),
    "worn out": ({"helmet": 80}, 5, "looked at 5 times and are good for 5", "add test photos"),
    "worn out and too few": ({"helmet": 3}, 9, "looked at 9 times and are good for 5", "add test photos"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREGONE)
def test_a_verdict_that_no_model_could_change_is_known_beforehand(name):
    photos, openings, words, settle = FOREGONE[name]
    decision = foregone(photos, "m1", openings, DecideSettings())
    if words is None:
        assert decision is None
        return
    assert words in decision.sentence
    assert "nothing more was trained, and test stays closed" in decision.sentence
    assert (decision.outcome, decision.champion, decision.openings) == ("inconclusive", "m1", openings)
    assert (decision.better, decision.settle) == (None, settle)


@pytest.mark.parametrize("photos", [19, 20])
def test_what_is_foregone_is_what_the_decision_would_have_been(photos):
    labels = some_labels(0, photos, share=1)
    arms = {
        role: judged(role, labels, photos, detect(place, labels, [recall] * 2))
        for place, (role, recall) in enumerate({"champion": 0.2, "control": 0.2, "candidate": 1.0}.items())
    }
    for looks in (4, 5):
        known = foregone(dict.fromkeys(CLASSES, photos), "champion", looks, QUICK)
        after = decide(
            **one_seed(arms), classes=CLASSES, settings=QUICK, openings=looks + 1, rng=np.random.default_rng(0)
        )
        assert (known is None) == (after.outcome == "promoted")
        if known is not None:
            assert (known.outcome, known.settle, known.champion) == (after.outcome, after.settle, after.champion)


def test_a_loss_within_the_margin_is_no_objection():
    recall = {"champion": [0.9, 0.5], "control": [0.5, 0.5], "candidate": [0.7, 1.0]}
    strict = verdict(recall)
    lenient = verdict(recall, settings=DecideSettings(replicates=400, min_photos=20, margin=0.4))
    assert (strict.outcome, lenient.outcome) == ("rejected", "promoted")


def test_a_mean_that_fell_is_rejected_though_every_class_is_within_the_margin():
    recall = {"champion": [0.7, 0.7], "control": [0.4, 0.4], "candidate": [0.4, 0.4]}
    decision = verdict(recall, settings=DecideSettings(replicates=400, min_photos=20, margin=0.9))
    assert [found.verdict for found in decision.classes] == ["cannot be shown", "cannot be shown"]
    assert decision.outcome == "rejected"
    assert decision.sentence.startswith("Rejected: mean AP 0.")


def test_test_photos_wear_out():
    recall = SAME | {"candidate": [0.9, 0.9]}
    assert verdict(recall, openings=5).outcome == "promoted"
    worn = verdict(recall, openings=6)
    assert (worn.outcome, worn.settle, worn.champion, worn.openings) == (
        "inconclusive",
        "add test photos",
        "champion",
        6,
    )
    assert "looked at 6 times" in worn.sentence


def test_a_test_without_labels_cannot_tell():
    nothing = BoxTable.empty()
    arm = judged("same", nothing, 5, nothing)
    decision = decide(
        champion=arm,
        control=[arm],
        candidate=[arm],
        classes=CLASSES,
        settings=QUICK,
        openings=1,
        rng=np.random.default_rng(0),
    )
    assert (decision.outcome, decision.better, decision.settle) == ("inconclusive", None, "label some test photos")


def test_equal_seeds_give_equal_decisions():
    assert verdict(SAME, seed=4) == verdict(SAME, seed=4)


WRONG_INPUTS = {
    "val instead of test": ({"split": "val"}, 40, "the candidate was evaluated on val"),
    "another image set": ({"images": "d2"}, 40, "different image sets"),
    "other photos": ({}, 41, "do not hold the same labels"),
}


@pytest.mark.parametrize("name", WRONG_INPUTS)
def test_what_cannot_be_compared_is_refused(name):
    keywords, photos, words = WRONG_INPUTS[name]
    labels = some_labels(0, 40)
    good = judged("good", labels, 40, labels)
    bad = judged("bad", labels, photos, labels, **keywords)
    with pytest.raises(UsageError, match=words):
        decide(
            champion=good, control=[good], candidate=[bad], classes=CLASSES, settings=QUICK, openings=1,
            rng=np.random.default_rng(0),
        )  # fmt: skip


def test_curves_of_other_classes_or_labels_are_refused():
    labels = some_labels(0, 40)
    good = judged("good", labels, 40, labels)
    fewer = judged("bad", labels.take(np.arange(1, len(labels))), 40, labels)
    for arms, classes in (((good, good, fewer), CLASSES), ((good, good, good), ("helmet",))):
        champion, control, candidate = arms
        with pytest.raises(UsageError, match="do not hold the same labels"):
            decide(
                champion=champion, control=[control], candidate=[candidate], classes=classes, settings=QUICK,
                openings=1, rng=np.random.default_rng(0),
            )  # fmt: skip


def test_a_round_without_pictures_is_inconclusive():
    decision = nothing_to_try("no picture was accepted", champion="m1", openings=2)
    assert decision.sentence == "Cannot tell: nothing was trained, because no picture was accepted."
    assert (decision.outcome, decision.champion, decision.openings) == ("inconclusive", "m1", 2)
    assert (decision.better, decision.pictures_did_it, decision.models) == (None, None, {"champion": "m1"})


def test_models_that_do_not_differ_are_promoted_at_most_once_in_twenty():
    settings = DecideSettings(replicates=200, min_photos=20)
    promoted = sum(verdict(SAME, photos=60, settings=settings, seed=seed).outcome == "promoted" for seed in range(100))
    assert promoted <= 5


def test_models_that_do_differ_are_mostly_promoted():
    settings = DecideSettings(replicates=200, min_photos=20)
    recall = SAME | {"candidate": [0.95, 0.95]}
    promoted = sum(verdict(recall, photos=60, settings=settings, seed=seed).outcome == "promoted" for seed in range(30))
    assert promoted >= 25


def test_holm_corrects_as_holm_wrote():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.6])) == pytest.approx([1, 1])
    assert len(holm(np.zeros(0))) == 0


def test_a_bootstrap_p_is_never_zero_and_never_above_one():
    draws = np.stack([np.arange(1, 100), np.arange(-49, 50), np.zeros(99)], axis=1)
    assert two_sided_p(draws) == pytest.approx([0.02, 1, 1])


def test_many_classes_get_enough_draws_for_a_gain_to_be_shown():
    """With 100 draws the smallest p is 2 / 101, which could never pass Holm's first step for six classes, 0.05 / 6."""
    photos, classes = 30, 6
    labels = some_labels(0, photos, classes=classes)
    recalls = {"champion": 0.2, "control": 0.9, "candidate": 1.0}
    arms = {}
    for place, (role, recall) in enumerate(recalls.items()):
        predictions = detect(place, labels, [recall] * classes)
        matches = match(predictions, labels)
        curves = prepare(predictions, labels, matches, image_rows=np.arange(photos), class_count=classes)
        arms[role] = Contender(evaluation=evaluation(role), curves=curves)
    few = DecideSettings(replicates=100, min_photos=20)
    names = tuple("abcdef")
    decision = decide(**one_seed(arms), classes=names, settings=few, openings=1, rng=np.random.default_rng(0))
    assert {found.verdict for found in decision.classes} == {"better"}
