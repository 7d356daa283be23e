"""Whether decisions keep their word, in some simulated rounds; `benchmarks/coverage.py` plays thousands."""

import numpy as np
import pytest

from benchmarks.coverage_worlds import Truth, contender, detect, draw_photos, truth
from curation.compare import Arms, compare, difference
from curation.decide import decide
from curation.records import DecideSettings, Decision

QUICK = DecideSettings(replicates=200)
NAMES = ("thing",)


@pytest.fixture(scope="module")
def true() -> Truth:
    return truth(ap50=False, photos=20_000)


def play(
    seed: int, true: Truth, *, champion: float, control: float, candidate: float, luck: float, seeds: int
) -> tuple[Decision, bool]:
    """Decide a simulated round of arms of these true AP, and say whether the nominated candidate is truly better.

    Training runs scatter by `luck` AP.
    """
    rng = np.random.default_rng(seed)
    photos = draw_photos(rng, 160)
    learned = np.array([champion, *[control] * seeds, *[candidate] * seeds])
    lucky = [np.array([true.skill(ap)]) for ap in learned + luck * rng.normal(size=len(learned))]
    arms = [contender(str(number), detect(rng, photos, skill)) for number, skill in enumerate(lucky)]
    controls, candidates = arms[1 : seeds + 1], arms[seeds + 1 :]
    decision = decide(
        champion=arms[0], control=controls, candidate=candidates, classes=NAMES, settings=QUICK, openings=1, rng=rng
    )
    return decision, true.of(lucky[seeds + 1]) > true.of(lucky[0])


@pytest.mark.parametrize("seeds", [2, 3])
def test_a_null_round_is_credited_to_the_pictures_in_at_most_1_of_20_simulated_cases(true, seeds):
    """Control and candidate come from the same pool, and both are better than the champion."""
    rounds = [
        play(seed, true, champion=0.35, control=0.45, candidate=0.45, luck=0.02, seeds=seeds)[0] for seed in range(60)
    ]
    assert sum(each.outcome == "promoted" for each in rounds) > 20, "rounds that nobody would credit show nothing"
    assert sum(each.attributed == "the pictures did it" for each in rounds) <= 3


def test_without_effect_at_most_1_of_20_candidates_that_are_no_better_is_promoted(true):
    rounds = [play(seed, true, champion=0.45, control=0.45, candidate=0.45, luck=0.01, seeds=1) for seed in range(200)]
    false = [decision.outcome == "promoted" for decision, is_better in rounds if not is_better]
    assert sum(false) <= len(false) / 20
    assert {decision.attributed for decision, _ in rounds} == {"cannot tell"}


def test_an_effect_of_the_pictures_is_mostly_credited(true):
    rounds = [play(seed, true, champion=0.3, control=0.35, candidate=0.55, luck=0.01, seeds=3)[0] for seed in range(30)]
    assert sum(each.attributed == "the pictures did it" for each in rounds) > 20


def test_the_interval_of_a_difference_covers_the_truth_about_as_often_as_it_says(true):
    before, after = np.array([true.skill(0.45)]), np.array([true.skill(0.5)])
    wanted, covered = true.of(after) - true.of(before), 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        photos = draw_photos(rng, 160)
        first, second = (contender("model", detect(rng, photos, skill)) for skill in (before, after))
        measured = compare(Arms(first, [first], [second]), min_photos=1, replicates=200, rng=rng)
        found = difference(measured, measured.better, NAMES).mean_ap
        covered += found.low <= wanted <= found.high
    assert 182 <= covered <= 197
