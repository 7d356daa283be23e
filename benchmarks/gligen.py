"""How fast pictures are painted: our batch of different layouts against one stock GLIGEN call a picture.

    python benchmarks/gligen.py [--compile] [--batch N]

Both paint with the same weights, steps and layouts, in turns, decoding included. With a GPU, the architecture is the
full one with random weights at 512 × 512; without, it is tiny. Exits with 1 where ours is less than twice as fast or,
on a GPU, reaches less than 25 % of the limit that its arithmetic sets (48.0 TFLOP a picture at 20 steps).
Hours and cost of 75,000 pictures are printed for the device found and, by calculation, for an H200 and an A10G.
"""

import argparse
import copy
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from generation.gligen import GligenDoor
from generation.gligen_weights import FULL_DECODE_TFLOP, FULL_UNET_TFLOP, NETWORK_SHARE, cpu_tflop_per_s, ready
from generation.grounding import Layout, PaintFailure, PaintSettings
from tests.generation import tiny_pipeline

STEPS, MIN_RATIO, MIN_SHARE, STRETCH_SHARE, PICTURES = 20, 2.0, 0.25, 0.40, 75_000
PICTURE_TFLOP = 2 * STEPS * FULL_UNET_TFLOP + FULL_DECODE_TFLOP
LIMITS_TFLOP_PER_S = {"H200": 790.0, "A10G": 70.0}  # dense half precision; assumptions, what large products may reach
USD_PER_HOUR = {"H200": 4.0, "A10G": 1.0}  # assumptions, about what clouds ask on demand; look up your own
FULL_UNET = {
    "sample_size": 64,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "attention_type": "gated",
}  # the rest of Stable Diffusion 1.4 are diffusers' defaults
FULL_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 512,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile", action="store_true", help="compile our UNet first")
    parser.add_argument("--batch", type=int, help="pictures in our batch (default: 32 on a GPU, 16 without)")
    options = parser.parse_args()
    has_gpu = torch.cuda.is_available()
    batch = options.batch or (32 if has_gpu else 16)
    settings = PaintSettings(steps=STEPS, batch_count=batch, compile=options.compile)
    stock, door = pair(full_parts() if has_gpu else tiny_pipeline.parts(), settings)
    stock_rate, our_rate = rates(stock, door, layouts(batch))
    ratio = our_rate / stock_rate
    size = "full size, 512 × 512" if has_gpu else f"tiny, {tiny_pipeline.SIDE_PX} × {tiny_pipeline.SIDE_PX}"
    print(f"{size}, {STEPS} steps with guidance, {torch.get_num_threads()} threads of the CPU")
    print(f"{'one stock call a picture':<34}{stock_rate:>9.2f} pictures/s")
    print(f"{f'our batch of {door.batches.count} layouts':<34}{our_rate:>9.2f} pictures/s")
    print(f"ours is {ratio:.2f} times as fast (at least {MIN_RATIO:.0f})")
    share = share_of_limit(our_rate) if has_gpu else None
    tell_cost(our_rate if has_gpu else None, share)
    return 0 if ratio >= MIN_RATIO and (share is None or share >= MIN_SHARE) else 1


