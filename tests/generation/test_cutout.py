import cv2
import numpy as np
import pytest

from generation.cutout import cut, load, store
from generation.paste import MARGIN_PX, Cutout
from training.errors import DamagedFile

GROUND, COLOUR = (190, 180, 170), (40, 60, 150)


def disc(radius=20, centre=(100, 80)):
    pixels = np.full((160, 200, 3), GROUND, np.uint8)
    noise = np.random.default_rng(0).integers(-6, 7, pixels.shape)
    truth = cv2.circle(np.zeros((160, 200), np.uint8), centre, radius, 1, -1).astype(bool)
    pixels[truth] = COLOUR
    pixels = cv2.GaussianBlur(np.clip(pixels + noise, 0, 255).astype(np.uint8), (0, 0), 0.8)
    return pixels, truth


def corners(x1, y1, x2, y2):
    return np.array([x1 / 200, y1 / 160, x2 / 200, y2 / 160])


def mask_iou(first, second):
    return (first & second).sum() / (first | second).sum()


@pytest.mark.parametrize("air_px", [0, 4, 10], ids=["a tight box", "a loose box", "a very loose box"])
def test_the_mask_is_the_object_and_not_its_box(air_px):
    pixels, truth = disc()
    box = np.array([80 - air_px, 60 - air_px, 121 + air_px, 101 + air_px])
    cutout = cut(pixels, corners(*box), seed=0)
    x1, y1, x2, y2 = box + np.array([-1, -1, 1, 1]) * MARGIN_PX
    assert cutout.alpha.shape == (y2 - y1, x2 - x1)
    assert mask_iou(cutout.alpha > 127, truth[y1:y2, x1:x2]) > 0.9


def test_the_canvas_keeps_the_surroundings_and_ends_transparent():
    pixels, _ = disc()
    cutout = cut(pixels, corners(80, 60, 121, 101), seed=0)
    assert np.array_equal(cutout.pixels, pixels[52:109, 72:129])
    assert max(cutout.alpha[0].max(), cutout.alpha[-1].max(), cutout.alpha[:, 0].max(), cutout.alpha[:, -1].max()) < 8


def test_the_same_object_gives_the_same_bytes_whatever_was_cut_before(tmp_path, drawn):
    priors = drawn.priors
    rows = np.flatnonzero(priors.usable)[:6]
    for turn, order in enumerate([rows, rows[::-1]]):
        for row in order:
            photo = drawn.photo_of(priors, priors.labels.image[row])
            store(tmp_path / str(turn) / f"{row}.png", cut(photo, priors.labels.xyxy[row], seed=2**40 + 3))
    for row in rows:
        assert (tmp_path / f"0/{row}.png").read_bytes() == (tmp_path / f"1/{row}.png").read_bytes()


