"""Findings are few where nothing is wrong, right where something is, and the same in every round."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from curation import findings
from curation.diagnose import ErrorTable
from curation.findings import MAX_EVIDENCE
from curation.hypotheses import Proposal
from curation.records import Finding, Findings
from tests.curation.simulated import CLASSES, SLICES, conditions, many, photo_ids, simulate, table


def find(objects: ErrorTable, **changes: Any) -> Findings:
    given: dict[str, Any] = {
        "photo_ids": photo_ids(400), "classes": CLASSES, "areas": np.ones(len(objects)),
        "gain": lambda missed: float(missed.mean()), "min_effect": 0.1, "max_q": 0.05,
    }  # fmt: skip
    return findings.find(objects, **(given | changes))


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
    rounds = (find(world, max_proposals=0).findings for world in worlds)
    wrong = sum(any(finding.status == "confirmed" for finding in found) for found in rounds)
    assert wrong <= stats.binom.ppf(0.98, RUNS, 0.05)


def test_searching_many_columns_confirms_nothing_where_there_is_nothing() -> None:
    rounds = [find(many(seed, photos=80)).findings for seed in range(40)]
    assert all(any(finding.origin == "search" for finding in found) for found in rounds)
    wrong = sum(any(finding.status == "confirmed" for finding in found) for found in rounds)
    assert wrong <= stats.binom.ppf(0.98, 40, 0.05)


@pytest.mark.parametrize("name", SLICES)
def test_a_planted_slice_is_confirmed_by_name_and_explains_nearly_all_others(name: str) -> None:
    others = left = 0
    for seed in range(5):
        found = find(many(seed, photos=400, **{name: 0.5})).findings
        confirmed = {frozenset(each.conditions): each for each in found if each.status == "confirmed"}
        assert confirmed.pop(frozenset(SLICES[name])).explained_by is None
        others += len(confirmed)
        left += sum(each.explained_by is None for each in confirmed.values())
    assert others > 15
    assert left <= 0.15 * others


def test_a_truly_weak_class_is_found() -> None:
    """Recall 0.5 against 0.8, on 40 of 87 photos: that is what the program is for."""
    spread = {0: (87, 8), 1: (60, 2), 2: (40, 1.5)}
    hits = 0
    for seed in range(60):
        found = by_words(find(simulate(seed, spread, recall=0.8, correlation=0.2, weaker={2: 0.3}), max_proposals=0))
        hits += found["vest"].status == "confirmed"
        assert found["cone"].status != "confirmed"
    assert hits >= 50


def test_a_surely_good_class_is_refuted() -> None:
    spread = {0: (87, 8), 1: (60, 4), 2: (60, 4)}
    weak = [
        by_words(find(simulate(seed, spread, recall=0.8, correlation=0.1, weaker={1: 0.3}), max_proposals=0))["cone"]
        for seed in range(30)
    ]
    assert {finding.status for finding in weak} == {"refuted"}


def test_a_wrong_expectation_is_refuted_and_keeps_its_words() -> None:
    wrong = Proposal(conditions(light="light0", colour="colour1"), "llm", "dark blue objects are missed")
    found = find(many(0, photos=400, recall=0.95, one=0.4), proposals=[wrong])
    (finding,) = (each for each in found.findings if each.origin == "llm")
    assert (finding.status, finding.claim, finding.tested_on) == ("refuted", wrong.claim, "confirm")


def test_a_slice_on_one_photo_proves_nothing() -> None:
    objects = table([*range(40), *[40] * 30], [0] * 40 + [1] * 30, [0] * 70, [1] * 40 + [0] * 30)
    finding = by_words(find(objects))["hat"]
    assert (finding.objects, finding.photos, finding.status) == (30, 1, "open")


rows = st.tuples(
    st.integers(0, 6), st.integers(0, 2), st.integers(0, 2), st.booleans(), st.integers(-1, 2), st.integers(-1, 1)
)


@settings(max_examples=60)
@given(st.lists(rows, max_size=40), st.integers(1, 8))
def test_any_table_gives_findings_that_can_be_kept(drawn: list[tuple[int, ...]], copies: int) -> None:
    photo, label, size, was_found, light, look = np.array(drawn, np.int64).reshape(-1, 6).repeat(copies, axis=0).T
    photo = photo + 7 * (np.arange(len(photo)) % copies)
    objects = table(photo, label, size, was_found, light=light, look=(look, "cluster"))
    found = find(objects)
    assert Findings.model_validate(json.loads(json.dumps(found.plain()))) == found
    for finding in found.findings:
        inside = findings.members(objects, finding)
        assert 0 < finding.objects <= inside.sum()
        assert finding.effect.value == pytest.approx(finding.recall_rest - finding.recall)
        assert sum(finding.missed.values()) == (inside & ~objects.found).sum()
        assert finding.q >= finding.p
        assert finding.tested_on == ("val" if finding.origin == "pre-specified" else "confirm")
        assert len(finding.evidence) == min(MAX_EVIDENCE, (inside & ~objects.found).sum())
    for names in ("finding_id", "view"):
        assert len({getattr(finding, names) for finding in found.findings}) == len(found.findings)


def test_an_empty_table_has_no_findings() -> None:
    assert find(table([], [], [], [])).findings == ()


WORDS = {
    # conditions: words, compared with, label, size
    (("class", "cone"),): ("cone", "other classes", "cone", None),
    (("size", "small"),): ("small objects", "other sizes, same classes", None, "small"),
    (("class", "cone"), ("size", "small")): ("small cone", "other sizes of cone", "cone", "small"),
    (("light", "dark"),): ("objects, light: dark", "the rest of the same classes", None, None),
    (("class", "cone"), ("light", "dark")): ("cone, light: dark", "the rest of cone", "cone", None),
    (("camera", "gate"), ("class", "cone"), ("size", "large")): (
        "large cone, camera: gate", "the rest of cone", "cone", "large",
    ),
}  # fmt: skip


@pytest.mark.parametrize("pairs", WORDS)
def test_a_slice_is_said_in_plain_words(pairs: tuple[tuple[str, str], ...]) -> None:
    parts = conditions(**{"label" if column == "class" else column: value for column, value in pairs})
    assert (findings.words_of(parts), findings.versus_of(parts)) == WORDS[pairs][:2]


def test_a_finding_carries_class_and_size_and_a_name_that_fiftyone_takes() -> None:
    objects = many(0, photos=400, triple=0.5)
    columns = tuple(
        column if column.name != "light" else type(column)("licht", ("früh", "spät", "夜"), column.codes, "field")
        for column in objects.columns
    )
    found = find(ErrorTable(objects.id, objects.photo, objects.label, objects.found, columns), view_prefix="round 1")
    for finding in found.findings:
        value = {condition.column: condition.value for condition in finding.conditions}
        assert (finding.label, finding.size) == (value.get("class"), value.get("size"))
        assert finding.view.isascii()
        assert finding.view.startswith("round 1: missed ")


def test_a_finding_keeps_its_id_whatever_the_order_of_its_conditions_and_the_round() -> None:
    one, other = SLICES["triple"], tuple(reversed(SLICES["triple"]))
    assert findings.finding_id_of(one) == findings.finding_id_of(other)
    assert findings.finding_id_of(one) != findings.finding_id_of(one[:2])
    first, second = find(many(0)), find(many(1))
    for words, finding in by_words(first).items():
        if words in by_words(second):
            assert by_words(second)[words].finding_id == finding.finding_id


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


def test_the_gain_is_asked_once_a_finding_for_what_was_missed_in_the_slice() -> None:
    objects = many(0, photos=60, one=0.3)
    asked: list[bytes] = []

    def gain(missed: Any) -> float:
        asked.append(missed.tobytes())
        return float(missed.sum())

    found = find(objects, gain=gain).findings
    assert len(asked) == len(found)
    for finding in found:
        missed = findings.members(objects, finding) & ~objects.found
        assert finding.gain == missed.sum()
        assert missed.tobytes() in asked


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
    objects = many(7, pair=0.4)
    mixed = objects.take(np.random.default_rng(0).permutation(len(objects)))
    one, other = (sorted(find(each).findings, key=lambda finding: finding.finding_id) for each in (objects, mixed))
    assert [each.finding_id for each in one] == [each.finding_id for each in other]
    assert [each.q for each in one] == pytest.approx([each.q for each in other])
    assert [each.explained_by for each in one] == [each.explained_by for each in other]


def test_all_tests_of_a_round_share_one_false_discovery_rate() -> None:
    found = find(many(3, pair=0.4)).findings
    q = stats.false_discovery_control([finding.p for finding in found])
    assert [finding.q for finding in found] == pytest.approx(q.tolist())
