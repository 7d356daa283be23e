import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from generation.blend import MAX_HUE, MAX_LIGHT, MIN_LIGHT, light_of
from generation.cutout import cut
from generation.layout import plan
from generation.paste import MARGIN_PX, Cutout, paste, turned_size
from generation.records import PasteObject, PictureLabel

WIDTH, HEIGHT = 320, 240


def ellipse_cutout(width=40, height=24, air=(0, 0, 0, 0), colour=(40, 60, 150)):
    """An ellipse in a box that is larger by the air on its left, top, right and bottom."""
    left, top, right, bottom = air
    shape = height + top + bottom + 2 * MARGIN_PX, width + left + right + 2 * MARGIN_PX
    alpha = np.zeros(shape, np.uint8)
    middle = (MARGIN_PX + left + (width - 1) / 2, MARGIN_PX + top + (height - 1) / 2)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    alpha[((columns - middle[0]) / (width / 2)) ** 2 + ((rows - middle[1]) / (height / 2)) ** 2 <= 1] = 255
    pixels = np.full((*shape, 3), 180, np.uint8)
    pixels[alpha > 0] = colour
    return Cutout(pixels=pixels, alpha=alpha)


def at(x1, y1, x2, y2, *, angle_deg=0.0, flip=False, gain=1.0, source_id="s1", label="ball"):
    return PasteObject(
        label=label,
        source_id=source_id,
        xyxy=(x1 / WIDTH, y1 / HEIGHT, x2 / WIDTH, y2 / HEIGHT),
        angle_deg=angle_deg,
        flip=flip,
        gain=gain,
        tint=(1.0, 1.0, 1.0),
    )


def around(x, y, cutout, *, scale=1.0, angle_deg=0.0, **other):
    """Ask for a cut-out's box at a scale, turned, around a point."""
    sides = (side * scale - 2 * MARGIN_PX * scale for side in cutout.alpha.shape[::-1])
    width, height = turned_size(*sides, angle_deg)
    return at(x - width / 2, y - height / 2, x + width / 2, y + height / 2, angle_deg=angle_deg, **other)


def ground(seed=0):
    return np.random.default_rng(seed).integers(170, 190, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def pasted(background, *objects):
    return paste(background.copy(), objects, (), np.random.default_rng(0))


def px(label):
    return np.array(label.xyxy) * [WIDTH, HEIGHT, WIDTH, HEIGHT]


def box_iou(first, second):
    corner = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    shared = np.clip(corner, 0, None).prod()
    return shared / ((first[2:] - first[:2]).prod() + (second[2:] - second[:2]).prod() - shared)


def painted_extent(picture, background):
    """The box of the pixels that became clearly darker: what a person would outline."""
    changed = (background.astype(int) - picture).max(axis=2) > 60
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


@pytest.mark.parametrize("flip", [False, True], ids=["as it was", "flipped"])
@pytest.mark.parametrize("angle_deg", [0.0, 12.5, -15.0, 90.0, 140.0])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.6])
def test_the_label_is_the_extent_of_what_was_painted(scale, angle_deg, flip):
    background, cutout = ground(), ellipse_cutout()
    result = pasted(background, (cutout, around(150.3, 120.8, cutout, scale=scale, angle_deg=angle_deg, flip=flip)))
    (label,) = result.labels
    assert box_iou(px(label), painted_extent(result.pixels, background)) > 0.9
    assert label.visible_share == 1
    assert label.added


def test_a_label_keeps_the_air_that_people_left_around_the_object():
    background, cutout = ground(), ellipse_cutout(air=(10, 2, 4, 8))
    (label,) = pasted(background, (cutout, at(100, 100, 154, 134))).labels
    assert px(label) == pytest.approx([100, 100, 154, 134], abs=1)


