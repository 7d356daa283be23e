"""Load a GLIGEN pipeline, and say in a sentence why it cannot be; nothing that a folder names is run or looked up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generation.gligen_files import folder_of, not_gated, tensor_names, unet_config, weights_of
from generation.grounding import PaintSettings
from training.errors import ModelError

MIN_FULL_SIZE = 100_000_000  # parameters; the real UNet has 1,069 million
FULL_PARAMETERS = 1.0686e9
FULL_UNET_TFLOP, FULL_DECODE_TFLOP = 1.1369, 2.5145  # counted at 512 × 512: one evaluation, one picture
NETWORK_SHARE = 0.5  # of the speed of a plain matrix product, about what a whole network reaches on a CPU


@dataclass(frozen=True)
class Loaded:
    """A pipeline ready to run."""

    pipe: Any
    """`StableDiffusionPipeline` with a gated UNet whose `position_net` hands through what it is given."""
    ground: Any
    """The UNet's own `position_net`, in single precision: in half precision, boxes move by up to a pixel."""
    device: str


def load(model: str, settings: PaintSettings, *, device: str | None, allow_download: bool, allow_cpu: bool) -> Loaded:
    """Load a folder or a hub id; `device` is `cpu`, `cuda`, `cuda:1` or `1`, None for the best there is.

    Raises `ModelError` for what is not a whole text-box GLIGEN, and for a full-size model on a CPU without
    `allow_cpu`; both before anything large is read.
    """
    import torch

    place = pick_device(device)
    folder = folder_of(model, allow_download=allow_download)
    files = weights_of(folder, half_first=place != "cpu")
    _be_quiet()
    config = unet_config(folder)
    if place == "cpu" and not allow_cpu:
        _refuse_full_size(folder, config, settings)
    names = {part: tensor_names(path) for part, path in files.items()}
    if not any(".fuser." in name for name in names["unet"]):
        raise not_gated(folder)
    dtype = getattr(torch, settings.precision or ("float32" if place == "cpu" else "float16"))
    pipe = _assemble(folder, {part: _load_part(part, folder, path, dtype) for part, path in files.items()})
    return ready(pipe, place, settings)


def pick_device(device: str | None) -> str:
    """Give the device's name as torch has it; raises `ModelError` for a GPU that is not there."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device is None:
        return "cuda" if count else "cpu"
    name = f"cuda:{device}" if device.isdecimal() else device
    if name == "cpu":
        return name
    kind, _, number = name.partition(":")
    if kind != "cuda" or (number and not number.isdecimal()):
        raise ModelError(f"there is no device {device!r}", hint="give cpu, cuda or the number of a GPU")
    if int(number or 0) >= count:
        raise ModelError(f"there is no GPU {name}: torch sees {count}", hint="check the driver, or give another device")
    return name


def _refuse_full_size(folder: Path, config: dict[str, Any], settings: PaintSettings) -> None:
    """Raise `ModelError` where the UNet is of full size, with an estimate of the time on this CPU."""
    import torch
    from diffusers import UNet2DConditionModel

    with _told_of(folder / "unet" / "config.json"), torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config)
    count = sum(weight.numel() for weight in unet.parameters())
    if count < MIN_FULL_SIZE:
        return
    halves = 2 if settings.guidance > 1 else 1
    tflop = halves * settings.steps * FULL_UNET_TFLOP * count / FULL_PARAMETERS + FULL_DECODE_TFLOP
    minutes = tflop / (cpu_tflop_per_s() * NETWORK_SHARE) / 60
    raise ModelError(
        f"{folder} is a full-size model ({count / 1e6:,.0f} million parameters) and there is no GPU: one picture of "
        f"{settings.steps} steps would take about {minutes:,.0f} minutes here",
        hint="use a machine with a GPU, or allow it with --allow-cpu",
    )


def cpu_tflop_per_s() -> float:
    """Measure how fast this CPU multiplies matrices, in about half a second."""
    import torch

    matrix = torch.ones(1536, 1536)
    best_s = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        matrix @ matrix
        best_s = min(best_s, time.perf_counter() - started)
    return 2 * len(matrix) ** 3 / best_s / 1e12


def _load_part(part: str, folder: Path, path: Path, dtype: Any) -> Any:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPTextModel

    kinds = {
        "unet": UNet2DConditionModel,
        "vae": AutoencoderKL,
        "text_encoder": CLIPTextModel,
        "safety_checker": StableDiffusionSafetyChecker,
    }
    with _told_of(path):
        model, info = kinds[part].from_pretrained(
            folder,
            subfolder=part,
            use_safetensors=path.suffix == ".safetensors",
            variant="fp16" if ".fp16." in path.name else None,
            dtype=dtype,
            local_files_only=True,
            output_loading_info=True,
        )
    if missing := sorted(info["missing_keys"]):  # the library would fill them with chance
        raise ModelError(
            f"{path} lacks {len(missing)} tensors that its config.json asks for, such as {missing[0]}",
            hint="fetch the folder again: its files are not of one model",
        )
    return model.eval()


def _assemble(folder: Path, parts: dict[str, Any]) -> Any:
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
    from transformers import CLIPImageProcessor, CLIPTokenizer

    checker, extractor = parts.get("safety_checker"), None
    with _told_of(folder):
        tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer", local_files_only=True)
        scheduler = DPMSolverMultistepScheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True)
        if checker is not None:
            extractor = CLIPImageProcessor.from_pretrained(folder, subfolder="feature_extractor", local_files_only=True)
    return StableDiffusionPipeline(
        **{**parts, "safety_checker": checker},
        tokenizer=tokenizer,
        scheduler=scheduler,
        feature_extractor=extractor,
        requires_safety_checker=False,
    )


def ready(pipe: Any, place: str, settings: PaintSettings) -> Loaded:
    """Move a whole pipeline to its device and take its `position_net` out; the pipeline itself is changed."""
    import torch

    pipe.set_progress_bar_config(disable=True)
    pipe.to(place)
    ground = pipe.unet.position_net.float()
    pipe.unet.position_net = torch.nn.Identity()  # objects are grounded once a batch, not once a step
    if place != "cpu":
        pipe.unet.to(memory_format=torch.channels_last)
        pipe.vae.to(memory_format=torch.channels_last)
    if settings.compile:
        pipe.unet.compile_repeated_blocks()
    return Loaded(pipe=pipe, ground=ground, device=place)


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    """Turn what the libraries raise about a folder's files into one sentence."""
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{path} cannot be loaded: {first}",
            hint="fetch the folder again: its files are damaged or not of one model",
        ) from error


def _be_quiet() -> None:
    """Keep the libraries from printing progress and advice; what matters is checked here and raised."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
