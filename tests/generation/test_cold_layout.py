from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.cold_layout import HORIZON, ColdSettings, plan_cold
from generation.grounding import MIN_BOX_SHARE, SLOTS
from generation.vocabulary import ClassWords, Placing, Vocabulary
from training.boxes import area, overlap
from training.files import digest_of

SITE = Vocabulary(
    classes={
        "person": ClassWords(height=(0.3, 0.9), aspect=(0.3, 0.5)),
        "hat": ClassWords(
            phrases=("a {colour} hard hat",),
            attributes={"colour": ("red", "white")},
            placing=Placing(belongs_to="person", xyxy=(0.25, -0.03, 0.75, 0.15), chance=0.5),
        ),
        "badge": ClassWords(placing=Placing(belongs_to="hat", xyxy=(0.3, 0.3, 0.7, 0.7), chance=1)),
        "cone": ClassWords(height=(0.1, 0.4), aspect=(0.6, 0.8)),
        "pole": ClassWords(height=(0.5, 1.0), aspect=(0.005, 0.02)),
    },
    scene={"light": ("at dusk", "at noon")},
    negative_prompt="blurred",
)
seeds = st.integers(0, 2**32)
labels = st.sampled_from(sorted(SITE.classes))
quick = settings(max_examples=25, deadline=None)


def made(label="person", *, count=40, seed=0, vocabulary=SITE, brief_id="b1", **changes):
    return list(
        plan_cold(
            vocabulary,
            label=label,
            brief_id=brief_id,
            generator="g1",
            count=count,
            seed=seed,
            settings=ColdSettings(**changes),
        )
    )


def corners(request):
    return np.array([one.xyxy for one in request.objects])


@st.composite
def vocabularies(draw):
    """Some classes that stand alone, and some that lie on one of those before them."""
    classes = {}
    for number in range(draw(st.integers(1, 5))):
        height = sorted(draw(st.tuples(st.floats(0.01, 1), st.floats(0.01, 1))))
        aspect = sorted(draw(st.tuples(st.floats(0.02, 5), st.floats(0.02, 5))))
        x1, y1 = draw(st.tuples(st.floats(-0.5, 1), st.floats(-0.5, 1)))
        size = draw(st.tuples(st.floats(0.02, 1.5), st.floats(0.02, 1.5)))
        on = draw(st.sampled_from([None, *classes]))
        placing = on and Placing(belongs_to=on, xyxy=(x1, y1, x1 + size[0], y1 + size[1]), chance=draw(st.floats(0, 1)))
        classes[f"class {number}"] = ClassWords(height=tuple(height), aspect=tuple(aspect), placing=placing or None)
    return Vocabulary(classes=classes)


@quick
@given(vocabulary=vocabularies(), seed=seeds, data=st.data())
def test_whatever_the_words_each_box_can_be_drawn_and_the_wanted_class_comes_first(vocabulary, seed, data):
    label = data.draw(st.sampled_from(sorted(vocabulary.classes)))
    requests = made(label, count=8, seed=seed, vocabulary=vocabulary, max_objects=8)
    assert len(requests) == 8
    for request in requests:
        boxes = corners(request)
        assert len(boxes) <= SLOTS
        assert (boxes >= 0).all()
        assert (boxes <= 1).all()
        assert (area(boxes) >= MIN_BOX_SHARE).all()
        assert request.objects[0].label == label


@quick
@given(seed=seeds, label=labels)
def test_a_hat_sits_on_a_person_and_a_badge_on_a_hat(seed, label):
    for request in made(label, count=10, seed=seed):
        boxes, names = corners(request), np.array([one.label for one in request.objects])
        for hat in boxes[names == "hat"]:
            middle_x, middle_y = (hat[:2] + hat[2:]) / 2
            people = boxes[names == "person"]
            upper = people[:, 1] + 0.2 * (people[:, 3] - people[:, 1])
            on = (people[:, 0] < middle_x) & (middle_x < people[:, 2]) & (middle_y < upper)
            assert (on & (people[:, 1] - 0.1 < middle_y)).any()
        assert (names == "badge").sum() <= (names == "hat").sum()


@quick
@given(seed=seeds, label=st.sampled_from(["person", "cone"]), max_cover=st.sampled_from([0.0, 0.1]))
def test_objects_that_do_not_belong_together_overlap_by_little(seed, label, max_cover):
    for request in made(label, count=10, seed=seed, max_objects=8, max_cover=max_cover):
        alone = np.array([one.xyxy for one in request.objects if one.label in ("person", "cone", "pole")])
        first, second = np.triu_indices(len(alone), 1)
        smaller = np.minimum(area(alone[first]), area(alone[second]))
        assert (overlap(alone[first], alone[second]) <= max_cover * smaller + 1e-5).all()


def test_sizes_and_shapes_lie_within_the_words():
    boxes = np.concatenate([corners(request) for request in made("cone", count=300, own_share=1)])
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (sides[:, 1] <= 0.4 + 1e-5).all()
    assert (sides[:, 1] >= np.sqrt(MIN_BOX_SHARE / 0.8)).all()
    assert (np.abs(sides[:, 0] / sides[:, 1] - 0.7) <= 0.1 + 1e-3).all()
    assert sides[:, 1].min() < 0.16
    assert sides[:, 1].max() > 0.36


