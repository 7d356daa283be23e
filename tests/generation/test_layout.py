from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generation.layout import MAX_SPARE, OWN_JITTER, LayoutSettings, cannot_serve, plan
from generation.paste import turned_size
from generation.priors import Priors
from training.boxes import SIZE_BINS, area, overlap
from training.errors import DataError
from training.files import digest_of

shared_fixture = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
sizes = st.sampled_from([None, "small", "medium"])


def corners(request):
    return np.array([wish.xyxy for wish in request.objects])


def labels_on(priors, photo_id):
    return priors.labels.of_images(np.flatnonzero(priors.images.id == photo_id)).xyxy


def native_px(priors):
    return dict(zip(priors.labels.id.tolist(), priors.sizes_px().tolist(), strict=True))


def scale_of(one, priors):
    width, height = turned_size(*map(float, native_px(priors)[one.source_id]), one.angle_deg)
    x1, y1, x2, y2 = np.array(one.xyxy) * [320, 240, 320, 240]
    return np.sqrt((x2 - x1) * (y2 - y1) / (width * height))


@shared_fixture
@given(seed=st.integers(0, 2**32), size=sizes, max_cover=st.sampled_from([0.0, 0.2, 0.5]))
def test_every_box_lies_in_the_picture_and_covers_no_other_beyond_the_bound(drawn, wish, seed, size, max_cover):
    priors = drawn.priors
    chosen = LayoutSettings(max_cover=max_cover)
    for request in plan(wish(size=size), priors, count=4, seed=seed, settings=chosen):
        boxes = corners(request)
        assert (boxes >= 0).all()
        assert (boxes <= 1).all()
        there = np.concatenate([labels_on(priors, request.background_id), boxes])
        for turn, one in enumerate(request.objects):
            others = np.delete(there, len(there) - len(boxes) + turn, axis=0)
            places_of_others = [other.spare for other in request.objects[:turn] if other.spare]
            others = np.concatenate([others, *places_of_others])
            for box in np.array([one.xyxy, *one.spare]):
                shared = overlap(np.repeat(box[None], len(others), axis=0), others)
                assert (box >= 0).all()
                assert (box <= 1).all()
                assert (shared <= max_cover * np.minimum(area(box[None]), area(others)) + 1e-6).all()


@shared_fixture
@given(seed=st.integers(0, 2**32), size=sizes)
def test_changes_stay_within_the_settings(drawn, wish, seed, size):
    priors = drawn.priors
    chosen = LayoutSettings()
    for request in plan(wish(size=size), priors, count=4, seed=seed):
        assert 1 <= len(request.objects) <= chosen.max_objects
        for one in request.objects:
            assert chosen.min_scale - 0.01 <= scale_of(one, priors) <= chosen.max_scale + 0.01
            assert abs(one.angle_deg) <= chosen.max_angle_deg
            assert abs(one.gain - 1) <= chosen.max_gain + 1e-9
            assert max(abs(factor - 1) for factor in one.tint) <= chosen.max_tint + 1e-9


@pytest.mark.parametrize("size", ["small", "medium"])
def test_objects_of_the_brief_have_its_size(drawn, wish, size):
    priors = drawn.priors
    requests = plan(wish(size=size), priors, count=60, seed=0)
    bins = []
    for one in (one for request in requests for one in request.objects if one.label == "ball"):
        width, height = np.array(native_px(priors)[one.source_id]) * scale_of(one, priors)
        bins.append(SIZE_BINS[np.digitize(width * height, [32**2, 96**2])])
    assert len(requests) == 60
    assert set(bins) == {size}


def test_the_first_object_is_of_the_briefs_class_and_most_others_are(drawn, wish):
    requests = plan(wish("crate"), drawn.priors, count=200, seed=0)
    assert {request.objects[0].label for request in requests} == {"crate"}
    others = Counter(one.label for request in requests for one in request.objects[1:])
    assert 0.65 < others["crate"] / others.total() < 0.95


def test_equal_wishes_have_equal_ids_and_an_id_is_the_digest_of_all_the_rest(drawn, wish):
    first, again = (plan(wish(), drawn.priors, count=20, seed=4) for _ in range(2))
    assert first == again
    for request in first:
        assert request.request_id == digest_of(request.model_dump(mode="json", exclude={"request_id"}))