def full_parts() -> dict[str, Any]:
    """Make the parts of a full-size GLIGEN with random weights in half precision on the GPU."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    made = tiny_pipeline.parts()
    text = CLIPTextConfig(
        vocab_size=49408, hidden_size=768, intermediate_size=3072, num_attention_heads=12, eos_token_id=2
    )
    torch.manual_seed(0)
    with torch.device("cuda"):
        made["unet"] = UNet2DConditionModel(**FULL_UNET)
        made["vae"] = AutoencoderKL(**FULL_VAE)
        made["text_encoder"] = CLIPTextModel(text)
    for name in ("unet", "vae", "text_encoder"):
        made[name] = made[name].half().eval()
    return made


def pair(made: dict[str, Any], settings: PaintSettings) -> tuple[Any, GligenDoor]:
    """Give the stock GLIGEN pipeline and our door, on the same weights and the same sampler."""
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionGLIGENPipeline, StableDiffusionPipeline
    from diffusers.utils import logging

    logging.set_verbosity_error()
    place = "cuda" if torch.cuda.is_available() else "cpu"
    rest = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipes = []
    for kind in (StableDiffusionGLIGENPipeline, StableDiffusionPipeline):
        scheduler = DPMSolverMultistepScheduler.from_config(made["scheduler"].config)
        own = {**made, "scheduler": scheduler, "unet": copy.deepcopy(made["unet"]), "vae": copy.deepcopy(made["vae"])}
        pipes.append(kind(**own, **rest))
        pipes[-1].set_progress_bar_config(disable=True)
    return pipes[0].to(place), GligenDoor(ready(pipes[1], place, settings), settings)


def layouts(count: int) -> list[Layout]:
    """Make different layouts of one to eight objects; every one wants boxes of 1 % and more."""
    rng, made = np.random.default_rng(0), []
    for number in range(count):
        corner, side = rng.uniform(0, 0.6, (1 + number % 8, 2)), rng.uniform(0.2, 0.4, (1 + number % 8, 2))
        made.append(
            Layout(
                prompt=f"a photo of a {tiny_pipeline.WORDS[3 + number % 6]} in a warehouse",
                phrases=tuple(f"a {tiny_pipeline.WORDS[3 + (number + n) % 6]}" for n in range(len(corner))),
                boxes=np.hstack([corner, corner + side]),
                seed=number,
            )
        )
    return made


def rates(stock: Any, door: GligenDoor, wishes: list[Layout], rounds: int = 3) -> tuple[float, float]:
    """Give pictures per second of the stock pipeline and of our door, measured in turns after a first try of each."""
    few = wishes[: max(1, len(wishes) // 4)]
    ask(stock, few[0])
    paint(door, wishes)
    stock_s = our_s = 0.0
    for _ in range(rounds):  # in turns, so that a busy moment of the machine meets both
        started = time.perf_counter()
        for layout in few:
            ask(stock, layout)
        middle = time.perf_counter()
        paint(door, wishes)
        stock_s, our_s = stock_s + middle - started, our_s + time.perf_counter() - middle
    return rounds * len(few) / stock_s, rounds * len(wishes) / our_s


def ask(stock: Any, layout: Layout) -> Any:
    return stock(
        [layout.prompt],
        negative_prompt=[layout.negative_prompt],
        gligen_phrases=list(layout.phrases),
        gligen_boxes=layout.boxes.tolist(),
        gligen_scheduled_sampling_beta=1.0,
        num_inference_steps=STEPS,
        generator=torch.Generator().manual_seed(layout.seed),
        output_type="np",
    ).images[0]


def paint(door: GligenDoor, wishes: list[Layout]) -> None:
    for picture in door.paint(wishes):
        if isinstance(picture, PaintFailure):
            raise SystemExit(f"a picture was not painted: {picture.reason}")


def share_of_limit(rate: float) -> float:
    """Print and give the share of the GPU's limit that a rate of full-size pictures reaches."""
    name, measured = torch.cuda.get_device_name(), gpu_tflop_per_s()
    stated = next((limit for known, limit in LIMITS_TFLOP_PER_S.items() if known in name), measured)
    limit = max(stated, measured)
    share = rate * PICTURE_TFLOP / limit
    print(f"{name}: {measured:.0f} TFLOP/s in large products, the limit is taken as {limit:.0f}")
    print(f"our batch reaches {share:.0%} of it (at least {MIN_SHARE:.0%}, the stretch is {STRETCH_SHARE:.0%})")
    return share


def gpu_tflop_per_s(side: int = 8192, rounds: int = 20) -> float:
    matrix = torch.ones(side, side, dtype=torch.float16, device="cuda")
    matrix @ matrix
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(rounds):
        matrix @ matrix
    torch.cuda.synchronize()
    return 2 * side**3 * rounds / (time.perf_counter() - started) / 1e12


def tell_cost(gpu_rate: float | None, share: float | None) -> None:
    """Print hours and cost of 75,000 pictures: measured on the GPU that is here, calculated for the others."""
    reached = MIN_SHARE if share is None else share
    print(f"{PICTURES:,} pictures at {PICTURE_TFLOP:.1f} TFLOP each:")
    if gpu_rate:
        print(f"  {PICTURES / gpu_rate / 3600:>9.1f} h on the {torch.cuda.get_device_name()} here, measured")
    else:
        rate = cpu_tflop_per_s() * NETWORK_SHARE / PICTURE_TFLOP
        print(f"  {PICTURES / rate / 3600:>9,.0f} h on the CPU here, calculated from its speed in products")
    for name, limit in LIMITS_TFLOP_PER_S.items():
        hours = PICTURES * PICTURE_TFLOP / (limit * reached) / 3600
        assumed = f"assuming {limit:.0f} TFLOP/s, {reached:.0%} of it reached, {USD_PER_HOUR[name]:.2f} USD an hour"
        print(f"  {hours:>9.1f} h and {hours * USD_PER_HOUR[name]:,.0f} USD on an {name}, {assumed}")


if __name__ == "__main__":
    sys.exit(main())
