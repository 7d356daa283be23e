"""How far long work is, where standard error is no terminal."""

import pytest

from curation.progress import progress_of


def said(reports: list[tuple[float, int, int]], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Give the lines for reports of (seconds since the start, done, total)."""
    times = iter([0.0, *(seconds for seconds, _, _ in reports)])
    with progress_of("predicting", clock=lambda: next(times)) as show:
        for _, done, total in reports:
            show(done, total, "photos")
    return capsys.readouterr().err.splitlines()


def test_what_is_left_is_told_by_what_was_done_since_the_first_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert said([(12, 10, 100), (15, 40, 100), (22, 60, 100)], capsys) == [
        "predicting 10/100 photos",
        "predicting 60/100 photos, about 8.0 s left",
    ]


def test_work_that_begins_again_is_measured_anew(capsys: pytest.CaptureFixture[str]) -> None:
    assert said([(1, 50, 100), (2, 0, 40), (12, 20, 40)], capsys) == ["predicting 20/40 photos, about 10 s left"]


def test_quick_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert said([(1, 1, 3), (2, 2, 3), (3, 3, 3)], capsys) == []
