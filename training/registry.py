"""Memory of models: weights by the digest of their content, never overwritten."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from training.errors import DamagedFile, ModelError
from training.files import digest_of_file, write_json, write_text, write_with
from training.records import ModelVersion


@dataclass(frozen=True)
class Registry:
    """The folder `models` of a workspace."""

    folder: Path

    def add(self, weights: Path, version: ModelVersion) -> None:
        """Keep a copy of the weights under their id; the note is written last. Damaged weights are put back."""
        place = self.folder / version.model_id
        if (place / "model.json").is_file() and _is_whole(place):
            return
        with weights.open("rb") as bytes_in:
            write_with(place / "weights.pt", lambda file: shutil.copyfileobj(bytes_in, file))
        write_text(place / "weights.digest", digest_of_file(place / "weights.pt") + "\n")
        write_json(place / "model.json", version.plain())

    def get(self, model_id: str) -> ModelVersion:
        """Give a version by its id; raises `ModelError` where there is none."""
        note = self.folder / model_id / "model.json"
        if not note.is_file():
            raise ModelError(
                f"there is no model {model_id} in {self.folder}", hint="redo the step that made it: --redo"
            )
        try:
            return ModelVersion.model_validate_json(note.read_text(encoding="utf-8"))
        except (ValidationError, UnicodeDecodeError) as error:
            raise DamagedFile(f"{note} cannot be read", hint="restore it, or redo the step that made it") from error

    def weights(self, model_id: str) -> Path:
        """Give the path of a model's weights; raises `DamagedFile` where they are not what was stored."""
        place = self.folder / model_id
        path = place / "weights.pt"
        if not _is_whole(place):
            raise DamagedFile(f"{path} is missing or has changed", hint="restore it, or redo the step that made it")
        return path


def _is_whole(place: Path) -> bool:
    weights, noted = place / "weights.pt", place / "weights.digest"
    return weights.is_file() and noted.is_file() and noted.read_bytes().strip() == digest_of_file(weights).encode()
