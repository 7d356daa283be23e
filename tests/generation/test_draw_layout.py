from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generation.draw_layout import DrawSettings, cannot_draw, plan
from generation.grounding import MIN_BOX_SHARE, SLOTS
from generation.groups import company_of, groups_of
from generation.priors import MIN_SIDE_PX, Priors
from generation.vocabulary import ClassWords, Vocabulary
from generation.windows import MAX_FEATHER_PX
from training.boxes import LARGE_PX2, SIZE_BINS, SMALL_PX2, BoxTable, ImageTable, area, overlap
from training.errors import DataError
from training.files import digest_of

shared_fixture = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds = st.integers(0, 2**32)
both = st.sampled_from(["gligen", "gligen-inpaint"])
CLASSES = ("person", "hat", "cone", "barrel")
SIDES_PX = ((640, 360), (360, 640), (500, 500), (800, 200))
WORDS = Vocabulary(
    classes={
        "hat": ClassWords(phrases=("a {colour} hard hat",), attributes={"colour": ("red", "blue", "white")}),
        "ball": ClassWords(phrases=("a {colour} ball",), attributes={"colour": ("red", "blue")}),
    },
    scene={"light": ("at dusk", "at noon")},
    negative_prompt="blurred",
)


def boxes_of(rng, width_px, height_px):
    """People with hats on, one or two to a photo, and what stands alone beside them."""
    people = []
    for left_share in rng.permutation([0.05, 0.5])[: rng.integers(1, 3)]:
        tall_px = rng.uniform(0.5, 0.65) * height_px
        x1, y1 = left_share * width_px, rng.uniform(0, 0.1) * height_px
        people.append((0, [x1, y1, x1 + tall_px / 3, y1 + tall_px]))
        people.append((1, [x1 + tall_px / 12, y1 - 1, x1 + tall_px / 4, y1 + tall_px / 7]))
    side_px = rng.uniform(0.1, 0.16) * height_px
    x1, y1 = 0.7 * width_px, 0.8 * height_px
    alone = (int(rng.integers(2, 4)), [x1, y1, x1 + side_px, y1 + side_px])
    return [*people, alone]


def make_site(seed=3, photo_count=24):
    rng = np.random.default_rng(seed)
    sides_px = np.array([SIDES_PX[photo % len(SIDES_PX)] for photo in range(photo_count)])
    rows = [(photo, *one) for photo, sides in enumerate(sides_px) for one in boxes_of(rng, *sides)]
    image = np.array([photo for photo, _, _ in rows])
    images = ImageTable(
        id=np.array([digest_of(["photo", photo]) for photo in range(photo_count)]),
        path=np.array([f"{photo}.jpg" for photo in range(photo_count)]),
        width_px=sides_px[:, 0],
        height_px=sides_px[:, 1],
        split=np.array(["train"] * photo_count),
    )
    labels = BoxTable(
        id=np.array([digest_of(["label", turn]) for turn in range(len(rows))]),
        image=image,
        label=np.array([number for _, number, _ in rows]),
        xyxy=np.clip(np.array([box for _, _, box in rows]) / np.tile(sides_px, 2)[image], 0, 1),
        score=np.ones(len(rows)),
    )
    return Priors.of_train(images, labels, CLASSES)


@pytest.fixture(scope="module")
def site():
    return make_site()


def made(brief, priors, backend="gligen", *, count=6, seed=0, **changes):
    return plan(
        brief,
        priors,
        backend=backend,
        vocabulary=WORDS,
        generator="g1",
        count=count,
        seed=seed,
        settings=DrawSettings(**changes),
    )


def corners(request):
    return np.array([one.xyxy for one in request.objects]).reshape(-1, 4)


def labels_on(priors, request):
    return priors.labels.xyxy[priors.rows_on[priors.photo_rows[request.background_id]]]


def photo_sides_px(priors, request):
    row = priors.photo_rows[request.background_id]
    return np.array([priors.images.width_px[row], priors.images.height_px[row]])


def shared_shares(first, second):
    """Shared area of all pairs as a share of the smaller box."""
    left, right = np.repeat(first, len(second), axis=0), np.tile(second, (len(first), 1))
    return (overlap(left, right) / np.minimum(area(left), area(right))).reshape(len(first), len(second))


@shared_fixture
@given(seed=seeds, label=st.sampled_from(CLASSES), size=st.sampled_from([None, "medium"]))
def test_a_whole_picture_asks_only_for_what_the_model_draws(site, wish, seed, label, size):
    for request in made(wish(label, size), site, seed=seed):
        boxes = corners(request)
        assert 1 <= len(boxes) <= SLOTS
        assert (boxes >= 0).all()
        assert (boxes <= 1).all()
        assert (area(boxes) >= MIN_BOX_SHARE).all()
        assert request.bare == ()


