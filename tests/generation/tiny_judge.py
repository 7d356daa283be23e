"""Tiny judges with random weights, made offline and saved in the folder layout of the real ones; they see noise."""

import json
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import (
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessor,
    OwlViTConfig,
    OwlViTForObjectDetection,
    OwlViTImageProcessor,
)

from tests.generation.tiny_pipeline import tokenizer

torch.set_num_threads(1)

Kind = Literal["owlv2", "owlvit"]
JUDGE_SIDE_PX = 64
PATCH_PX = 8
MAX_TOKENS = 16


def network(kind: Kind = "owlv2", seed: int = 0) -> Any:
    """Make a model of 64 patches: a box for each patch, where it lies, with a score that its pixels alone decide.

    With the library's first values, patches are mixed at random, scores are 0 or 1 and boxes lie on the border.
    """
    words = tokenizer()
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    marks = {name: getattr(words, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    text = {"vocab_size": len(words), "max_position_embeddings": MAX_TOKENS, **size, **marks}
    eye = {"image_size": JUDGE_SIDE_PX, "patch_size": PATCH_PX, **size}
    torch.manual_seed(seed)
    if kind == "owlv2":
        model = Owlv2ForObjectDetection(Owlv2Config(text_config=text, vision_config=eye, projection_dim=32))
    else:
        model = OwlViTForObjectDetection(OwlViTConfig(text_config=text, vision_config=eye, projection_dim=32))
    vision = getattr(model, kind).vision_model
    with torch.no_grad():
        for last in (model.class_head.logit_shift, model.class_head.logit_scale, model.box_head.dense2):
            last.weight.zero_()
            last.bias.zero_()
        for layer in vision.encoder.layers:
            for last in (layer.self_attn.out_proj, layer.mlp.fc2):
                last.weight.zero_()
                last.bias.zero_()
    return model.eval()


def save_judge(folder: Path, kind: Kind = "owlv2", *, seed: int = 0, old: bool = False) -> Path:
    """Save a judge as the hub has it and give its folder; `old` is pickled weights and a tokenizer of two files."""
    model, words = network(kind, seed), tokenizer()
    words.model_max_length = MAX_TOKENS
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    size = {"height": JUDGE_SIDE_PX, "width": JUDGE_SIDE_PX}
    processor = Owlv2ImageProcessor if kind == "owlv2" else OwlViTImageProcessor
    processor(size=size).save_pretrained(folder)
    if old:
        (folder / "model.safetensors").unlink()
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        vocab = json.loads((folder / "tokenizer.json").read_text())["model"]
        (folder / "tokenizer.json").unlink()
        (folder / "vocab.json").write_text(json.dumps(vocab["vocab"]))
        pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in vocab["merges"]]
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs, ""]))
        (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": MAX_TOKENS}))
    return folder
