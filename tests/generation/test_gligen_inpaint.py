"""Painting into photos, through the real libraries and tiny pipelines with random weights."""

from dataclasses import replace

import diffusers
import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from PIL import Image

from generation.gligen import GligenDoor
from generation.gligen_inpaint import Shot, inpaint, refusals, repaint_latents
from generation.grounding import Layout, PaintFailure, PaintSettings, Repaint
from generation.windows import feather, passes
from tests.generation.tiny_pipeline import SIDE_PX, parts, save
from training.errors import ModelError

STEPS = 3


@pytest.fixture(scope="module")
def doors(tmp_path_factory):
    """One door with the nine channels of inpainting weights, one with the four of generation weights."""
    return {
        kind: GligenDoor.load(str(save(tmp_path_factory.mktemp(kind), kind)), PaintSettings(steps=STEPS), device="cpu")
        for kind in ("inpaint", "text")
    }


@pytest.fixture(params=["inpaint", "text"], ids=["nine channels", "four channels"])
def door(request, doors):
    return doors[request.param]


def photo(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def layout(*boxes, phrases=None, prompt="a photo of a cone", seed=5):
    phrases = ("a cone",) * len(boxes) if phrases is None else phrases
    return Layout(prompt=prompt, phrases=phrases, boxes=np.array(boxes, float).reshape(-1, 4), seed=seed)


def may_change(repaint):
    """Give the pixels of a photo that may change: the union of the feathered boxes of all passes."""
    height, width = repaint.photo.shape[:2]
    changed = np.zeros((height, width), bool)
    for each in passes(repaint.boxes_px, width_px=width, height_px=height):
        share, window = feather(repaint.boxes_px[list(each.members)], each.window), each.window
        ys, xs = np.nonzero(share)
        inside = (ys + window.top >= 0) & (ys + window.top < height) & (xs + window.left >= 0)
        inside &= xs + window.left < width
        changed[ys[inside] + window.top, xs[inside] + window.left] = True
    return changed


def difference(first, second):
    return np.abs(first.astype(int) - second.astype(int)).max()


CASES = {
    "a small box in a wide photo": Repaint(photo(320, 90), layout([0.7, 0.4, 0.72, 0.5])),
    "a box in the corner of a tall photo": Repaint(photo(70, 210), layout([0.0, 0.95, 0.2, 1.0])),
    "the whole photo": Repaint(photo(130, 60), layout([0.0, 0.0, 1.0, 1.0])),
    "a plank": Repaint(photo(200, 100), layout([0.1, 0.5, 0.9, 0.55])),
    "one pixel": Repaint(photo(100, 100), layout([0.5, 0.5, 0.51, 0.51])),
    "a photo smaller than the model's pictures": Repaint(photo(20, 30), layout([0.2, 0.2, 0.7, 0.6])),
    "objects together": Repaint(photo(90, 80), layout([0.1, 0.1, 0.7, 0.9], [0.2, 0.1, 0.6, 0.4])),
    "objects far apart": Repaint(photo(400, 90), layout([0.0, 0.1, 0.05, 0.3], [0.9, 0.5, 1.0, 0.9])),
    "a plain region without a label": Repaint(photo(90, 80), layout(), np.array([[0.3, 0.3, 0.5, 0.6]])),
    "two plain regions far apart": Repaint(
        photo(300, 60), layout(), np.array([[0.0, 0.2, 0.05, 0.5], [0.9, 0.2, 0.95, 0.5]])
    ),
}


@pytest.fixture(scope="module")
def painted(doors):
    return {kind: dict(zip(CASES, inpaint(door, list(CASES.values())), strict=True)) for kind, door in doors.items()}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["inpaint", "text"])
def test_only_pixels_of_the_feathered_boxes_change_and_those_in_the_boxes_do(painted, kind, name):
    repaint, result = CASES[name], painted[kind][name]
    outside = ~may_change(repaint)
    assert result.shape == repaint.photo.shape
    assert np.array_equal(result[outside], repaint.photo[outside])
    assert name == "the whole photo" or outside.any()
    for x1, y1, x2, y2 in repaint.boxes_px:
        rows = slice(int(np.floor(y1)), int(np.ceil(y2)))
        columns = slice(int(np.floor(x1)), int(np.ceil(x2)))
        assert (result[rows, columns] != repaint.photo[rows, columns]).any(axis=2).mean() > 0.9


