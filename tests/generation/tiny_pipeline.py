"""Tiny GLIGEN pipelines with random weights, made offline and saved in the folder layout of the real ones.

Their pictures are noise. Their gates are open: in a freshly made UNet they are 0 and boxes have no effect at all, so
that a test of boxes would prove nothing.
"""

import json
import shutil
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
)

torch.set_num_threads(1)  # matrices as tiny as these keep several threads waiting for each other

Kind = Literal["text", "inpaint", "plain", "text-image"]
SIDE_PX = 64
WIDTH = 32  # of the text encoder
GROUNDING_GAIN = 2.5  # on the weights that carry boxes: at their first values, boxes hardly show in a picture
WORDS = ("a", "photo", "of", "person", "dog", "cat", "cone", "hat", "car", "warehouse")
ATTENTION = {"text": "gated", "inpaint": "gated", "plain": "default", "text-image": "gated-text-image"}
OLD_VAE_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def tokenizer() -> CLIPTokenizer:
    """Make a byte-level CLIP tokenizer that knows a few whole words; it cuts at 77 as the real one does."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(byte) for byte in printable] + [chr(256 + number) for number in range(256 - len(printable))]
    tokens = letters + [letter + "</w>" for letter in letters]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            merges += [pair] if pair not in merges else []
            parts = ["".join(pair), *parts[2:]]
            tokens += [parts[0]] if parts[0] not in tokens else []
    tokens += ["<|startoftext|>", "<|endoftext|>"]  # the end has the highest number, as in CLIP
    vocab = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=77)


def unet(kind: Kind = "text", seed: int = 0) -> UNet2DConditionModel:
    """Make a gated UNet of 1.2 million parameters with open gates."""
    torch.manual_seed(seed)
    model = UNet2DConditionModel(
        sample_size=SIDE_PX // 8,
        in_channels=9 if kind == "inpaint" else 4,
        block_out_channels=(32, 64),
        layers_per_block=1,
        attention_head_dim=4,
        cross_attention_dim=WIDTH,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        norm_num_groups=16,
        attention_type=ATTENTION[kind],
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("alpha_attn", "alpha_dense")):
                weight.fill_(0.5 + torch.rand(()).item())
            elif "null_" in name:
                weight.copy_(torch.randn(weight.shape) * 0.1)
            elif name.startswith("position_net.linears") or ".fuser.linear." in name or ".fuser.attn.to_" in name:
                weight.mul_(GROUNDING_GAIN)
    return model.eval()


def parts(kind: Kind = "text", seed: int = 0) -> dict[str, Any]:
    """Make all parts of a pipeline but the safety checker, by the names that diffusers gives them."""
    words = tokenizer()
    torch.manual_seed(seed + 1)
    text_config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=WIDTH,
        bos_token_id=words.bos_token_id,
        eos_token_id=2,  # as in the config of the real ones; the encoder then takes the highest number for the end
        pad_token_id=words.pad_token_id,
    )
    vae = AutoencoderKL(
        block_out_channels=(16, 16, 32, 32),
        latent_channels=4,
        norm_num_groups=16,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        sample_size=SIDE_PX,
    )
    scheduler = PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        steps_offset=1,
        set_alpha_to_one=False,
    )
    encoder = CLIPTextModel(text_config).eval()
    return {
        "unet": unet(kind, seed),
        "vae": vae.eval(),
        "text_encoder": encoder,
        "tokenizer": words,
        "scheduler": scheduler,
    }


def safety_checker(*, flags_all: bool) -> StableDiffusionSafetyChecker:
    """Make a safety checker that objects to every picture, or to none."""
    torch.manual_seed(3)
    vision = CLIPVisionConfig(
        hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4, image_size=32, patch_size=8
    )
    config = CLIPConfig(vision_config=vision.to_dict(), projection_dim=WIDTH)
    checker = StableDiffusionSafetyChecker(config).eval()
    with torch.no_grad():
        bound = -2.0 if flags_all else 2.0  # cosines lie within −1 and 1
        checker.concept_embeds_weights.fill_(bound)
        checker.special_care_embeds_weights.fill_(bound)
    return checker


def save(folder: Path, kind: Kind = "text", *, seed: int = 0, safety: bool | None = None, old: bool = False) -> Path:
    """Save a pipeline as the hub has it and give its folder; `safety` True is a checker that flags every picture.

    `old` is the layout of the published GLIGEN weights: pickled tensors in half precision, a tokenizer of two files,
    names of tensors as they were then.
    """
    made = parts(kind, seed)
    for name, part in made.items():
        part.save_pretrained(folder / name)
    if safety is not None:
        safety_checker(flags_all=safety).save_pretrained(folder / "safety_checker")
        size = {"shortest_edge": 32}, {"height": 32, "width": 32}
        CLIPImageProcessor(size=size[0], crop_size=size[1]).save_pretrained(folder / "feature_extractor")
    index = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.2.2"}
    (folder / "model_index.json").write_text(json.dumps(index))
    if old:
        _make_old(folder, made)
    return folder


def _make_old(folder: Path, made: dict[str, Any]) -> None:
    tensors = {name: made[name].state_dict() for name in ("unet", "vae", "text_encoder")}
    text = {"text_model." + name.removeprefix("text_model."): value for name, value in tensors["text_encoder"].items()}
    text["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    _pickle(folder / "text_encoder" / "pytorch_model.fp16.bin", text)
    vae = {_old_vae_name(name): value for name, value in tensors["vae"].items()}
    _pickle(folder / "vae" / "diffusion_pytorch_model.fp16.bin", vae)
    _pickle(folder / "unet" / "diffusion_pytorch_model.fp16.bin", tensors["unet"])
    vocab = json.loads((folder / "tokenizer" / "tokenizer.json").read_text())["model"]
    shutil.rmtree(folder / "tokenizer")
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(vocab["vocab"]))
    pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in vocab["merges"]]
    (folder / "tokenizer" / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs, ""]))
    config = {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer" / "tokenizer_config.json").write_text(json.dumps(config))
    for path in folder.rglob("*.safetensors"):
        path.unlink()


def _old_vae_name(name: str) -> str:
    if "attentions" in name:
        for new, old in OLD_VAE_NAMES.items():
            name = name.replace(f".{new}.", f".{old}.")
    return name


def _pickle(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    torch.save({name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}, path)
