"""What people's decisions teach: fits by class, and when they are kept."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.queue import queue_of
from curation.records import PersonSaid
from curation.refit import (
    ClassFit,
    Refit,
    _best_bound,
    _judged,
    _Lesson,
    doubts_by,
    fit_decisions,
    probabilities,
)
from curation.traits import FEATURES
from generation.records import SyntheticImage
from tests.curation.small_pictures import SETTINGS, label, people, picture, rule


def world(seed: int, *, says: float, count: int = 200, photos: int = 60, name: str = "cone") -> list[SyntheticImage]:
    """Pictures that people accept more or less often; `says` is how much of that their scores tell."""
    rng = np.random.default_rng([seed, 1])
    found = []
    for number in range(count):
        x1, y1 = rng.uniform(0, 0.8, 2).tolist()
        side = float(2 ** rng.uniform(-6, -2.5))
        strength = rng.normal(1, 2)
        score = 1 / (1 + np.exp(-(says * strength + (1 - says) * rng.normal(1, 2))))
        found.append(
            picture(
                f"{name}{seed}/{number}",
                label(name, xyxy=(x1, y1, x1 + side, y1 + side), score=score),
                source_ids=(f"photo{rng.integers(photos)}",),
                digest="right" if strength > rng.normal(0, 0.3) else "wrong",
            )
        )
    return found


def decided(pictures: list[SyntheticImage], count: int) -> dict[str, PersonSaid]:
    right = {each.request_id: each.digest == "right" for each in pictures}
    queue = queue_of(pictures, rule(pictures), {}, settings=SETTINGS, seed=0)
    return people({name: right[name] for name in queue.ids[:count]})


def fitted(pictures: list[SyntheticImage], said: dict[str, PersonSaid], **changes: Any) -> Refit:
    given: dict[str, Any] = {"open_to": {each.request_id for each in pictures}, "rng": np.random.default_rng(0)}
    return fit_decisions(pictures, rule(pictures), said, **given | changes)


def test_pure_noise_is_kept_in_at_most_one_of_twenty_sessions() -> None:
    kept = 0
    for seed in range(40):
        pictures = world(seed, says=0, count=120)
        fit = fitted(pictures, decided(pictures, 60)).classes[0]
        assert fit.decisions == 60
        kept += fit.kept
    assert kept <= 2


def test_a_score_that_tells_right_from_wrong_is_kept_and_says_so() -> None:
    for seed in range(5):
        pictures = world(seed, says=1)
        fit = fitted(pictures, decided(pictures, 80)).classes[0]
        assert fit.kept, fit.why
        assert "held-out log loss lower by" in fit.why
        assert fit.weights[FEATURES.index("lowest score")] > 0.5
        right = np.array([each.digest == "right" for each in pictures])
        accepted = probabilities(fit, pictures) >= fit.min_probability
        assert right[accepted].mean() > right.mean() + 0.1


def test_a_fit_that_only_repeats_the_rule_is_not_kept() -> None:
    """People reject exactly what the rule refuses for its visible share, and one in ten of the others."""
    rng = np.random.default_rng(0)
    pictures = [
        picture(f"p{n}", label(visible_share=0.45 if n % 2 else 0.95), source_ids=(f"photo{n}",)) for n in range(100)
    ]
    said = people({f"p{n}": n % 2 == 0 and rng.random() < 0.9 for n in range(100)})
    fit = fitted(pictures, said).classes[0]
    assert not fit.kept
    assert fit.why.startswith("not better than the rule")


MISSING = {
    "too few decisions": (29, 10, 60, "29 decisions, needs 30"),
    "too few rejections": (40, 7, 60, "33 accepted, 7 rejected, needs 8 of each"),
    "too few acceptances": (40, 33, 60, "7 accepted, 33 rejected, needs 8 of each"),
    "too few photos": (60, 20, 9, "pictures on 9 photos, needs 10"),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_for_a_fit_is_said(name: str) -> None:
    count, rejected, photos, why = MISSING[name]
    pictures = [picture(f"p{n}", source_ids=(f"photo{n % photos}",)) for n in range(count)]
    fit = fitted(pictures, people({f"p{n}": n >= rejected for n in range(count)})).classes[0]
    assert (fit.kept, fit.why, fit.decisions, fit.rejections) == (False, why, count, rejected)


def test_nothing_is_fitted_where_the_rule_accepts_nothing() -> None:
    pictures = [picture(f"p{n}", label(visible_share=0.5)) for n in range(60)]
    assert "the rule accepts none" in fitted(pictures, people({f"p{n}": n % 2 == 0 for n in range(60)})).classes[0].why


def test_pictures_on_one_photo_are_never_on_both_sides() -> None:
    """Near-copies on each of twelve photos, all right or all wrong by chance: only a leak can tell which."""
    kept = np.zeros(2, np.int64)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        pictures, right, photos = [], {}, {}
        for photo in range(12):
            side, score, visible = rng.uniform([0.02, 0.3, 0.6], [0.4, 0.9, 1]).tolist()
            for n in range(15):
                name = f"{photo}/{n}"
                box = (0.1, 0.1, 0.1 + side, 0.1 + side)
                pictures.append(picture(name, label(xyxy=box, score=score, visible_share=visible)))
                right[name], photos[name] = photo % 2 == 0, f"photo{photo}"
        drawn = [picture.model_copy(update={"source_ids": (photos[picture.request_id],)}) for picture in pictures]
        known = [fitted(pictures, people(right), backgrounds=photos), fitted(drawn, people(right))]
        assert known[0].classes == known[1].classes
        kept += [known[0].classes[0].kept, fitted(pictures, people(right)).classes[0].kept]
    assert kept[0] == 0
    assert kept[1] >= 4


def test_classes_are_fitted_apart_and_a_picture_counts_for_each() -> None:
    cones, hats = world(1, says=1), world(2, says=0, name="hat")
    both = picture("both", label("cone"), label("hat"))
    pictures = [*cones, *hats, both]
    said = decided(cones, 80) | decided(hats, 80) | people({"both": True})
    fits = {fit.label: fit for fit in fitted(pictures, said).classes}
    assert {name: fit.decisions for name, fit in fits.items()} == {"cone": 81, "hat": 81}
    assert fits["cone"].kept
    assert not fits["hat"].kept


def test_a_bound_lets_no_worse_share_in_than_the_rule() -> None:
    """Most pictures with a probability of 0.7 are right, so taking them in is right more often; the rule takes 0.9."""
    probability = np.repeat([0.9, 0.7, 0.1], 20)
    said = np.concatenate([np.arange(20) < 18, np.arange(20) < 14, np.arange(20) < 2])
    strict = np.repeat([True, False, False], 20)
    assert _best_bound(probability, said, strict) == pytest.approx(0.8)
    assert _best_bound(probability, said, np.ones(60, np.bool_)) == pytest.approx(0.4)
    assert np.isnan(_best_bound(probability, said, said))


ROWS = np.arange(40)
JUDGED = {
    "better": (1.0, ROWS < 20, True, "held-out log loss lower by"),
    "by chance": (0.02, ROWS < 20, False, "not better than the rule"),
    "no decision changes": (1.0, ROWS < 30, False, "decides no better than the rule"),
    "what is let in is less often right": (1.0, ROWS < 35, False, "of what it accepts, 71% is right instead of 73%"),
}


@pytest.mark.parametrize("name", JUDGED)
def test_a_fit_is_kept_only_where_it_predicts_and_decides_better(name: str) -> None:
    gain, accepts, kept, why = JUDGED[name]
    right = 25 if name.startswith("what") else 20
    said = np.less(ROWS, right)
    ruled = np.isin(ROWS, [*range(8), 30, 31, 32]) if name.startswith("what") else ROWS < 30
    lesson = _Lesson(x=np.zeros((40, 1)), said=said, ruled=ruled, group=ROWS)
    found = _judged(lesson, gain + np.sin(ROWS * 2.4), accepts)
    assert found[0] is kept
    assert found[1].startswith(why)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_the_bound_is_the_best_of_all(rows: list[tuple[int, bool, bool]]) -> None:
    probability, said, ruled = (np.array(column) for column in zip(*rows, strict=True))
    probability = probability / 10
    found = _best_bound(probability, said, ruled)
    least = said[ruled].mean() if ruled.any() else 0.0
    tried = [probability >= bound for bound in np.unique(probability)]
    good = [np.mean(accepts == said) for accepts in tried if said[accepts].mean() >= least]
    assert np.isnan(found) == (not good)
    if good:
        assert np.mean((probability >= found) == said) == pytest.approx(max(good))
        assert said[probability >= found].mean() >= least


def test_what_fits_may_not_decide_on_teaches_nothing() -> None:
    pictures = world(0, says=1)
    said = decided(pictures, 80)
    assert fitted(pictures, said, open_to={next(iter(said))}).classes[0].decisions == 1


def test_a_fit_survives_being_written_down() -> None:
    pictures = world(0, says=1)
    refit = fitted(pictures, decided(pictures, 80))
    read = Refit.model_validate_json(refit.model_dump_json())
    assert read == refit
    assert set(read.kept[0].held_out) == set(decided(pictures, 80))
    assert refit == fitted(pictures, decided(pictures, 80))


def test_doubt_is_one_at_the_bound_and_falls_to_both_sides() -> None:
    zeros = (0.0,) * len(FEATURES)
    by_score = ClassFit(
        label="cone", decisions=0, rejections=0, kept=True, why="", centre=zeros, scale=(1.0,) * len(FEATURES),
        weights=(1.0, *zeros[1:]), intercept=0, min_probability=0.8,
    )  # fmt: skip
    scores = {"at the bound": np.log(4), "above": np.log(9), "far above": 30, "below": 0, "far below": -30}
    pictures = [picture(name, label(score=score)) for name, score in scores.items()]
    doubts = doubts_by(Refit(classes=(by_score,)), [*pictures, picture("a hat", label("hat"))])
    assert "a hat" not in doubts
    assert [doubts[name] for name in scores] == pytest.approx([1, 0.5, 0, 0.625, 0], abs=1e-9)
    unused = by_score.model_copy(update={"kept": False})
    assert doubts_by(Refit(classes=(unused,)), pictures) == {}