def test_the_callers_photos_are_left_alone(door):
    repaint = Repaint(photo(90, 80), layout([0.2, 0.2, 0.6, 0.6]))
    inpaint(door, [repaint])
    assert np.array_equal(repaint.photo, photo(90, 80))


def test_a_painted_photo_follows_from_its_seed_and_not_from_its_batch(door):
    wishes = [Repaint(photo(90, 80, seed=n), layout([0.1 * n, 0.2, 0.1 * n + 0.5, 0.7], seed=n)) for n in range(4)]
    torch.manual_seed(1)
    first = inpaint(door, wishes)
    torch.manual_seed(2)
    again = inpaint(door, wishes[2:] + wishes[:1])
    assert difference(first[2], again[0]) <= 1
    assert difference(first[0], again[2]) <= 1
    assert np.array_equal(first[0], inpaint(door, wishes)[0])
    other = replace(wishes[0], layout=replace(wishes[0].layout, seed=99))
    assert difference(first[0], inpaint(door, [other])[0]) > 8


def test_what_and_where_each_have_their_effect(door):
    """The same region each time; only what is said of it differs."""
    box = [0.2, 0.2, 0.7, 0.7]
    plain = Repaint(photo(80, 80), layout(), np.array([box]))
    cone = Repaint(photo(80, 80), layout(box))
    halves = Repaint(photo(80, 80), layout(box, [0.2, 0.2, 0.45, 0.7]))
    hat = Repaint(photo(80, 80), layout(box, phrases=("a hat",)))
    results = inpaint(door, [cone, plain, halves, hat])
    assert all(difference(results[0], other) > 2 for other in results[1:])


def test_what_is_kept_guides_what_is_painted(door):
    """Two photos that differ outside the box alone."""
    dark, wish = photo(80, 80) // 8, layout([0.3, 0.3, 0.6, 0.6])
    dark[24:48, 24:48] = photo(80, 80)[24:48, 24:48]
    first, second = inpaint(door, [Repaint(photo(80, 80), wish), Repaint(dark, wish)])
    assert difference(first[26:46, 26:46], second[26:46, 26:46]) > 2