@pytest.mark.parametrize("other", ["another seed", "another brief"])
def test_other_wishes_are_other_requests(drawn, wish, other):
    first = plan(wish(), drawn.priors, count=20, seed=4)
    brief_id, seed = ("b1", 5) if other == "another seed" else ("b2", 4)
    second = plan(wish(brief_id=brief_id), drawn.priors, count=20, seed=seed)
    assert not {request.request_id for request in first} & {request.request_id for request in second}


def test_a_shorter_plan_is_the_beginning_of_a_longer_one(drawn, wish):
    assert plan(wish(), drawn.priors, count=15, seed=1) == plan(wish(), drawn.priors, count=40, seed=1)[:15]


def test_photos_are_used_in_turn(drawn, wish):
    used = Counter(request.background_id for request in plan(wish(), drawn.priors, count=100, seed=0))
    assert set(used) == set(drawn.priors.images.id.tolist())
    assert max(used.values()) <= 12


def test_nothing_comes_from_val_or_test(drawn, wish):
    outside = drawn.images.split != "train"
    forbidden = {*drawn.images.id[outside], *drawn.labels.of_images(np.flatnonzero(outside)).id}
    for request in plan(wish(), drawn.priors, count=60, seed=0):
        assert not forbidden & {request.background_id, *(one.source_id for one in request.objects)}


def test_places_follow_where_the_class_is_found(drawn, wish):
    """All balls are moved to the left: pasted ones stay there but for the jitter."""
    priors = drawn.priors
    x1, x2 = priors.labels.xyxy[:, 0], priors.labels.xyxy[:, 2]
    moved = priors.labels.xyxy.copy()
    moved[:, [0, 2]] = np.stack([x1 - x1 + 0.05, x2 - x1 + 0.05], axis=1)
    left = Priors(
        images=priors.images,
        labels=replace(priors.labels, xyxy=moved),
        classes=priors.classes,
        usable=np.ones(len(moved), bool),
    )
    objects = [one for request in plan(wish(), left, count=40, seed=0) for one in request.objects]
    boxes = np.array([box for one in objects if one.label == "ball" for box in (one.xyxy, *one.spare)])
    assert len(boxes) > 100
    assert boxes[:, [0, 2]].mean(axis=1).max() < 0.5


def with_few(priors, *, crates, times=1.0):
    """All balls and some crates, the balls larger by a factor and on the left."""
    ball = priors.labels.label == priors.classes.index("ball")
    kept = np.concatenate([np.flatnonzero(ball), np.flatnonzero(~ball & priors.usable)[:crates]])
    labels, usable = priors.labels.take(kept), priors.usable[kept]
    xyxy = labels.xyxy.copy()
    is_ball = labels.label == priors.classes.index("ball")
    xyxy[is_ball] = [0.02, 0.02, 0.02, 0.02] + (xyxy[is_ball] - np.tile(xyxy[is_ball, :2], 2)) * times
    return replace(priors, labels=replace(labels, xyxy=xyxy), usable=usable)


def test_a_class_with_few_labels_keeps_its_own_sizes_whatever_the_size_of_others(drawn, wish):
    priors = with_few(drawn.priors, crates=4, times=1.8)
    objects = [one for request in plan(wish("crate"), priors, count=60, seed=0) for one in request.objects]
    scales = [scale_of(one, priors) for one in objects if one.label == "crate"]
    assert len(scales) > 60
    assert np.median(scales) == pytest.approx(1, abs=0.08)
    assert np.std(np.log(scales)) == pytest.approx(OWN_JITTER, abs=0.06)


def test_a_class_with_few_labels_is_scaled_to_a_wanted_size_that_it_lacks(drawn, wish):
    priors = with_few(drawn.priors, crates=4)
    sides = []
    for request in plan(wish("crate", size="small"), priors, count=40, seed=0):
        one = request.objects[0]
        sides.append(np.sqrt(np.prod(native_px(priors)[one.source_id])) * scale_of(one, priors))
    assert max(sides) < 32
    assert np.std(np.log(sides)) > 0.05  # not all as large as the bin allows


def test_a_class_with_few_labels_may_go_anywhere(drawn, wish):
    priors = with_few(drawn.priors, crates=4)
    first = np.array([request.objects[0].xyxy for request in plan(wish("crate"), priors, count=80, seed=0)])
    middles = (first[:, :2] + first[:, 2:]) / 2
    assert (np.ptp(middles, axis=0) > 0.6).all()
    assert ((middles[:, 0] > 0.5).mean() > 0.4).all()
    assert ((first < 0.005) | (first > 0.995)).any(axis=1).mean() < 0.05  # clipped ones would pile up at the border


