"""Slices tested honestly: few false alarms under the null with correlated objects, power where there is something."""

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from curation import old_slices as slices
from curation.old_slices import MAX_EVIDENCE, Effect, ErrorTable, Slice, error_table
from curation.records import Finding, Findings
from training.boxes import SIZE_BINS, BoxTable, ImageTable

CLASSES = ("cone", "hat", "vest")


def table(photo: Any, label: Any, size: Any, found: Any) -> ErrorTable:
    return ErrorTable(
        id=np.array([f"{k:024x}" for k in range(len(photo))], "<U24"),
        photo=np.asarray(photo, np.int64),
        label=np.asarray(label, np.int64),
        size=np.asarray(size, np.int64),
        found=np.asarray(found, bool),
    )


def simulate(
    seed: int,
    spread: dict[int, tuple[int, float]],
    *,
    recall: float,
    correlation: float,
    weaker: dict[int, float] | None = None,
) -> ErrorTable:
    """Draw objects of each class on so many photos, so many on each; those of one photo and class are alike.

    Recall is the same for all classes but the `weaker` ones.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for label, (photos, each) in spread.items():
        count = 1 + rng.poisson(each - 1, photos)
        mood = np.repeat(rng.normal(size=photos), count) * np.sqrt(correlation)
        luck = mood + rng.normal(size=count.sum()) * np.sqrt(1 - correlation)
        found = luck < stats.norm.ppf(recall - (weaker or {}).get(label, 0.0))
        parts.append((np.repeat(rng.choice(100, photos, replace=False), count), np.full(count.sum(), label), found))
    photo, label, found = (np.concatenate(column) for column in zip(*parts, strict=True))
    return table(photo, label, rng.choice(3, len(photo), p=(0.4, 0.4, 0.2)), found)


def find(objects: ErrorTable, **changes: Any) -> Findings:
    given: dict[str, Any] = {
        "classes": CLASSES, "areas": np.ones(len(objects)), "gain": lambda missed: float(missed.mean()),
        "min_effect": 0.1, "max_q": 0.05,
    }  # fmt: skip
    return slices.find(objects, **(given | changes))


def by_words(found: Findings) -> dict[str, Finding]:
    return {finding.words: finding for finding in found.findings}


NULLS = {
    # name: photos and objects on each by class, recall, correlation within photo and class
    "like blood cells": ({0: (87, 10), 1: (80, 1.2), 2: (50, 1.5)}, 0.8, 0.3),
    "a rare class on few photos": ({0: (80, 8), 1: (60, 2), 2: (4, 10)}, 0.7, 0.6),
    "the rest on few photos": ({0: (80, 8), 1: (5, 10)}, 0.9, 0.7),
    "all of a photo or nothing": ({0: (60, 6), 1: (30, 6), 2: (10, 6)}, 0.8, 0.99),
    "few photos": ({0: (10, 8), 1: (10, 3), 2: (5, 2)}, 0.7, 0.5),
    "nearly always found": ({0: (80, 5), 1: (40, 2), 2: (20, 1.2)}, 0.95, 0.3),
}
RUNS = 100


@pytest.mark.parametrize("name", NULLS)
def test_where_all_are_alike_a_false_finding_is_confirmed_in_few_rounds(name: str) -> None:
    """At most 5 % of rounds; a true rate of 5 % would give more than 10 of 100 less than once in fifty times."""
    spread, recall, correlation = NULLS[name]
    worlds = (simulate(seed, spread, recall=recall, correlation=correlation) for seed in range(RUNS))
    wrong = sum(any(finding.status == "confirmed" for finding in find(world).findings) for world in worlds)
    assert wrong <= stats.binom.ppf(0.98, RUNS, 0.05)


def test_a_truly_weak_class_is_found() -> None:
    """Recall 0.5 against 0.8, on 40 of 87 photos: that is what the program is for."""
    spread = {0: (87, 8), 1: (60, 2), 2: (40, 1.5)}
    hits = 0
    for seed in range(60):
        found = by_words(find(simulate(seed, spread, recall=0.8, correlation=0.2, weaker={2: 0.3})))
        hits += found["vest"].status == "confirmed"
        assert found["cone"].status != "confirmed"
    assert hits >= 50


def test_a_surely_good_class_is_refuted() -> None:
    spread = {0: (87, 8), 1: (60, 4), 2: (60, 4)}
    weak = [
        by_words(find(simulate(seed, spread, recall=0.8, correlation=0.1, weaker={1: 0.3})))["cone"]
        for seed in range(30)
    ]
    assert {finding.status for finding in weak} == {"refuted"}


def test_intervals_cover_the_truth() -> None:
    spread = {0: (80, 6), 1: (40, 3)}
    effects = [
        by_words(find(simulate(seed, spread, recall=0.8, correlation=0.4, weaker={1: 0.2})))["hat"].effect
        for seed in range(RUNS)
    ]
    assert sum(effect.low <= 0.2 <= effect.high for effect in effects) >= stats.binom.ppf(0.02, RUNS, 0.95)


def test_an_effect_is_as_uncertain_as_the_side_on_fewer_photos() -> None:
    spread = {0: (60, 4), 1: (6, 30)}
    worlds = [simulate(seed, spread, recall=0.5, correlation=0.5) for seed in range(300)]
    effects = [slices.test(world, class_slice(world, 0)) for world in worlds]
    assert sum(effect.low <= 0 <= effect.high for effect in effects) >= stats.binom.ppf(0.02, 300, 0.95)


def test_where_photos_are_equally_full_it_is_welchs_test_on_their_means() -> None:
    rng = np.random.default_rng(0)
    means = rng.integers(1, 8, 30) / 8
    found = (np.arange(8) < means[:, None] * 8).ravel()
    objects = table(np.repeat(range(30), 8), np.repeat([0] * 20 + [1] * 10, 8), [0] * 240, found)
    effect = slices.test(objects, class_slice(objects, 1))
    welch = stats.ttest_ind(means[:20], means[20:], equal_var=False)
    assert effect.value / effect.standard_error == pytest.approx(welch.statistic)


def repeated(objects: ErrorTable, times: int) -> ErrorTable:
    rows = np.repeat(np.arange(len(objects)), times)
    return table(objects.photo[rows], objects.label[rows], objects.size[rows], objects.found[rows])


ROBUST = {
    "some found": simulate(1, {0: (40, 3), 1: (20, 2)}, recall=0.7, correlation=0.3, weaker={1: 0.3}),
    "the slice was never found": table(range(20), [0] * 15 + [1] * 5, [0] * 20, [1, 1, 1, 0, 1] * 3 + [0] * 5),
    "the rest was always found": table(range(20), [0] * 15 + [1] * 5, [0] * 20, [1] * 15 + [0, 1, 0, 0, 1]),
    "both": table(range(20), [0] * 15 + [1] * 5, [0] * 20, [1] * 15 + [0] * 5),
    "on one photo": table([0] * 8, [0] * 4 + [1] * 4, [0] * 8, [1] * 4 + [0] * 4),
}


@pytest.mark.parametrize("name", ROBUST)
def test_the_same_objects_ten_times_over_prove_nothing_more(name: str) -> None:
    once, often = (
        slices.test(objects, class_slice(objects, 1)) for objects in (ROBUST[name], repeated(ROBUST[name], 10))
    )
    assert often.value == pytest.approx(once.value)
    assert often.p >= once.p / 2
    assert often.photos == once.photos


def class_slice(objects: ErrorTable, label: int) -> Slice:
    inside = objects.label == label
    return Slice(label, None, inside, ~inside, "other classes")


EDGES = {
    "the slice was never found": ([1] * 10 + [0] * 10, True),
    "the slice was always found": ([0] * 10 + [1] * 10, False),
    "all were found": ([1] * 20, False),
    "none was found": ([0] * 20, False),
}


@pytest.mark.parametrize("name", EDGES)
def test_what_was_found_always_or_never_has_an_interval_and_a_verdict(name: str) -> None:
    found, weaker = EDGES[name]
    objects = table(range(20), [0] * 10 + [1] * 10, [0] * 20, found)
    effect = slices.test(objects, class_slice(objects, 1))
    assert -1 <= effect.low <= effect.value <= effect.high <= 1
    assert effect.low < effect.high
    assert 0 < effect.p < 1
    assert (by_words(find(objects))["hat"].status == "confirmed") is weaker


def test_a_slice_on_one_photo_proves_nothing() -> None:
    objects = table([*range(40), *[40] * 30], [0] * 40 + [1] * 30, [0] * 70, [1] * 40 + [0] * 30)
    finding = by_words(find(objects))["hat"]
    assert (finding.objects, finding.photos, finding.status) == (30, 1, "open")


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2), st.integers(0, 2), st.booleans()), max_size=25),
)
def test_any_table_gives_findings_that_can_be_kept(rows: list[tuple[int, int, int, bool]]) -> None:
    photo, label, size, was_found = zip(*rows, strict=True) if rows else ([], [], [], [])
    objects = table(photo, label, size, was_found)
    found = find(objects)
    assert Findings.model_validate(json.loads(json.dumps(found.plain()))) == found
    for finding in found.findings:
        inside = slices.members(objects, finding, CLASSES)
        assert finding.objects == inside.sum() > 0
        assert finding.recall == pytest.approx(objects.found[inside].mean())
        assert finding.effect.value == pytest.approx(finding.recall_rest - finding.recall)
        assert sum(finding.missed.values()) == (inside & ~objects.found).sum()
        assert finding.q >= finding.p
    assert len({finding.finding_id for finding in found.findings}) == len(found.findings)


def test_an_empty_table_has_no_findings() -> None:
    assert find(table([], [], [], [])).findings == ()


def test_the_slices_are_classes_sizes_and_sizes_of_a_class_each_against_its_rest() -> None:
    objects = table(range(6), [0, 0, 0, 1, 1, 1], [0, 1, 1, 0, 1, 1], [1] * 6)
    parts = {(part.label, part.size): part for part in slices.prespecified(objects, CLASSES)}
    assert parts.keys() == {(0, None), (0, 0), (0, 1), (1, None), (1, 0), (1, 1), (None, 0), (None, 1)}
    assert parts[0, None].rest.tolist() == [False] * 3 + [True] * 3
    assert parts[0, 0].rest.tolist() == [False, True, True, False, False, False]
    assert parts[None, 0].inside.tolist() == [True, False, False, True, False, False]
    assert [parts[key].versus for key in ((0, None), (1, 0), (None, 1))] == [
        "other classes",
        "other sizes of hat",
        "other sizes",
    ]


def test_of_a_single_class_no_slice_is_given_twice() -> None:
    objects = table(range(6), [1] * 6, [0, 0, 1, 1, 2, 2], [1, 0] * 3)
    assert sorted(by_words(find(objects))) == ["large hat", "medium hat", "small hat"]


STATUS = {
    # value, low, high, q: status at min_effect 0.1 and max_q 0.05
    "weak beyond doubt": (0.3, 0.2, 0.4, 0.001, "confirmed"),
    "weak, q at the limit": (0.3, 0.0, 0.6, 0.05, "confirmed"),
    "weak, q above the limit": (0.3, -0.1, 0.7, 0.051, "open"),
    "less than matters, yet sure": (0.05, 0.02, 0.08, 0.001, "confirmed"),
    "less than matters, not sure": (0.02, -0.02, 0.06, 0.3, "refuted"),
    "better": (-0.2, -0.3, -0.1, 1.0, "refuted"),
    "better, but hardly known": (-0.1, -0.5, 0.3, 0.9, "open"),
    "upper end at what matters": (0.0, -0.1, 0.1, 0.5, "open"),
    "no effect with a small q": (0.0, -0.3, 0.3, 0.01, "open"),
}


@pytest.mark.parametrize("name", STATUS)
def test_status_follows_its_rules(name: str) -> None:
    value, low, high, q, status = STATUS[name]
    effect = Effect(value, low, high, p=q / 2, standard_error=0.1, photos=9)
    assert slices.status_of(effect, q, min_effect=0.1, max_q=0.05) == status


def effect_of(value: float, standard_error: float) -> Effect:
    return Effect(value, value - 2 * standard_error, value + 2 * standard_error, 0.2, standard_error, 9)


def test_more_doubt_needs_more_objects_and_a_larger_effect_needs_fewer() -> None:
    values, errors = np.linspace(-0.3, 0.9, 25), np.linspace(0.01, 0.5, 25)
    wanted = {
        (value, error): slices.objects_to_settle(effect_of(value, error), 40, min_effect=0.1)
        for value, error in itertools.product(values, errors)
    }
    for value in values:
        by_error = [wanted[value, error] for error in errors]
        assert by_error == sorted(by_error)
    for error in errors:
        by_value = [wanted[value, error] for value in values]
        assert by_value == sorted(by_value, reverse=True)
    assert min(wanted.values()) > 40


def test_objects_to_settle_are_those_that_give_the_power() -> None:
    count = slices.objects_to_settle(effect_of(0.2, 0.15), 40, min_effect=0.1)
    error_then = 0.15 * np.sqrt(40 / count)
    assert stats.norm.sf(stats.norm.ppf(0.975) - 0.2 / error_then) == pytest.approx(0.8, abs=0.01)


def test_only_open_findings_say_what_would_settle_them() -> None:
    found = find(simulate(3, {0: (80, 6), 1: (60, 4), 2: (8, 1)}, recall=0.8, correlation=0.2, weaker={1: 0.3}))
    assert {finding.status for finding in found.findings} == {"confirmed", "refuted", "open"}
    for finding in found.findings:
        assert (finding.objects_to_settle is not None) is (finding.status == "open")


def test_findings_come_by_falling_gain_then_by_id() -> None:
    objects = simulate(5, {0: (40, 4), 1: (30, 3), 2: (20, 2)}, recall=0.6, correlation=0.1)
    found = find(objects, gain=lambda missed: round(float(missed.mean()), 1)).findings
    order = [(-finding.gain, finding.finding_id) for finding in found]
    assert order == sorted(order)
    assert len({gain for gain, _ in order}) > 1


def test_the_gain_is_asked_for_what_was_missed_in_the_slice() -> None:
    objects = table(range(6), [0, 0, 0, 1, 1, 1], [0] * 6, [1, 0, 1, 0, 0, 1])
    found = by_words(find(objects, gain=lambda missed: float(np.flatnonzero(missed).sum())))
    assert {words: finding.gain for words, finding in found.items()} == {"cone": 1.0, "hat": 3 + 4}


def test_evidence_is_the_largest_missed_objects_of_the_slice_and_no_more_than_fit() -> None:
    count = 2 * MAX_EVIDENCE + 10
    label = np.arange(count) % 2
    objects = table(range(count), label, [0] * count, np.arange(count) % 6 == 0)
    areas = np.random.default_rng(0).random(count)
    evidence = by_words(find(objects, areas=areas))["hat"].evidence
    missed = [row for row in range(count) if label[row] == 1 and not objects.found[row]]
    largest = sorted(missed, key=lambda row: -areas[row])[:MAX_EVIDENCE]
    assert evidence == tuple(str(objects.id[row]) for row in largest)
    assert len(evidence) == MAX_EVIDENCE


def test_the_order_of_the_objects_does_not_matter() -> None:
    objects = simulate(7, {0: (30, 3), 1: (20, 2)}, recall=0.7, correlation=0.3)
    mixed = objects.take(np.random.default_rng(0).permutation(len(objects)))
    for one, other in zip(find(objects).findings, find(mixed).findings, strict=True):
        assert one.finding_id == other.finding_id
        assert (one.p, one.q, one.effect.low) == pytest.approx((other.p, other.q, other.effect.low))


def test_the_error_table_has_a_row_an_object_with_its_size_in_pixels() -> None:
    images = ImageTable(
        id=np.array(["a", "b"]),
        path=np.array(["a.jpg", "b.jpg"]),
        width_px=np.array([100, 1000]),
        height_px=np.array([100, 1000]),
        split=np.array(["val", "val"]),
    )
    labels = BoxTable(
        id=np.array(["x", "y", "z"]),
        image=np.array([0, 1, 1]),
        label=np.array([2, 0, 1]),
        xyxy=np.array([[0, 0, 0.2, 0.2], [0, 0, 0.2, 0.2], [0, 0, 0.05, 0.05]]),
        score=np.ones(3),
    )
    made = error_table(images, labels, np.array([True, False, True]))
    assert [SIZE_BINS[size] for size in made.size] == ["small", "large", "medium"]
    assert (made.photo.tolist(), made.label.tolist(), made.found.tolist()) == (
        [0, 1, 1],
        [2, 0, 1],
        [True, False, True],
    )