def test_opencvs_generator_does_not_show_in_a_mask():
    """On noisy, mottled ground some of GrabCut's masks depend on where its generator stands."""
    rng = np.random.default_rng(0)
    mottled = cv2.GaussianBlur(rng.normal(0, 1, (160, 200, 3)), (0, 0), 3)
    mottled = 130 + 35 * mottled / mottled.std() + rng.normal(0, 20, mottled.shape)
    places = [(x, y, x + 40, y + 36) for x in (20, 70, 120) for y in (20, 70, 110)]
    for x1, y1, x2, y2 in places:
        mottled[cv2.circle(np.zeros((160, 200)), ((x1 + x2) // 2, (y1 + y2) // 2), 16, 1, -1) > 0] -= 35
    pixels, masks = np.clip(mottled, 0, 255).astype(np.uint8), []
    for state in (1, 99, 5, 6, 7):
        cv2.setRNGSeed(state)
        masks.append([cut(pixels, corners(*place), seed=0).alpha for place in places])
    assert all(np.array_equal(masks[0], other) for other in masks[1:])


def test_a_blurred_object_gets_a_softer_edge_than_a_crisp_one():
    pixels, _ = disc()
    soft_px = {}
    for name, photo in {"crisp": pixels, "blurred": cv2.GaussianBlur(pixels, (0, 0), 2.5)}.items():
        alpha = cut(photo, corners(76, 56, 125, 105), seed=0).alpha
        soft_px[name] = ((alpha > 25) & (alpha < 230)).sum()
    assert soft_px["blurred"] > 1.5 * soft_px["crisp"]


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((0, 60, 40, 100), id="at the left border"),
        pytest.param((150, 60, 200, 100), id="at the right border"),
        pytest.param((80, 0, 120, 40), id="at the upper border"),
        pytest.param((80, 120, 120, 160), id="at the lower border"),
        pytest.param((90, 70, 97, 90), id="seven pixels wide"),
    ],
)
def test_an_object_that_is_cut_off_or_tiny_is_not_cut_out(box):
    assert cut(disc()[0], corners(*box), seed=0) is None


def test_where_nothing_stands_out_the_mask_is_an_ellipse():
    flat = np.full((160, 200, 3), 128, np.uint8)
    alpha = cut(flat, corners(80, 60, 120, 90), seed=0).alpha > 127
    inside = alpha[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    assert inside.mean() == pytest.approx(np.pi / 4, abs=0.03)
    assert inside.sum() == alpha.sum()


def test_a_mask_on_one_side_of_its_box_is_a_part_and_not_the_object():
    """Half of a puddle stands out from its ground, half does not: the label is of all of it."""
    alpha = cut(disc()[0], corners(78, 50, 150, 110), seed=0).alpha > 127
    assert alpha[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX].mean() == pytest.approx(np.pi / 4, abs=0.03)


def test_a_neighbours_pixels_are_left_out():
    pixels, truth = disc()
    neighbour = cv2.circle(np.zeros_like(truth, np.uint8), (128, 80), 12, 1, -1).astype(bool)
    pixels[neighbour] = COLOUR
    cutout = cut(pixels, corners(78, 58, 125, 103), seed=0, others=corners(116, 68, 141, 93)[None])
    found = cutout.alpha > 127
    assert not (found & (neighbour & ~truth)[50:111, 70:133]).any()


def test_a_kept_cutout_reads_back_as_it_was(tmp_path):
    cutout = cut(disc()[0], corners(80, 60, 121, 101), seed=0)
    store(tmp_path / "a" / "x.png", cutout)
    again = load(tmp_path / "a" / "x.png")
    assert np.array_equal(again.pixels, cutout.pixels)
    assert np.array_equal(again.alpha, cutout.alpha)


@pytest.mark.parametrize("content", [None, b"", b"not a picture", "no alpha", "too small"])
def test_a_damaged_cutout_says_so(tmp_path, content):
    path = tmp_path / "x.png"
    pictures = {"no alpha": np.zeros((40, 40, 3), np.uint8), "too small": np.zeros((10, 10, 4), np.uint8)}
    if content is not None:
        path.write_bytes(cv2.imencode(".png", pictures[content])[1] if content in pictures else content)
    with pytest.raises(DamagedFile, match=r"x\.png") as error:
        load(path)
    assert "generate again" in error.value.hint


def test_a_cutout_of_other_shapes_is_refused():
    with pytest.raises(ValueError, match="no cut-out"):
        Cutout(pixels=np.zeros((30, 40, 3), np.uint8), alpha=np.zeros((40, 30), np.uint8))


def test_real_objects_are_found_by_their_pixels(real):
    """Most masks of platelets are GrabCut's; an ellipse would fill the box exactly."""
    priors = real.priors
    rows = np.flatnonzero(priors.usable & (priors.labels.label == priors.classes.index("Platelets")))[:12]
    cutouts = [cut(real.photo_of(priors, priors.labels.image[row]), priors.labels.xyxy[row], seed=0) for row in rows]
    shares = [(c.alpha[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX] > 127).mean() for c in cutouts]
    assert len(rows) >= 8
    assert np.median(shares) < 0.7
    assert min(shares) > 0.1