def test_an_object_of_a_scarce_class_has_other_places_of_its_size(drawn, wish):
    counts = []
    for request in plan(wish("crate"), drawn.priors, count=40, seed=0):
        for one in request.objects:
            counts.append(len(one.spare))
            sides = np.array([one.xyxy, *one.spare])
            assert np.ptp(sides[:, 2:] - sides[:, :2], axis=0).max() < 1e-5
    assert max(counts) == MAX_SPARE
    assert np.mean(counts) > 3


def test_an_object_of_a_class_with_many_labels_has_one_place(drawn, wish):
    priors, copies = drawn.priors, 4
    count = len(priors.labels)
    labels = priors.labels.take(np.tile(np.arange(count), copies))
    labels = replace(labels, id=np.array([f"{label_id}-{row // count}" for row, label_id in enumerate(labels.id)]))
    many = replace(priors, labels=labels, usable=np.tile(priors.usable, copies))
    objects = [one for request in plan(wish(), many, count=20, seed=0) for one in request.objects]
    assert {len(one.spare) for one in objects if one.label == "ball"} == {0}


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("unknown class", "no class bird"),
        ("no label in train", "train holds no crate"),
        ("no usable label", "cut off, overlaps"),
        ("size out of reach", "scaled to the size large"),
    ],
)
def test_what_pasting_cannot_make_is_said(drawn, wish, case, reason):
    priors = drawn.priors
    brief = wish({"unknown class": "bird"}.get(case, "crate"), size="large" if case == "size out of reach" else None)
    if case == "no label in train":
        keep = priors.labels.label == 0
        priors = replace(priors, labels=priors.labels.take(keep), usable=priors.usable[keep])
    if case == "no usable label":
        priors = replace(priors, usable=priors.usable & (priors.labels.label == 0))
    if case == "size out of reach":
        priors = replace(priors, usable=priors.usable & (priors.sizes_px().max(axis=1) < 50))
    assert reason in cannot_serve(brief, priors)
    with pytest.raises(DataError, match=reason):
        plan(brief, priors, count=1, seed=0)


def test_what_pasting_can_make_has_no_reason_against_it(drawn, wish):
    assert cannot_serve(wish("crate"), drawn.priors) is None


def test_a_size_that_train_does_not_show_is_made_by_scaling(drawn, wish):
    """The rare size is the one that is asked for: its places come from other sizes, its pixels from larger objects."""
    priors = drawn.priors
    medium = priors.sizes_px().prod(axis=1) > 32**2
    only_medium = replace(priors, labels=priors.labels.take(medium), usable=priors.usable[medium])
    requests = plan(wish(size="small"), only_medium, count=20, seed=0)
    assert len(requests) == 20
    for request in requests:
        width, height = (corners(request)[0, 2:] - corners(request)[0, :2]) * [320, 240]
        assert width * height < 1.5 * 32**2  # turned boxes are larger than the objects in them


def test_a_full_photo_gets_nothing(drawn, wish):
    """A photo that is covered with labels is passed over; the others are used."""
    priors = drawn.priors
    rows = np.flatnonzero(priors.labels.image == 0)
    filled = priors.labels.xyxy.copy()
    filled[rows] = [0.0, 0.0, 1.0, 1.0]
    crowded = replace(
        priors, labels=replace(priors.labels, xyxy=filled), usable=priors.usable & (priors.labels.image != 0)
    )
    requests = plan(wish(), crowded, count=40, seed=0)
    assert len(requests) == 40
    assert str(priors.images.id[0]) not in {request.background_id for request in requests}


def test_a_brief_about_a_kind_of_photo_is_painted_on_such_photos_alone(drawn, wish):
    allowed = tuple(drawn.priors.images.id[:2].tolist())
    requests = plan(wish(background_ids=allowed), drawn.priors, count=20, seed=0)
    assert {request.background_id for request in requests} == set(allowed)


def test_a_brief_about_a_look_shows_such_objects_alone(drawn, wish):
    own = drawn.priors.labels.label == drawn.priors.classes.index("ball")
    allowed = drawn.priors.labels.id[own & drawn.priors.usable][:2].tolist()
    requests = plan(wish(source_ids=tuple(allowed)), drawn.priors, count=20, seed=0)
    shown = {one.source_id for request in requests for one in request.objects if one.label == "ball"}
    assert shown == set(allowed)


@pytest.mark.parametrize("where", ["background_ids", "source_ids"])
def test_a_brief_about_what_train_lacks_cannot_be_served(drawn, wish, where):
    assert cannot_serve(wish(**{where: ("0" * 24,)}), drawn.priors)