@pytest.mark.parametrize("grounded_share", [1.0, 0.4], ids=["boxes in all steps", "boxes in some steps"])
def test_painting_is_that_of_the_stock_code_where_that_is_right(doors, grounded_share):
    """Stock code draws from torch's global generator and from the encoder, and cuts boxes down to whole cells.

    With the same draws, no draw from the encoder, and boxes of whole cells on a square photo, both must agree.
    """
    door = GligenDoor(doors["inpaint"].loaded, PaintSettings(steps=STEPS, grounded_share=grounded_share))
    scheduler = diffusers.DPMSolverMultistepScheduler.from_config(door.pipe.scheduler.config)
    stock = diffusers.StableDiffusionGLIGENPipeline(
        **{**parts("inpaint"), "scheduler": scheduler},
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    stock.set_progress_bar_config(disable=True)
    wish = layout([0.25, 0.125, 0.75, 0.5], [0.5, 0.625, 1.0, 1.0], phrases=("a dog", "a cat"))
    cells = np.zeros((8, 8), bool)
    cells[1:4, 2:6] = cells[5:8, 4:8] = True
    pixels, chance = photo(SIDE_PX, SIDE_PX), torch.Generator().manual_seed(wish.seed)
    noise = torch.randn(1, 4, 8, 8, generator=chance)
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(), torch.no_grad():
        patch.setattr(DiagonalGaussianDistribution, "sample", lambda self, generator=None: self.mode())
        patch.setattr(torch, "randn_like", lambda like: torch.randn(like.shape))  # else in the order of its memory
        torch.set_rng_state(chance.get_state())
        theirs = stock(
            [wish.prompt],
            gligen_phrases=list(wish.phrases),
            gligen_boxes=wish.boxes.tolist(),
            gligen_inpaint_image=Image.fromarray(pixels[:, :, ::-1]),
            gligen_scheduled_sampling_beta=grounded_share,
            num_inference_steps=STEPS,
            latents=noise,
            output_type="latent",
        ).images[0]
        ours = repaint_latents(door, [Shot(pixels, cells, wish)])[0]
        mirrored = replace(wish, boxes=1 - wish.boxes[:, [2, 3, 0, 1]])
        control = repaint_latents(door, [Shot(pixels, cells, mirrored)])[0]
    assert (ours - theirs)[:, cells].abs().max() <= 2e-4
    assert (control - theirs)[:, cells].abs().max() > 0.1


def test_what_is_painted_later_sees_what_was_painted_before(door):
    """The small box lies in the large one and is painted in a pass of its own."""
    large, small = [0.1, 0.1, 0.9, 0.9], [0.5, 0.5, 0.53, 0.53]
    both, other, alone = inpaint(
        door,
        [
            Repaint(photo(200, 200), layout(large, small, phrases=("a cone", "a hat"))),
            Repaint(photo(200, 200), layout(large, small, phrases=("a dog", "a hat"))),
            Repaint(photo(200, 200), layout(large, prompt="a cone")),
        ],
    )
    around = np.ones((200, 200), bool)
    around[90:116, 90:116] = False
    assert difference(both[around], alone[around]) <= 1
    assert difference(both[100:106, 100:106], alone[100:106, 100:106]) > 2
    assert (both[100:106, 100:106] != other[100:106, 100:106]).mean() > 0.2  # if it did not see it: equal


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        (layout(*[[0.1, 0.1, 0.9, 0.9]] * 31), "it has 31 objects"),
        (layout([0.0, 0.5, 1.0, 0.505]), "so long and narrow"),
        (layout([0.1, 0.1, 0.5, 0.5], prompt="a photo of a dog " * 20), "its prompt has 102 tokens"),
        (layout([0.1, 0.1, 0.5, 0.5], phrases=("a dog " * 60,)), "its phrase"),
    ],
    ids=["more objects than slots", "a line", "a long prompt", "a long phrase"],
)
def test_what_cannot_be_painted_is_refused_before_anything_is_painted(door, wish, reason):
    seen = []
    hook = door.pipe.unet.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    bad, good = Repaint(photo(400, 200), wish), Repaint(photo(90, 80), layout([0.2, 0.2, 0.6, 0.6]))
    assert reason in refusals(door, [bad])[0]
    assert reason in inpaint(door, [bad])[0].reason
    assert seen == []
    failure, picture = inpaint(door, [bad, good])
    hook.remove()
    assert isinstance(failure, PaintFailure)
    assert difference(picture, inpaint(door, [good])[0]) <= 1
    assert len(seen) == STEPS


def test_a_photo_whose_arithmetic_overflows_is_a_failure_and_spares_the_others(door):
    far = [[0.0, 0.1, 0.05, 0.3], [0.9, 0.5, 1.0, 0.9]]
    wishes = [Repaint(photo(400, 90), layout(*far)), Repaint(photo(90, 80), layout([0.2, 0.2, 0.6, 0.6]))]
    expected, seen = inpaint(door, wishes), []

    def overflow(_, inputs, output):
        seen.append(len(inputs[0]))
        if len(seen) == 1:
            output[0][0] = float("nan")
        return output

    hook = door.pipe.unet.register_forward_hook(overflow)
    failure, picture = inpaint(door, wishes)
    hook.remove()
    assert "overflowed" in failure.reason
    assert difference(picture, expected[1]) <= 1
    assert len(seen) == STEPS  # its second pass is not painted any more


def test_windows_that_do_not_fit_into_memory_at_once_are_halved(doors):
    door = GligenDoor(doors["inpaint"].loaded, PaintSettings(steps=STEPS))
    wishes = [Repaint(photo(90, 80, seed=n), layout([0.2, 0.2, 0.6, 0.6], seed=n)) for n in range(4)]
    expected = inpaint(door, wishes)

    def full(_, inputs):
        if len(inputs[0]) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    hook = door.pipe.unet.register_forward_pre_hook(full)
    painted = inpaint(door, wishes)
    hook.remove()
    assert door.batches.count == 2
    assert all(difference(a, b) <= 1 for a, b in zip(painted, expected, strict=True))


def test_too_little_memory_for_one_window_is_said(doors):
    door = GligenDoor(doors["text"].loaded, PaintSettings(steps=STEPS))

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    hook = door.pipe.unet.register_forward_pre_hook(full)
    with pytest.raises(ModelError, match="does not suffice for a single picture"):
        inpaint(door, [Repaint(photo(90, 80), layout([0.2, 0.2, 0.6, 0.6]))])
    hook.remove()


def test_no_photos_give_no_photos(door):
    assert inpaint(door, []) == []