@shared_fixture
@given(seed=seeds, backend=both, size=st.sampled_from(["small", "medium", "large"]))
def test_the_first_object_is_the_wanted_one_in_the_wanted_size(site, drawn, wish, seed, backend, size):
    priors, label = (drawn.priors, "ball") if size == "small" else (site, "person")
    requests = made(wish(label, size), priors, backend, seed=seed)
    assert len(requests) >= 3
    for request in requests:
        assert request.objects[0].label == label
        area_px2 = area(corners(request)[:1]) * photo_sides_px(priors, request).prod()
        assert SIZE_BINS[int(np.digitize(area_px2, [SMALL_PX2, LARGE_PX2])[0])] == size


@shared_fixture
@given(seed=seeds, backend=both, label=st.sampled_from(["hat", "person", "cone"]))
def test_a_hat_stays_on_its_head(site, wish, seed, backend, label):
    hats = 0
    for request in made(wish(label), site, backend, seed=seed, max_objects=1):
        boxes, labels = corners(request), np.array([one.label for one in request.objects])
        people = boxes[labels == "person"]
        for hat in boxes[labels == "hat"]:
            over = np.flatnonzero(shared_shares(hat[None], people)[0] > 0.9)
            assert len(over) == 1
            x1, y1, x2, y2 = people[over[0]]
            assert x1 < (hat[0] + hat[2]) / 2 < x2
            assert (hat[1] + hat[3]) / 2 < y1 + 0.2 * (y2 - y1)
            hats += 1
    assert hats or label != "hat"


def test_people_bring_their_hats(site, wish):
    requests = made(wish("person"), site, count=40, max_objects=1)
    assert any(one.label == "hat" for request in requests for one in request.objects)


def test_boxes_keep_their_shape_in_pixels_on_the_square(site, wish):
    """People are three times as tall as wide in photos of all shapes, so they are in the square."""
    for request in made(wish("cone"), site, count=40):
        boxes = corners(request)
        people = boxes[np.array([one.label for one in request.objects]) == "person"]
        sides = people[:, 2:] - people[:, :2]
        np.testing.assert_allclose(sides[:, 1] / sides[:, 0], 3, rtol=0.03)


def test_pictures_of_one_photo_differ_and_are_mirrored_half_of_the_time(site, wish):
    """The barrel or cone of each photo stands on the right."""
    brief = wish("person", background_ids=(str(site.images.id[2]),))
    alone = [one.xyxy for request in made(brief, site, count=80) for one in request.objects if one.label in CLASSES[2:]]
    assert len(set(alone)) == len(alone) > 20
    right = np.mean([x1 + x2 > 1 for x1, _, x2, _ in alone])
    assert 0.3 < right < 0.7


@pytest.mark.parametrize(("barrel_height", "swapped"), [(1.0, True), (0.6, False)])
def test_only_objects_that_stand_alone_in_boxes_much_alike_are_swapped(site, wish, barrel_height, swapped):
    xyxy = site.labels.xyxy.copy()
    xyxy[:, 3] -= np.where(site.labels.label == 3, (1 - barrel_height) * (xyxy[:, 3] - xyxy[:, 1]), 0)
    priors = replace(site, labels=replace(site.labels, xyxy=xyxy))
    plain, mixed = (
        Counter(
            one.label for request in made(wish("person"), priors, count=60, swap_share=share) for one in request.objects
        )
        for share in (0.0, 1.0)
    )
    assert (plain["person"], plain["hat"]) == (mixed["person"], mixed["hat"])
    assert plain["cone"] + plain["barrel"] == mixed["cone"] + mixed["barrel"] > 20
    assert (plain["cone"] != mixed["cone"]) == swapped


@shared_fixture
@given(seed=seeds, label=st.sampled_from(CLASSES), max_cover=st.sampled_from([0.0, 0.1, 0.4]))
def test_objects_are_painted_into_free_places(site, wish, seed, label, max_cover):
    for request in made(wish(label), site, "gligen-inpaint", seed=seed, max_cover=max_cover):
        assert (shared_shares(corners(request), labels_on(site, request)) <= max_cover + 1e-6).all()
        sides_px = (corners(request)[:, 2:] - corners(request)[:, :2]) * photo_sides_px(site, request)
        assert (sides_px >= MIN_SIDE_PX - 1e-3).all()
        assert 1 <= len(request.objects) <= SLOTS


@shared_fixture
@given(seed=seeds, label=st.sampled_from(["hat", "cone"]))
def test_a_bare_region_and_its_soft_edge_touch_no_object(site, wish, seed, label):
    for request in made(wish(label), site, "gligen-inpaint", seed=seed, bare_share=1):
        edge = MAX_FEATHER_PX / np.tile(photo_sides_px(site, request), 2) * [-1, -1, 1, 1]
        there = np.concatenate([labels_on(site, request), corners(request)])
        for bare in request.bare:
            assert min(bare) >= 0
            assert max(bare) <= 1
            assert not shared_shares(np.array([bare]) + edge, there).any()