@pytest.mark.parametrize(
    ("angle_deg", "flip", "expected"),
    [
        pytest.param(0, False, (10, 2, 4, 8), id="left, top, right, bottom"),
        pytest.param(0, True, (4, 2, 10, 8), id="a flip changes left and right"),
        pytest.param(90, False, (8, 10, 2, 4), id="a quarter turn brings left to top"),
        pytest.param(-90, False, (2, 4, 8, 10), id="a quarter turn back brings left to bottom"),
        pytest.param(180, False, (4, 8, 10, 2), id="a half turn"),
        pytest.param(45, False, (9, 6, 3, 6), id="half a quarter turn mixes neighbours"),
    ],
)
def test_air_turns_with_the_object(angle_deg, flip, expected):
    background, cutout = ground(), ellipse_cutout(width=40, height=40, air=(10, 2, 4, 8))
    result = pasted(background, (cutout, around(160, 120, cutout, angle_deg=float(angle_deg), flip=flip)))
    extent = painted_extent(result.pixels, background)
    found = (px(result.labels[0]) - extent) * [-1, -1, 1, 1]
    assert found == pytest.approx(expected, abs=1.6)


def test_a_later_object_takes_from_the_label_of_an_earlier_one():
    cutout = ellipse_cutout(width=40, height=40)
    alone = pasted(ground(), (cutout, at(100, 100, 140, 140)))
    both = pasted(ground(), (cutout, at(100, 100, 140, 140)), (cutout, at(120, 98, 164, 142, source_id="s2")))
    first, second = both.labels
    assert first.visible_share < 0.75
    assert second.visible_share == 1
    assert px(alone.labels[0])[2] - px(first)[2] > 8
    assert px(first)[:2] == pytest.approx(px(alone.labels[0])[:2])


def test_a_covered_side_gets_no_air():
    loose, cover = ellipse_cutout(width=40, height=40, air=(0, 0, 20, 0)), ellipse_cutout(width=60, height=60)
    label = pasted(ground(), (loose, at(100, 100, 160, 140)), (cover, at(125, 90, 185, 150))).labels[0]
    assert px(label)[2] < 136


def test_an_object_that_is_wholly_hidden_has_no_label():
    small, large = ellipse_cutout(width=16, height=16), ellipse_cutout(width=60, height=60)
    result = pasted(ground(), (small, at(122, 122, 138, 138)), (large, at(100, 100, 160, 160, source_id="s2")))
    assert [label.source_id for label in result.labels] == ["s2"]


def test_an_object_at_the_border_counts_what_lies_outside_as_hidden():
    cutout = ellipse_cutout(width=40, height=40)
    label = pasted(ground(), (cutout, at(-20, 100, 20, 140))).labels[0]
    assert label.visible_share == pytest.approx(0.5, abs=0.05)
    assert px(label)[[0, 2]] == pytest.approx([0, 20], abs=1)


@pytest.mark.parametrize("corner", [(-300, 100), (400, 100), (100, -300), (100, 400)])
def test_an_object_outside_the_picture_changes_nothing(corner):
    cutout = ellipse_cutout(width=40, height=40)
    result = pasted(ground(), (cutout, at(*corner, corner[0] + 40, corner[1] + 40)))
    assert np.array_equal(result.pixels, ground())
    assert result.labels == ()


@pytest.mark.parametrize("scale", [0.5, 1.6])
def test_pixels_away_from_the_object_are_left_alone(scale):
    background, cutout = ground(), ellipse_cutout()
    wish = around(150, 120, cutout, scale=scale, angle_deg=15.0, gain=1.2)
    changed = np.argwhere((pasted(background, (cutout, wish)).pixels != background).any(axis=2))
    reach = MARGIN_PX * scale * 1.3 + 1
    x1, y1, x2, y2 = np.array(wish.xyxy) * [WIDTH, HEIGHT, WIDTH, HEIGHT]
    assert len(changed)
    assert changed[:, 0].min() > y1 - reach
    assert changed[:, 0].max() < y2 + reach
    assert changed[:, 1].min() > x1 - reach
    assert changed[:, 1].max() < x2 + reach


def test_the_labels_of_the_photo_come_first_and_stay():
    own = PictureLabel(label="crate", xyxy=(0.1, 0.1, 0.2, 0.2), visible_share=1, source_id="s0", added=False)
    cutout = ellipse_cutout()
    result = paste(ground(), [(cutout, at(100, 100, 140, 124))], (own,), np.random.default_rng(0))
    assert result.labels[0] == own
    assert len(result.labels) == 2


