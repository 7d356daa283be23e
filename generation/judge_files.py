"""Find the files of a judge, in a folder or at a hub id, and look into them before anything large is loaded."""

import json
from pathlib import Path
from typing import Any

from generation import gligen_files
from training.errors import ModelError
from training.files import digest_of, digest_of_file

JUDGE_ID = "google/owlv2-base-patch16-ensemble"
KINDS = ("owlv2", "owlvit")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
PICTURES = ("preprocessor_config.json", "processor_config.json")
TOKENIZER = ("vocab.json", "merges.txt")
TEXTS = ("tokenizer.json", *TOKENIZER, "tokenizer_config.json", "special_tokens_map.json")
FETCH = f"give the folder of an OWLv2 or OWL-ViT model, or fetch {JUDGE_ID} with --allow-download"


def folder_of(model: str, *, allow_download: bool) -> Path:
    """Give the folder of a judge: itself, or the hub's copy on this machine, fetched where that is allowed.

    A hub id is `owner/name`, or `owner/name@revision`; a whole copy that is here is used as it is, without the network.
    Raises `ModelError` where there is no such folder or copy.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    name, _, revision = model.partition("@")
    if name.count("/") != 1 or model.startswith((".", "/", "~")):
        raise ModelError(f"there is no folder {model} with a judge", hint=FETCH)
    try:
        copy = gligen_files.folder_of(model, allow_download=False)
    except ModelError as error:
        if not allow_download:
            raise ModelError(error.message, hint=FETCH) from error
        copy = None
    if copy is not None and (not allow_download or not _missing(copy)):
        return copy
    return _fetched(name, revision or None)


def _fetched(name: str, revision: str | None) -> Path:
    """Fetch what a judge needs; what has arrived is kept."""
    from huggingface_hub import HfApi, snapshot_download  # noqa: PLC0415  # half a second
    from huggingface_hub.errors import HFValidationError, HTTPError, RevisionResolutionError  # noqa: PLC0415

    try:
        there = HfApi().list_repo_files(name, revision=revision)
        weights = [path for path in WEIGHTS if path in there][:1]
        wanted = [*weights, "config.json", *PICTURES, *TEXTS]
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except (HFValidationError, HTTPError, RevisionResolutionError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        hint = "check the id, the network and the disk, then try again; what has arrived is kept"
        raise ModelError(f"{name} could not be fetched: {first}", hint=hint) from error


def weights_of(folder: Path) -> Path:
    """Give the file of the weights, safetensors before a pickle.

    Raises `ModelError` that names everything that is missing, and for a model that is of another kind, damaged, or a
    pickle of more than tensors.
    """
    if (folder / "config.json").is_file():
        _refuse_other_kinds(folder / "config.json")
    if missing := _missing(folder):
        raise ModelError(
            f"{folder} is no whole judge, for it lacks {', '.join(missing)}",
            hint="fetch the files that are named, of one model",
        )
    weights = next(folder / name for name in WEIGHTS if (folder / name).is_file())
    gligen_files.tensor_names(weights)
    return weights


def digest_of_folder(folder: Path) -> str:
    """Give the digest of all files that decide what a judge says."""
    names = [weights_of(folder).name, "config.json", *PICTURES, *TEXTS]
    return digest_of({name: digest_of_file(folder / name) for name in names if (folder / name).is_file()})


def _missing(folder: Path) -> list[str]:
    """Name what a judge wants and the folder has not."""
    there = {path.name for path in folder.iterdir()}
    missing = [name for name in ("config.json",) if name not in there]
    missing += [] if there & set(PICTURES) else [PICTURES[0]]
    missing += [] if "tokenizer.json" in there else [name for name in TOKENIZER if name not in there]
    return missing + ([] if there & set(WEIGHTS) else [WEIGHTS[0]])


def _refuse_other_kinds(path: Path) -> None:
    try:
        config: Any = json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}", hint="fetch the file again") from error
    whole = config if isinstance(config, dict) else {}
    kind = whole.get("model_type")
    if kind not in KINDS:
        raise ModelError(
            f"{path.parent} holds a model of the kind {kind!r}, and a judge is OWLv2 or OWL-ViT",
            hint=f"use weights such as {JUDGE_ID}",
        )
    if not all(isinstance(whole.get(part, {}), dict) for part in ("vision_config", "text_config")):
        raise ModelError(f"{path} is no configuration of a judge", hint="fetch the file again")
