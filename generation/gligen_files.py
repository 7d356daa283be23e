"""Find the files of a GLIGEN pipeline, in a folder or at a hub id, and look into them before anything large is loaded.

The folder is laid out as `diffusers` saves Stable Diffusion: `unet`, `vae`, `text_encoder`, `tokenizer`, `scheduler`,
and maybe `safety_checker` with `feature_extractor`. Safetensors go before pickles, and a pickle may hold tensors and
nothing else.
"""

import json
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError  # noqa: TID251  # the name of an error; nothing is unpickled with it
from typing import Any
from zipfile import is_zipfile

from training.errors import ModelError

GENERATION_ID = "masterful/gligen-1-4-generation-text-box"
INPAINTING_ID = "masterful/gligen-1-4-inpainting-text-box"
STEMS = {
    "unet": ("diffusion_pytorch_model", "diffusion_pytorch_model"),
    "vae": ("diffusion_pytorch_model", "diffusion_pytorch_model"),
    "text_encoder": ("model", "pytorch_model"),
    "safety_checker": ("model", "pytorch_model"),
}
"""Names of weights without their endings: as safetensors, and pickled."""
CONFIGS = ("unet/config.json", "vae/config.json", "text_encoder/config.json", "scheduler/scheduler_config.json")
TOKENIZER = ("tokenizer/vocab.json", "tokenizer/merges.txt")
CHECKER = ("safety_checker/config.json", "feature_extractor/preprocessor_config.json")
OPTIONAL = (
    "model_index.json",
    "tokenizer/tokenizer.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/special_tokens_map.json",
)

Has = Callable[[str], bool]
FETCH = "give the folder of the weights, or fetch them with --allow-download; docs/gligen.md names ids and sizes"


def folder_of(model: str, *, allow_download: bool) -> Path:
    """Give the folder of a model: itself, or the hub's copy on this machine, fetched where that is allowed.

    A hub id is `owner/name`, or `owner/name@revision`; a whole copy that is here is used as it is, without the network.
    Raises `ModelError` where there is no such folder or copy.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if model.count("/") < 1 or model.startswith((".", "/", "~")) or model.partition("@")[0].count("/") != 1:
        raise ModelError(f"there is no folder {model} with GLIGEN weights", hint=FETCH)
    name, _, revision = model.partition("@")
    copy = _local_copy(name, revision or None)
    if copy is not None and (not allow_download or not _missing(copy)):
        return copy
    if not allow_download:
        raise ModelError(f"{name} is not on this machine and downloads are not allowed", hint=FETCH)
    return _fetched(name, revision or None)


def _local_copy(name: str, revision: str | None) -> Path | None:
    """Give the hub's copy on this machine, maybe of some of its files; None without one."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415  # half a second
    from huggingface_hub.errors import (  # noqa: PLC0415
        HFValidationError,
        IncompleteSnapshotError,
        LocalEntryNotFoundError,
    )

    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    except IncompleteSnapshotError as error:
        return Path(error.snapshot_path)
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise ModelError(f"{name} is neither a folder here nor an id of the hub", hint=FETCH) from error