def test_no_box_is_cut_off_at_the_edge_of_the_picture():
    """Neither that of a box nor that of its foot, which reaches below it."""
    foot = ClassWords(placing=Placing(belongs_to="box", xyxy=(0.25, 0.9, 0.75, 1.4), chance=1))
    boxy = Vocabulary(classes={"box": ClassWords(height=(0.5, 0.5), aspect=(1, 1)), "foot": foot})
    for request in made("box", count=100, vocabulary=boxy):
        names = [one.label for one in request.objects]
        expected = [[0.5, 0.5] if name == "box" else [0.25, 0.25] for name in names]
        np.testing.assert_allclose(corners(request)[:, 2:] - corners(request)[:, :2], expected, atol=1e-5)
        assert len(names) >= 2


def test_what_is_further_up_is_smaller():
    boxes = np.array(
        [one.xyxy for request in made("cone", count=300) for one in request.objects if one.label == "cone"]
    )
    foot, height = boxes[:, 3], boxes[:, 3] - boxes[:, 1]
    assert np.corrcoef(foot, height)[0, 1] > 0.9
    np.testing.assert_allclose(foot, np.minimum(HORIZON + (1 - HORIZON) * height / 0.4, 1), atol=0.1)


def test_objects_are_spread_over_the_width():
    middles = np.array([corners(request)[0, [0, 2]].mean() for request in made("cone", count=400)])
    assert np.histogram(middles, bins=4, range=(0, 1))[0].min() > 60


def test_the_wanted_hat_is_always_there_and_others_by_chance():
    first = made("hat", count=300, max_objects=1)
    assert all([one.label for one in request.objects[:2]] == ["hat", "person"] for request in first)
    worn = Counter("hat" in [one.label for one in request.objects] for request in made(count=400, max_objects=1))
    assert 0 < worn[True] < 0.5 * 400 * 1.2


def test_a_person_is_tall_enough_for_the_wanted_hat():
    """A hat covers 9 % of its person, so no person below 11 % of the picture wears the wanted one."""
    for request in made("hat", count=100, max_objects=1):
        hat, person = area(corners(request)[:2])
        assert person > MIN_BOX_SHARE / 0.09
        assert hat / person == pytest.approx(0.09, rel=0.01)


def test_a_badge_that_is_always_too_small_is_grown_about_its_middle():
    for request in made("badge", count=100, max_objects=1):
        badge, hat = (corners(request)[[one.label for one in request.objects].index(name)] for name in ("badge", "hat"))
        assert MIN_BOX_SHARE <= area(badge[None])[0] < 1.03 * MIN_BOX_SHARE
        np.testing.assert_allclose(badge[:2] + badge[2:], hat[:2] + hat[2:], atol=1e-3)


def test_the_number_of_objects_is_drawn_evenly_and_most_are_of_the_wanted_class():
    found = [Counter(one.label for one in request.objects) for request in made("cone", count=900, max_objects=3)]
    sizes = Counter(sum(one[name] for name in ("cone", "person", "pole")) for one in found)
    assert set(sizes) == {1, 2, 3}
    assert sizes[1] > 200
    total = sum(found, Counter())
    assert total["cone"] - 900 > total["person"] > 0


def test_equal_wishes_are_equal_and_an_id_is_the_digest_of_all_the_rest():
    first, again = made("hat", count=600), made("hat", count=600)
    assert first == again
    assert len({request.request_id for request in first}) == 600
    assert len({request.seed for request in first}) == 600
    for request in first[:40]:
        assert request.request_id == digest_of(request.model_dump(mode="json", exclude={"request_id"}))
        assert request.seed < 2**52
        assert (request.backend, request.brief_id, request.background_id) == ("gligen", "b1", "")
        assert (request.generator, request.negative_prompt) == ("g1", "blurred")


@pytest.mark.parametrize("other", [{"seed": 1}, {"brief_id": "b2"}, {"label": "cone"}])
def test_other_wishes_are_other_requests(other):
    assert not {request.seed for request in made()} & {request.seed for request in made(**other)}


def test_attributes_are_covered_evenly_and_said():
    requests = made("hat", count=600)
    pairs = Counter((request.attributes["light"], request.attributes["hat.colour"]) for request in requests)
    assert len(pairs) == 4
    assert min(pairs.values()) > 140
    for request in requests:
        assert request.objects[0].phrase == f"a {request.attributes['hat.colour']} hard hat"
        assert request.objects[0].phrase in request.prompt
        assert request.attributes["light"] in request.prompt


def test_a_class_without_words_is_drawn_by_its_name():
    requests = made("trash_can", count=20, vocabulary=Vocabulary())
    assert {one.phrase for request in requests for one in request.objects} == {"a trash can"}


def test_requests_come_one_after_another():
    """The first of many comes at once."""
    plenty = plan_cold(SITE, label="cone", brief_id="b1", generator="g1", count=20_000, seed=0)
    assert len(list(islice(plenty, 3))) == 3


def test_no_pictures_are_no_requests():
    assert made(count=0) == []
