"""The door against the real libraries and tiny pipelines with random weights; their pictures are noise, by design."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import diffusers
import numpy as np
import pytest
import safetensors.torch
import torch

from generation.gligen import GligenDoor
from generation.gligen_weights import cpu_tflop_per_s
from generation.grounding import Layout, PaintFailure, PaintSettings
from tests.generation.tiny_pipeline import SIDE_PX, parts, save
from training.errors import ModelError

STEPS = 4
LAYOUTS = tuple(
    Layout(prompt=prompt, negative_prompt=negative, phrases=phrases, boxes=np.array(boxes), seed=seed)
    for prompt, negative, phrases, boxes, seed in [
        ("a photo of a dog and a cat", "", ("a dog", "a cat"), [[0.1, 0.1, 0.5, 0.6], [0.55, 0.2, 0.9, 0.9]], 11),
        ("a warehouse", "blurred", ("a person in a long yellow coat",), [[0.0, 0.5, 1.0, 1.0]], 12),
        ("a crowd", "", ("a person",) * 30, [[n / 30, 0.1, n / 30 + 0.033, 0.9] for n in range(30)], 13),
        ("a cone", "low quality", ("cone",), [[0.3, 0.3, 0.8, 0.8]], 14),
        ("cars", "", ("a car", "a car"), [[0.1, 0.6, 0.4, 0.9], [0.1, 0.1, 0.4, 0.4]], 15),
    ]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def door(folder):
    return GligenDoor.load(str(folder), PaintSettings(steps=STEPS), device="cpu")


@pytest.fixture
def copy(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def latents_of(door, layouts):
    with torch.no_grad():
        return door.latents(layouts)


def moved(layouts):
    """Give each layout the boxes of its own objects, mirrored and turned."""
    return [replace(each, boxes=1 - each.boxes[:, [3, 2, 1, 0]]) for each in layouts]


def difference(first, second):
    return np.abs(first.astype(int) - second.astype(int)).max()


def sizes_seen(door):
    """Record how many pictures each evaluation of the UNet is for, halves of guidance counted."""
    seen = []
    door.pipe.unet.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    return seen


@pytest.mark.parametrize("grounded_share", [1.0, 0.5], ids=["boxes in all steps", "boxes in half of the steps"])
def test_one_picture_is_that_of_the_stock_gligen_pipeline(folder, grounded_share):
    settings = PaintSettings(steps=STEPS, grounded_share=grounded_share)
    door = GligenDoor.load(str(folder), settings, device="cpu")
    scheduler = diffusers.DPMSolverMultistepScheduler.from_pretrained(folder, subfolder="scheduler")
    stock = diffusers.StableDiffusionGLIGENPipeline(
        **{**parts(), "scheduler": scheduler},
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    stock.set_progress_bar_config(disable=True)
    for layout in LAYOUTS[:3]:
        options = {"num_inference_steps": STEPS, "guidance_scale": 7.5, "output_type": "latent"}
        theirs = stock(
            [layout.prompt],
            negative_prompt=[layout.negative_prompt],
            gligen_phrases=list(layout.phrases),
            gligen_boxes=layout.boxes.tolist(),
            gligen_scheduled_sampling_beta=grounded_share,
            generator=torch.Generator().manual_seed(layout.seed),
            **options,
        ).images
        assert (latents_of(door, [layout]) - theirs).abs().max() <= 1e-4
        assert (latents_of(door, moved([layout])) - theirs).abs().max() > 0.3  # the control: boxes matter


def test_a_batch_gives_the_pictures_that_each_layout_gives_alone(door):
    together, wrong = door.paint(LAYOUTS), door.paint(moved(LAYOUTS))
    for layout, picture, other in zip(LAYOUTS, together, wrong, strict=True):
        assert picture.shape == (SIDE_PX, SIDE_PX, 3)
        assert picture.dtype == np.uint8
        assert difference(picture, door.paint([layout])[0]) <= 1
        assert difference(picture, other) > 8


def test_a_picture_does_not_depend_on_the_others_of_its_batch(door):
    first = door.paint(LAYOUTS[:3])
    second = door.paint([LAYOUTS[4], LAYOUTS[2], LAYOUTS[1]])
    assert difference(first[2], second[1]) <= 1
    assert difference(first[1], second[2]) <= 1
    assert difference(*door.paint([LAYOUTS[1], replace(LAYOUTS[1], seed=99)])) > 8


def test_each_part_of_a_layout_has_its_effect(door):
    plain, *others = door.paint(
        [
            LAYOUTS[1],
            replace(LAYOUTS[1], prompt="a cone"),
            replace(LAYOUTS[1], negative_prompt="a cone"),
            replace(LAYOUTS[1], phrases=("a cone",)),
            replace(LAYOUTS[1], boxes=np.array([[0.0, 0.0, 1.0, 0.5]])),
        ]
    )
    assert all(difference(plain, other) > 2 for other in others)


def test_without_grounded_steps_the_boxes_have_no_effect(folder):
    door = GligenDoor.load(str(folder), PaintSettings(steps=STEPS, grounded_share=0), device="cpu")
    assert np.array_equal(door.paint(LAYOUTS), door.paint(moved(LAYOUTS)))


def test_without_guidance_half_the_work_is_done(folder):
    door = GligenDoor.load(str(folder), PaintSettings(steps=STEPS, guidance=1), device="cpu")
    seen = sizes_seen(door)
    assert all(isinstance(picture, np.ndarray) for picture in door.paint(LAYOUTS))
    assert seen == [len(LAYOUTS)] * STEPS


def test_in_half_precision_boxes_stay_where_they_are(folder):
    """In bfloat16 alone, the corners of boxes would be rounded to multiples of two pixels of 512."""
    door = GligenDoor.load(str(folder), PaintSettings(steps=2, precision="bfloat16"), device="cpu")
    near = replace(LAYOUTS[3], boxes=LAYOUTS[3].boxes + 0.5 / 512)
    assert np.array_equal(*(torch.tensor(each.boxes).to(torch.bfloat16).float() for each in (LAYOUTS[3], near)))
    with torch.no_grad():
        first, second = (door.grounding([each])["gligen"]["input"] for each in (LAYOUTS[3], near))
    assert first.dtype == door.pipe.unet.dtype == torch.bfloat16
    assert not torch.equal(first, second)
    assert isinstance(door.paint(LAYOUTS[:1])[0], np.ndarray)


def test_what_is_refused_is_refused_before_anything_is_painted(door):
    seen = sizes_seen(door)
    bad = replace(LAYOUTS[3], prompt="a photo of a dog " * 20)
    assert door.refusals([bad, LAYOUTS[0]]) == ["its prompt has 102 tokens and would be cut at 77", None]
    assert isinstance(door.paint([bad])[0], PaintFailure)
    assert seen == []
    good, failure, other = door.paint([LAYOUTS[0], bad, LAYOUTS[1]])
    assert failure == PaintFailure("its prompt has 102 tokens and would be cut at 77")
    assert difference(good, door.paint([LAYOUTS[0]])[0]) <= 1
    assert difference(other, door.paint([LAYOUTS[1]])[0]) <= 1


def test_a_batch_that_does_not_fit_into_memory_is_halved_and_that_is_remembered(door):
    expected = door.paint(LAYOUTS)
    seen = sizes_seen(door)

    def full(_, inputs):
        if len(inputs[0]) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    door.pipe.unet.register_forward_pre_hook(full)
    assert all(difference(a, b) <= 1 for a, b in zip(door.paint(LAYOUTS), expected, strict=True))
    assert door.batches.count == 2
    assert seen == [10, *[4] * STEPS, *[4] * STEPS, *[2] * STEPS]
    seen.clear()
    door.paint(LAYOUTS)
    assert max(seen) == 4


def test_too_little_memory_for_one_picture_is_said(door):
    def full(*_):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    door.pipe.unet.register_forward_pre_hook(full)
    with pytest.raises(ModelError, match="does not suffice for a single picture") as caught:
        door.paint(LAYOUTS)
    assert caught.value.hint


def test_an_error_that_is_not_of_memory_is_not_hidden(door):
    def broken(*_):
        raise RuntimeError("a bug")

    door.pipe.unet.register_forward_pre_hook(broken)
    with pytest.raises(RuntimeError, match="a bug"):
        door.paint(LAYOUTS)


def test_a_picture_whose_arithmetic_overflows_is_a_failure_and_spares_the_others(door):
    expected = door.paint(LAYOUTS)

    def overflow(_, inputs, output):
        output[0][1] = float("nan")
        return output

    hook = door.pipe.unet.register_forward_hook(overflow)
    painted = door.paint(LAYOUTS)
    hook.remove()
    assert isinstance(painted[1], PaintFailure)
    assert "overflowed" in painted[1].reason
    assert all(difference(painted[row], expected[row]) <= 1 for row in (0, 2, 3, 4))


def test_the_safety_checkers_black_picture_is_a_failure(tmp_path, door):
    strict, lax = (
        GligenDoor.load(str(save(tmp_path / str(flags_all), safety=flags_all)), door.settings, device="cpu")
        for flags_all in (True, False)
    )
    assert strict.paint(LAYOUTS[:2]) == [PaintFailure("the safety checker blacked the picture out")] * 2
    assert difference(lax.paint(LAYOUTS[:1])[0], door.paint(LAYOUTS[:1])[0]) <= 1


def test_pickled_weights_of_the_old_layout_paint_the_same_picture(tmp_path, door):
    old = save(tmp_path / "old", old=True)
    assert not list(old.rglob("*.safetensors"))
    other = GligenDoor.load(str(old), door.settings, device="cpu")
    for name, weight in other.pipe.unet.named_parameters():
        assert torch.equal(weight, dict(door.pipe.unet.named_parameters())[name].half().float())
    wrong = door.paint(moved(LAYOUTS))
    for ours, theirs, control in zip(door.paint(LAYOUTS), other.paint(LAYOUTS), wrong, strict=True):
        away = np.abs(ours.astype(int) - theirs).mean()
        assert away < 0.5  # half precision rounds the weights
        assert np.abs(ours.astype(int) - control).mean() > 4 * away


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


def test_a_pickle_that_wants_more_than_tensors_is_refused_and_not_run(tmp_path, folder):
    for part, name in (("unet", "diffusion_pytorch_model.bin"), ("text_encoder", "pytorch_model.bin")):
        bad, marker = Path(shutil.copytree(folder, tmp_path / part)), tmp_path / "it ran"
        next((bad / part).glob("*.safetensors")).unlink()
        torch.save({"conv_in.weight": Evil(marker)}, bad / part / name)
        with pytest.raises(ModelError, match="a pickle that wants more than tensors") as caught:
            GligenDoor.load(str(bad), device="cpu")
        assert caught.value.hint
        assert not marker.exists()


def change_config(folder, part="unet", **values):
    path = folder / part / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def drop_tensors(folder, part, *, of):
    path = next((folder / part).glob("*.safetensors"))
    kept = {name: value for name, value in safetensors.torch.load_file(path).items() if of not in name}
    safetensors.torch.save_file(kept, path, metadata={"format": "pt"})


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_pickle(folder):
    weights = safetensors.torch.load_file(folder / "vae/diffusion_pytorch_model.safetensors")
    (folder / "vae/diffusion_pytorch_model.safetensors").unlink()
    torch.save(weights, folder / "vae/diffusion_pytorch_model.bin")
    cut_in_half(folder / "vae/diffusion_pytorch_model.bin")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "unet/diffusion_pytorch_model.safetensors").unlink(), "lacks weights in unet"),
        (lambda f: (f / "vae/config.json").unlink(), "lacks vae/config.json"),
        (lambda f: shutil.rmtree(f / "tokenizer"), "lacks tokenizer/vocab.json, tokenizer/merges.txt"),
        (lambda f: shutil.rmtree(f / "scheduler"), "lacks scheduler/scheduler_config.json"),
        (lambda f: [shutil.rmtree(p) for p in f.iterdir() if p.is_dir()], "lacks unet/config.json, vae/config.json"),
        (lambda f: cut_in_half(f / "unet/diffusion_pytorch_model.safetensors"), "safetensors is damaged"),
        (cut_pickle, "bin is damaged"),
        (lambda f: (f / "unet/config.json").write_text("{"), "config.json is not JSON"),
        (lambda f: (f / "unet/config.json").write_text("[]"), "no gated attention"),
        (lambda f: change_config(f, attention_type="default"), "no gated attention"),
        (lambda f: drop_tensors(f, "unet", of=".fuser."), "no gated attention"),
        (lambda f: drop_tensors(f, "unet", of="position_net"), "lacks 8 tensors that its config.json asks for"),
        (lambda f: drop_tensors(f, "text_encoder", of="layers.1"), "tensors that its config.json asks for"),
        (lambda f: change_config(f, block_out_channels=[32, 96]), "cannot be loaded"),
        (lambda f: change_config(f, block_out_channels="wide"), "cannot be loaded"),
        (lambda f: (f / "tokenizer/tokenizer.json").write_text("{}"), "cannot be loaded"),
    ],
    ids=[
        "no UNet weights",
        "no VAE config",
        "no tokenizer",
        "no scheduler",
        "nothing at all",
        "a cut safetensors file",
        "a cut pickle",
        "a config that is not JSON",
        "a config that is a list",
        "a plain UNet",
        "gated by its config, not by its tensors",
        "no grounding network",
        "half a text encoder",
        "tensors of other shapes",
        "a config that makes no model",
        "a tokenizer without words",
    ],
)
def test_a_damaged_folder_is_refused_in_one_sentence(copy, damage, message):
    damage(copy)
    with pytest.raises(ModelError, match=message) as caught:
        GligenDoor.load(str(copy), device="cpu")
    assert caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("kind", "message"),
    [("plain", "no gated attention"), ("text-image", "for texts and reference pictures")],
    ids=["weights that are not gated", "text-image weights"],
)
def test_weights_of_another_kind_are_refused(tmp_path, kind, message):
    with pytest.raises(ModelError, match=message):
        GligenDoor.load(str(save(tmp_path, kind)), device="cpu")


def test_inpainting_weights_paint_no_whole_pictures(tmp_path):
    door = GligenDoor.load(str(save(tmp_path, "inpaint")), device="cpu")
    with pytest.raises(ModelError, match="these are inpainting weights"):
        door.paint(LAYOUTS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "no/such/folder"}, "there is no folder no/such/folder"),
        ({"model": "./folder"}, "there is no folder ./folder"),
        ({"model": "nobody/nothing"}, "nobody/nothing is not on this machine and downloads are not allowed"),
        ({"device": "abacus"}, "there is no device 'abacus'"),
        ({"device": "99"}, "there is no GPU cuda:99"),
    ],
    ids=["no such folder", "a relative folder", "a hub id", "an unknown device", "a GPU that is not there"],
)
def test_what_is_not_there_is_said(folder, tmp_path, monkeypatch, options, message):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    options = {"model": str(folder), "device": "cpu", **options}
    with pytest.raises(ModelError, match=message) as caught:
        GligenDoor.load(options.pop("model"), **options)
    assert caught.value.hint


def test_a_full_size_model_needs_leave_to_run_on_a_cpu_and_the_time_is_told(copy):
    change_config(
        copy,
        sample_size=64,
        block_out_channels=[320, 640, 1280, 1280],
        layers_per_block=2,
        attention_head_dim=8,
        cross_attention_dim=768,
        norm_num_groups=32,
        down_block_types=["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
        up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    )
    with pytest.raises(ModelError, match=r"\(1,069 million parameters\)") as caught:
        GligenDoor.load(str(copy), PaintSettings(steps=20), device="cpu")
    assert "20 steps would take about" in caught.value.message


def test_with_leave_a_full_size_model_runs_on_a_cpu(folder, monkeypatch):
    monkeypatch.setattr("generation.gligen_weights.MIN_FULL_SIZE", 1000)  # so that the tiny one counts as such
    with pytest.raises(ModelError, match="is a full-size model"):
        GligenDoor.load(str(folder), device="cpu")
    assert GligenDoor.load(str(folder), device="cpu", allow_cpu=True).side_px == SIDE_PX


def test_the_speed_of_this_cpu_is_plausible():
    assert 1e-4 < cpu_tflop_per_s() < 100