def test_a_flip_mirrors_the_object():
    cutout = ellipse_cutout(width=40, height=40)
    left = np.s_[:, : cutout.alpha.shape[1] // 2]
    cutout.pixels[left][cutout.alpha[left] > 0] = 10
    lean = {}
    for flip in (False, True):
        part = pasted(ground(), (cutout, at(100, 100, 140, 140, flip=flip))).pixels[105:135, 100:140].astype(int)
        lean[flip] = (part[:, :20] - part[:, 20:]).mean()
    assert lean[False] == pytest.approx(-lean[True], abs=3)
    assert abs(lean[False]) > 5


def test_an_object_takes_on_the_light_of_its_place():
    cutout = ellipse_cutout(colour=(120, 120, 120))
    dark, bright = ground() // 5 * 4, ground()
    inside = np.s_[108:116, 110:130]
    wish = at(100, 100, 140, 124)
    assert pasted(dark, (cutout, wish)).pixels[inside].mean() < pasted(bright, (cutout, wish)).pixels[inside].mean() - 5


def test_a_piece_of_ground_disappears_in_the_same_ground_in_another_light():
    """Where object and surroundings look alike, nothing shows where it was pasted."""
    patch = np.full((60, 60, 3), 180, np.uint8)
    alpha = np.pad(np.full((44, 44), 255, np.uint8), MARGIN_PX)
    dim = np.full((HEIGHT, WIDTH, 3), (150, 160, 170), np.uint8)
    result = pasted(dim, (Cutout(pixels=patch, alpha=cv2.GaussianBlur(alpha, (0, 0), 1.5)), at(100, 100, 144, 144)))
    # deep inside, half of the difference in light is taken for a difference in surface
    rim = np.concatenate([result.pixels[100, 100:144], result.pixels[143, 100:144]])
    assert np.abs(rim.astype(int) - dim[0, 0]).max() <= 3


def two_grounds():
    """Ground like that around the drawn cut-out on the left, sand on the right."""
    picture = ground()
    picture[:, WIDTH // 2 :] = np.clip(ground()[:, WIDTH // 2 :] + np.array([-70, -20, 20]), 0, 255)
    return picture


@pytest.mark.parametrize("turn", [1, -1], ids=["its ground is second", "its ground is first"])
def test_an_object_goes_where_the_ground_is_like_that_around_it(turn):
    wish, like = at(220, 100, 260, 124), at(40, 100, 80, 124)
    first, other = (wish, like)[::turn]
    result = pasted(two_grounds(), (ellipse_cutout(), first.model_copy(update={"spare": (other.xyxy,)})))
    (label,) = result.labels
    assert px(label) == pytest.approx([40, 100, 80, 124], abs=1)
    assert np.array_equal(result.pixels[:, WIDTH // 2 :], two_grounds()[:, WIDTH // 2 :])


def test_an_object_from_patterned_ground_goes_to_patterned_ground():
    picture, cutout = np.full((HEIGHT, WIDTH, 3), 180, np.uint8), ellipse_cutout()
    pattern = np.array([140, 180, 220])[np.indices((HEIGHT, WIDTH)).sum(axis=0) // 2 % 3][:, :, None]
    picture[:, WIDTH // 2 :] = pattern[:, WIDTH // 2 :]
    there, here = at(220, 100, 260, 124), at(40, 100, 80, 124)
    rough = Cutout(np.where(cutout.alpha[:, :, None], cutout.pixels, pattern[:40, :56]).astype(np.uint8), cutout.alpha)
    for source, expected in ((cutout, here), (rough, there)):
        (label,) = pasted(picture, (source, here.model_copy(update={"spare": (there.xyxy,)}))).labels
        assert px(label)[0] == pytest.approx(expected.xyxy[0] * WIDTH, abs=1)


def test_each_of_several_objects_finds_its_own_ground():
    sand = ellipse_cutout()
    sand.pixels[sand.alpha == 0] = (110, 160, 200)
    wishes = at(40, 40, 80, 64), at(220, 40, 260, 64), at(40, 160, 80, 184), at(220, 160, 260, 184)
    objects = [
        (ellipse_cutout(), wishes[1].model_copy(update={"spare": (wishes[0].xyxy,)})),
        (sand, wishes[3].model_copy(update={"spare": (wishes[2].xyxy,)})),
    ]
    lefts = [px(label)[0] for label in pasted(two_grounds(), *objects).labels]
    assert lefts == pytest.approx([40, 220], abs=1)


@pytest.mark.parametrize(
    ("colour", "most"),
    [pytest.param((172, 172, 172), 6, id="a faint one"), pytest.param((60, 60, 60), 20, id="a clear one")],
)
def test_a_change_of_brightness_does_not_make_a_faint_object_stand_out(colour, most):
    cutout = ellipse_cutout(colour=colour)
    plain, changed = (
        pasted(np.full((HEIGHT, WIDTH, 3), 180, np.uint8), (cutout, at(100, 100, 140, 124, gain=gain)))
        for gain in (1.0, 0.7)
    )
    darker = plain.pixels[112, 120].astype(int) - changed.pixels[112, 120]
    assert most / 2 < darker.max() <= most


@given(there=arrays(np.uint8, 3), here=arrays(np.uint8, 3))
def test_light_changes_in_brightness_more_than_in_colour(there, here):
    light = light_of(there.astype(np.float32), here.astype(np.float32))
    assert light.max() / light.min() <= MAX_HUE**2 + 1e-3
    assert light.max() <= MAX_LIGHT * MAX_HUE + 1e-3
    assert light.min() >= MIN_LIGHT / MAX_HUE - 1e-3


def test_a_sharp_object_is_blurred_in_a_blurred_photo():
    scene = np.full((HEIGHT, WIDTH, 3), 180, np.uint8)
    for x in range(0, 200, 40):
        scene[:, x : x + 20] = 90
    cutout, steepest = ellipse_cutout(width=40, height=40), {}
    for name, background in {"sharp": scene, "blurred": cv2.GaussianBlur(scene, (0, 0), 3)}.items():
        part = pasted(background, (cutout, at(240, 100, 280, 140))).pixels[:, 230:, 2].astype(int)
        steepest[name] = np.abs(np.diff(part, axis=1)).max()
    assert steepest["blurred"] < 0.6 * steepest["sharp"]


def test_the_same_request_gives_the_same_pixels_and_another_seed_only_another_rounding(drawn, wish):
    priors = drawn.priors
    request = plan(wish(), priors, count=1, seed=0)[0]
    rows = {label_id: row for row, label_id in enumerate(priors.labels.id.tolist())}
    objects = []
    for one in request.objects:
        row = rows[one.source_id]
        photo = drawn.photo_of(priors, priors.labels.image[row])
        objects.append((cut(photo, priors.labels.xyxy[row], seed=0), one))
    background = drawn.photo_of(priors, np.flatnonzero(priors.images.id == request.background_id)[0])
    pictures = [paste(background.copy(), objects, (), np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(pictures[0].pixels, pictures[1].pixels)
    assert pictures[0].labels == pictures[2].labels
    assert np.abs(pictures[0].pixels.astype(int) - pictures[2].pixels).max() <= 1


def test_pasted_real_objects_are_no_easier_to_find_by_their_edges_than_real_ones(real, wish):
    """The steepest slope around pasted platelets is like that around real ones; a hard seam would be far steeper."""
    priors = real.priors
    slopes = {"real": [], "added": []}
    number = priors.classes.index("Platelets")
    for row in np.flatnonzero(priors.usable & (priors.labels.label == number)):
        slopes["real"].append(steepest(real.photo_of(priors, priors.labels.image[row]), priors.labels.xyxy[row]))
    rows = {label_id: row for row, label_id in enumerate(priors.labels.id.tolist())}
    for request in plan(wish("Platelets"), priors, count=15, seed=0):
        background = real.photo_of(priors, np.flatnonzero(priors.images.id == request.background_id)[0])
        one = request.objects[0]
        row = rows[one.source_id]
        cutout = cut(real.photo_of(priors, priors.labels.image[row]), priors.labels.xyxy[row], seed=0)
        result = paste(background.copy(), [(cutout, one)], (), np.random.default_rng(0))
        slopes["added"].append(steepest(result.pixels, np.array(result.labels[0].xyxy)))
    assert np.median(slopes["added"]) < 1.3 * np.median(slopes["real"])


def steepest(photo, xyxy):
    height, width = photo.shape[:2]
    x1, y1, x2, y2 = np.rint(xyxy * [width, height, width, height]).astype(int)
    grey = cv2.cvtColor(photo[y1:y2, x1:x2], cv2.COLOR_BGR2GRAY)
    return float(
        np.percentile(cv2.magnitude(cv2.Scharr(grey, cv2.CV_32F, 1, 0), cv2.Scharr(grey, cv2.CV_32F, 0, 1)), 90)
    )