def test_some_photos_get_a_bare_region(site, wish):
    shares = {
        share: np.mean([len(r.bare) for r in made(wish("cone"), site, "gligen-inpaint", count=60, bare_share=share)])
        for share in (0.0, 0.3, 1.0)
    }
    assert shares[0.0] == 0
    assert 0.1 < shares[0.3] < 0.5
    assert shares[1.0] > 0.9


def test_small_objects_are_painted_into_large_photos(site, wish):
    large = replace(site, images=replace(site.images, width_px=site.images.width_px * 4))
    requests = made(wish("cone", "small"), large, "gligen-inpaint", count=20)
    assert len(requests) == 20
    assert all(area(corners(one)[:1])[0] * photo_sides_px(large, one).prod() < SMALL_PX2 for one in requests)


@shared_fixture
@given(seed=seeds, backend=both)
def test_equal_wishes_have_equal_ids_and_an_id_is_the_digest_of_all_the_rest(site, wish, seed, backend):
    first, again = (made(wish("hat"), site, backend, seed=seed) for _ in range(2))
    assert first == again
    for request in first:
        assert request.request_id == digest_of(request.model_dump(mode="json", exclude={"request_id"}))
    assert len({request.seed for request in first}) == len(first)
    assert all(request.seed < 2**52 for request in first)


@pytest.mark.parametrize("other", [{"seed": 5}, {"brief_id": "b2"}, {"backend": "gligen-inpaint"}])
def test_other_wishes_are_other_requests(site, wish, other):
    brief_id = other.get("brief_id", "b1")
    first = made(wish("cone"), site, seed=4)
    second = made(wish("cone", brief_id=brief_id), site, other.get("backend", "gligen"), seed=other.get("seed", 4))
    assert not {request.seed for request in first} & {request.seed for request in second}


def test_a_request_says_what_it_came_from(site, wish):
    for backend in ("gligen", "gligen-inpaint"):
        for request in made(wish("hat"), site, backend):
            assert (request.brief_id, request.finding_id, request.backend) == ("b1", "f1", backend)
            assert (request.generator, request.negative_prompt) == ("g1", "blurred")
            assert request.labels_digest == site.labels_digest([site.photo_rows[request.background_id]])


@pytest.mark.parametrize(("backend", "scene"), [("gligen", {"light", "place"}), ("gligen-inpaint", set())])
def test_attributes_are_covered_evenly_and_a_photo_keeps_its_own_scene(site, wish, backend, scene):
    requests = made(wish("hat"), site, backend, count=30)
    assert {name for request in requests for name in request.attributes} == {"hat.colour", *scene}
    colours = Counter(request.attributes["hat.colour"] for request in requests)
    assert max(colours.values()) - min(colours.values()) <= 1 + 30 - len(requests)
    for request in requests:
        assert request.objects[0].phrase == f"a {request.attributes['hat.colour']} hard hat"
        assert all(one.phrase in request.prompt for one in request.objects)
        assert ("at dusk" in request.prompt or "at noon" in request.prompt) == bool(scene)


@pytest.mark.parametrize("backend", ["gligen", "gligen-inpaint"])
def test_a_brief_about_a_kind_of_photo_stays_with_such_photos(site, wish, backend):
    allowed = tuple(site.images.id[[0, 2]].tolist())
    requests = made(wish("cone", background_ids=allowed), site, backend, count=12)
    assert {request.background_id for request in requests} == set(allowed)


@pytest.mark.parametrize("backend", ["gligen", "gligen-inpaint"])
def test_a_brief_about_a_look_takes_place_and_size_from_such_labels(site, wish, backend):
    """The one person who is wanted is smaller in the picture than all others, and stands on the left."""
    left = np.flatnonzero((site.labels.label == 0) & (site.labels.xyxy[:, 0] < 0.1) & (site.labels.image % 4 == 3))[:1]
    brief = wish("person", source_ids=tuple(site.labels.id[left].tolist()))
    shares = [area(corners(one)[:1])[0] for one in made(brief, site, backend, count=40)]
    shares = np.array(shares) / area(site.labels.xyxy[left])
    assert 0.4 < shares.min() < shares.max() < 2.5


def test_a_size_that_train_does_not_show_is_drawn_in_its_bounds(site, wish):
    requests = made(wish("cone", "large"), site, count=20)
    assert len(requests) == 20
    assert all(area(corners(one)[:1])[0] * photo_sides_px(site, one).prod() >= LARGE_PX2 for one in requests)


