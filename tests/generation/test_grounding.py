import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.grounding import SLOTS, Layout, Repaint, fill_slots, refusal, text_refusal


def layout(count=1, *, box=(0.1, 0.1, 0.5, 0.5), prompt="a hall", phrase="a hat", **other):
    return Layout(
        prompt=prompt, phrases=(phrase,) * count, boxes=np.array([box] * count).reshape(-1, 4), seed=0, **other
    )


def words(text):
    return len(text.split()) + 2


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        pytest.param(layout(0), "its layout is empty", id="no object"),
        pytest.param(layout(31), "it has 31 objects and the model takes 30", id="more objects than slots"),
        pytest.param(layout(box=(0.1, 0.1, 0.15, 0.2)), "covers 0.50% of the picture", id="a small box"),
        pytest.param(layout(phrase="hat " * 76), "phrase 'hat hat hat", id="a long phrase"),
        pytest.param(layout(prompt="hat " * 76), "prompt has 78 tokens and would be cut at 77", id="a long prompt"),
        pytest.param(
            layout(negative_prompt="hat " * 99), "negative prompt has 101 tokens", id="a long negative prompt"
        ),
        pytest.param(layout(phrase=" "), "one of its phrases is blank", id="a blank phrase"),
    ],
)
def test_what_the_model_would_cut_or_never_saw_is_refused_with_its_reason(wish, reason):
    assert reason in refusal(wish, words)


@pytest.mark.parametrize(
    "wish",
    [
        pytest.param(layout(30), id="as many objects as slots"),
        pytest.param(layout(box=(0.1, 0.1, 0.2, 0.2001)), id="a box of just one hundredth"),
        pytest.param(layout(phrase="hat " * 75, prompt="hat " * 75), id="texts of exactly 77 tokens"),
    ],
)
def test_what_just_fits_is_not_refused(wish):
    assert refusal(wish, words) is None


def test_only_the_texts_and_the_count_matter_where_a_window_can_help():
    assert text_refusal(layout(box=(0.1, 0.1, 0.11, 0.11)), words) is None
    assert text_refusal(layout(0), words) is None
    assert text_refusal(layout(31), words)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": np.zeros((2, 4))}, "1 phrases want boxes"),
        ({"boxes": np.array([[0.5, 0.1, 0.4, 0.2]])}, "positive area"),
        ({"boxes": np.array([[0.5, 0.1, 1.1, 0.2]])}, "lie within 0–1"),
        ({"boxes": np.array([[0.5, 0.1, np.nan, 0.2]])}, "lie within 0–1"),
        ({"seed": -1}, "a seed lies within"),
    ],
    ids=["boxes without phrases", "corners in the wrong order", "beyond the picture", "not a number", "a seed below 0"],
)
def test_a_layout_is_checked_when_it_is_made(change, message):
    parts = {"prompt": "", "phrases": ("a hat",), "boxes": np.array([[0.1, 0.1, 0.5, 0.5]]), "seed": 0}
    with pytest.raises(ValueError, match=message):
        Layout(**{**parts, **change})


def test_a_repaint_says_once_where_to_paint():
    photo, region = np.zeros((9, 9, 3), np.uint8), np.array([[0.1, 0.1, 0.5, 0.5]])
    with pytest.raises(ValueError, match="either a layout with boxes or regions"):
        Repaint(photo, layout(0))
    with pytest.raises(ValueError, match="either a layout with boxes or regions"):
        Repaint(photo, layout(1), region)
    with pytest.raises(ValueError, match="a photo is"):
        Repaint(photo[:, :, 0], layout(1))
    assert np.allclose(Repaint(photo, layout(0), region).boxes_px, [[0.9, 0.9, 4.5, 4.5]])


@given(st.lists(st.integers(0, SLOTS), max_size=6))
def test_every_object_has_its_slot_and_the_rest_are_unused(counts):
    rng = np.random.default_rng(0)
    layouts = []
    for number, count in enumerate(counts):
        low, high = rng.uniform(0, 0.4, (count, 2)), rng.uniform(0.5, 1, (count, 2))
        names = tuple(f"{number}.{n}" for n in range(count))
        layouts.append(Layout(prompt="", phrases=names, boxes=np.hstack([low, high]), seed=0))
    slots = fill_slots(layouts)
    assert slots.boxes.shape == (len(counts), SLOTS, 4)
    assert slots.used.sum(axis=1).tolist() == counts
    assert slots.phrases == tuple(f"{number}.{n}" for number, count in enumerate(counts) for n in range(count))
    for row, each in enumerate(layouts):
        assert np.allclose(slots.boxes[row, : counts[row]], each.boxes, atol=1e-6)
        assert not slots.boxes[row, counts[row] :].any()


def test_slots_never_cut():
    with pytest.raises(ValueError, match="31 objects"):
        fill_slots([layout(31)])