def _fetched(name: str, revision: str | None) -> Path:
    """Fetch what a pipeline needs, weights in half precision where there are such; what has arrived is kept."""
    from huggingface_hub import HfApi, snapshot_download  # noqa: PLC0415
    from huggingface_hub.errors import HTTPError, RevisionResolutionError  # noqa: PLC0415

    try:
        names = set(HfApi().list_repo_files(name, revision=revision))
        weights = [path for part in STEMS if (path := choose(part, names.__contains__, half_first=True))]
        wanted = [*weights, *CONFIGS, *TOKENIZER, *CHECKER, *OPTIONAL]
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except (HTTPError, RevisionResolutionError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        hint = "check the id, the network and the disk, then try again; what has arrived is kept"
        raise ModelError(f"{name} could not be fetched: {first}", hint=hint) from error


def choose(part: str, has: Has, *, half_first: bool) -> str | None:
    """Give the file of a part's weights among those that are there: safetensors before pickles, None without any."""
    safe, pickled = STEMS[part]
    precisions = (".fp16", "") if half_first else ("", ".fp16")
    names = [f"{part}/{safe}{precision}.safetensors" for precision in precisions]
    names += [f"{part}/{pickled}{precision}.bin" for precision in precisions]
    return next((name for name in names if has(name)), None)


def weights_of(folder: Path, *, half_first: bool) -> dict[str, Path]:
    """Give the file of each part's weights; raises `ModelError` that names everything that is missing."""
    if missing := _missing(folder):
        raise ModelError(
            f"{folder} is no whole GLIGEN pipeline, for it lacks {', '.join(missing)}",
            hint="fetch the files that are named; a single .ckpt or .safetensors file has to be converted first",
        )
    found = {part: choose(part, _has(folder), half_first=half_first) for part in STEMS}
    if not _has(folder)(CHECKER[0]):
        found["safety_checker"] = None
    return {part: folder / name for part, name in found.items() if name}


def _missing(folder: Path) -> list[str]:
    """Name what a whole pipeline wants and the folder has not; the safety checker is whole or not there."""
    has = _has(folder)
    parts = ["unet", "vae", "text_encoder", *(["safety_checker"] if has(CHECKER[0]) else [])]
    files = [*CONFIGS, *(CHECKER[1:] if has(CHECKER[0]) else [])]
    files += [] if has("tokenizer/tokenizer.json") else TOKENIZER
    missing = [name for name in files if not has(name)]
    return missing + [f"weights in {part}" for part in parts if not choose(part, has, half_first=True)]


def _has(folder: Path) -> Has:
    return lambda name: (folder / name).is_file()


def unet_config(folder: Path) -> dict[str, Any]:
    """Give the UNet's configuration; raises `ModelError` unless it is one of GLIGEN's for texts and boxes."""
    path = folder / "unet" / "config.json"
    try:
        config = json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}", hint="fetch the file again") from error
    kind = config.get("attention_type") if isinstance(config, dict) else None
    if kind == "gated-text-image":
        raise ModelError(
            f"{folder} holds GLIGEN weights for texts and reference pictures, and texts alone are given",
            hint=f"use text-box weights such as {GENERATION_ID}",
        )
    if kind != "gated":
        raise not_gated(folder)
    return dict(config)


def not_gated(folder: Path) -> ModelError:
    """Give the error of weights that would ignore every box."""
    return ModelError(
        f"{folder} holds no GLIGEN weights: its UNet has no gated attention and would ignore every box",
        hint=f"use text-box weights such as {GENERATION_ID}",
    )


def tensor_names(path: Path) -> frozenset[str]:
    """Give the names of a file's tensors; raises `ModelError` for a damaged one and for a pickle that wants more."""
    return _safe_names(path) if path.suffix == ".safetensors" else _pickled_names(path)


def _safe_names(path: Path) -> frozenset[str]:
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    try:
        with safe_open(path, framework="pt") as file:
            return frozenset(file.keys())
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _pickled_names(path: Path) -> frozenset[str]:
    import torch

    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except UnpicklingError as error:
        if "Unsupported" not in str(error):
            raise _damaged(path, error) from error
        raise ModelError(
            f"{path} is a pickle that wants more than tensors, and loading it would run code of its own",
            hint="do not use it; take safetensors, or weights from a source that you trust",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error
    if not isinstance(tensors, dict) or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise ModelError(f"{path} does not hold named tensors", hint="it is no file of weights: fetch it again")
    return frozenset(str(name) for name in tensors)


def _damaged(path: Path, error: Exception) -> ModelError:
    return ModelError(f"{path} is damaged: {str(error).strip().splitlines()[0]}", hint="fetch the file again")