def test_a_close_up_shows_the_object_without_what_does_not_fit(site, wish):
    """A person who wears a large hat is taller than the photo."""
    wide = tuple(site.images.id[3::4].tolist())
    requests = made(wish("hat", "large", background_ids=wide), site, "gligen-inpaint", count=10, max_objects=1)
    assert [[one.label for one in request.objects] for request in requests] == [["hat"]] * 10


@pytest.mark.parametrize(
    ("case", "backend", "reason"),
    [
        ("unknown class", "gligen", "no class bird"),
        ("no label in train", "gligen", "train holds no cone"),
        ("no such look", "gligen", "train holds no person that looks as wanted"),
        ("no such photo", "gligen-inpaint", "train has no photo like those that are wanted"),
        ("too small a share", "gligen", "less than 1 % of a picture: paint into photos instead"),
        ("too small a size", "gligen", "less than 1 % of a picture: paint into photos instead"),
        ("too small for any model", "gligen-inpaint", "a side of less than 8 px"),
        ("photos too small", "gligen", "every photo in train is too small for an object of the size large"),
        ("photos too small", "gligen-inpaint", "every photo in train is too small for an object of the size large"),
    ],
)
def test_what_cannot_be_drawn_is_said(site, wish, case, backend, reason):
    priors, brief = case_of(case, site, wish)
    assert reason in cannot_draw(brief, priors, backend)
    with pytest.raises(DataError, match=reason):
        made(brief, priors, backend)


def case_of(case, site, wish):
    if case == "unknown class":
        return site, wish("bird")
    if case == "no label in train":
        kept = site.labels.label != 2
        return replace(site, labels=site.labels.take(kept), usable=site.usable[kept]), wish("cone")
    if case == "no such look":
        return site, wish("person", source_ids=("0" * 24,))
    if case == "no such photo":
        return site, wish("person", background_ids=("0" * 24,))
    if case == "too small a share":
        corner = site.labels.xyxy[:, :2] * 0.5
        tiny = np.concatenate([corner, corner + 0.09], axis=1)
        return replace(site, labels=replace(site.labels, xyxy=tiny)), wish("hat")
    factor = {"too small a size": 4, "too small for any model": 0.06, "photos too small": 0.15}[case]
    width_px, height_px = (
        np.maximum(sides * factor, 1).astype(int) for sides in (site.images.width_px, site.images.height_px)
    )
    size = {"too small a size": "small", "photos too small": "large"}.get(case)
    return replace(site, images=replace(site.images, width_px=width_px, height_px=height_px)), wish("cone", size)


@pytest.mark.parametrize("backend", ["gligen", "gligen-inpaint"])
@pytest.mark.parametrize("label", CLASSES)
def test_what_can_be_drawn_has_no_reason_against_it(site, wish, label, backend):
    assert cannot_draw(wish(label), site, backend) is None


def test_small_objects_are_left_to_painting_into_photos(site, wish):
    large = replace(site, images=replace(site.images, width_px=site.images.width_px * 4))
    assert cannot_draw(wish("cone", "small"), large, "gligen")
    assert cannot_draw(wish("cone", "small"), large, "gligen-inpaint") is None


def test_a_full_photo_is_passed_over(drawn, wish):
    priors = drawn.priors
    filled = priors.labels.xyxy.copy()
    filled[priors.labels.image == 0] = [0.0, 0.0, 1.0, 1.0]
    crowded = replace(priors, labels=replace(priors.labels, xyxy=filled))
    requests = made(
        wish(source_ids=tuple(priors.labels.id[priors.labels.image != 0].tolist())), crowded, "gligen-inpaint", count=40
    )
    assert len(requests) == 40
    assert str(priors.images.id[0]) not in {request.background_id for request in requests}


def test_a_photo_without_labels_is_drawn_with_the_wanted_object_alone(site, wish):
    kept = site.labels.image != 1
    bare = replace(site, labels=site.labels.take(kept), usable=site.usable[kept])
    requests = made(wish("cone", background_ids=(str(site.images.id[1]),)), bare, count=5)
    assert [[one.label for one in request.objects] for request in requests] == [["cone"]] * 5


def test_groups_are_labels_of_one_photo_that_overlap_strongly(site):
    groups = groups_of(site)
    for hat in np.flatnonzero(site.labels.label == 1):
        together = np.flatnonzero(groups == groups[hat])
        assert sorted(site.labels.label[together].tolist()) == [0, 1]
        assert len(set(site.labels.image[together].tolist())) == 1
    alone = site.labels.label >= 2
    assert (np.bincount(groups)[groups[alone]] == 1).all()


def test_what_belongs_to_a_label_is_listed_after_it_unless_it_is_a_crowd():
    groups = np.array([2, 0, 2, 1, 1, 1, 1, 1])
    expected = [[0, 2, -1, -1], [1, -1, -1, -1], [2, 0, -1, -1], *([row, -1, -1, -1] for row in range(3, 8))]
    assert company_of(groups).tolist() == expected
