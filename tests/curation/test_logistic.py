"""Logistic regression on few rows, and how well it does on rows that it has not seen."""

import numpy as np
import pytest
from scipy import stats

from curation.logistic import fit_logistic, grouped_folds, held_out_probabilities, log_loss, one_sided_p


def rows(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 3)) * [1, 10, 1] + [0, 50, 0]
    return x, rng.random(count) < 1 / (1 + np.exp(-(1 + (x[:, 1] - 50) / 10)))


def test_it_finds_what_answers_depend_on_whatever_the_units() -> None:
    x, said = rows(5000)
    model = fit_logistic(x, said)
    assert model.weights == pytest.approx([0, 1, 0], abs=0.1)
    assert model.intercept == pytest.approx(1, abs=0.1)
    assert model.probability(x).mean() == pytest.approx(said.mean(), abs=1e-3)
    scaled = fit_logistic(x * 1000, said)
    assert scaled.probability(x * 1000) == pytest.approx(model.probability(x))


def test_what_is_unknown_lies_in_the_middle_and_what_never_varied_says_nothing() -> None:
    x, said = rows(200)
    x[:, 0], x[:50, 2] = 7, np.nan
    model = fit_logistic(x, said)
    assert model.weights[0] == 0
    middle, unknown = x[:1].copy(), x[:1].copy()
    middle[0, 2], unknown[0, 2] = model.centre[2], np.nan
    assert model.probability(unknown) == pytest.approx(model.probability(middle))
    unknown[0, 0] = 1e9
    assert model.probability(unknown) == pytest.approx(model.probability(middle))


@pytest.mark.parametrize(("said", "rate"), [(True, 11 / 12), (False, 1 / 12)])
def test_one_answer_alone_is_a_rate_and_never_sure(said: bool, rate: float) -> None:
    x = rows(10)[0]
    assert fit_logistic(x, np.full(10, said)).probability(x) == pytest.approx(rate)


def test_a_group_is_in_one_fold_and_folds_are_even() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 30, 300)
    said = rng.random(300) < 0.3
    fold = grouped_folds(said, group, count=5, rng=rng)
    assert all(len(np.unique(fold[group == number])) == 1 for number in range(30))
    assert np.bincount(fold, minlength=5).min() > 30
    assert all(0.15 < said[fold == number].mean() < 0.45 for number in range(5))


def test_a_held_out_row_is_not_seen() -> None:
    x, said = rows(60)
    fold = np.arange(60) % 5
    before = held_out_probabilities(x, said, fold)
    flipped = np.where(fold == 2, ~said, said)
    after = held_out_probabilities(x, flipped, fold)
    assert (before == after).tolist() == (fold == 2).tolist()


def test_log_loss_is_that_of_the_answer() -> None:
    found = log_loss(np.array([0.9, 0.9, 0.5]), np.array([True, False, True]))
    assert found == pytest.approx([-np.log(0.9), -np.log(0.1), np.log(2)])


def test_the_p_value_is_that_of_a_t_test_where_groups_are_single_and_grows_with_copies() -> None:
    gain = np.random.default_rng(3).normal(0.2, 1, 40)
    single = one_sided_p(gain, np.arange(40))
    assert single == pytest.approx(stats.ttest_1samp(gain, 0, alternative="greater").pvalue)
    assert one_sided_p(np.repeat(gain, 4), np.repeat(np.arange(40), 4)) == pytest.approx(single)
    assert one_sided_p(np.repeat(gain, 4), np.arange(160)) < single
