"""Door to ultralytics' training: one fit, from what was asked to averaged weights, in one go or continued from a seal.

ultralytics would go on by itself in two cases in which we must not: where memory runs out in the first epoch it halves
the batch, and where a loss is no number it goes back to its last checkpoint. Both end the fit here, so that whoever
asked can treat all arms alike.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from training.checkpoint import is_finite, load, state_digest, version
from training.errors import CurateError, Diverged, ModelError, OutOfMemory
from training.files import digest_of, digest_of_file, write_with
from training.overrides import problems
from training.records import FitSettings
from training.seal import Seal, seal, unbroken_seal

Say = Callable[[int, int, str], None]
SEAL_EVERY_S = 120.0
"""A fit that is killed loses so much at most, beside the epoch that it was in."""
_DATA_KEYS = {"path", "train", "val", "names"}
_IN_WORDS = {
    "BatchNorm a single value": (
        "the last batch of an epoch would hold a single picture, which is too little at this size",
        "set training.imgsz to 64 or more, or another training.batch",
    ),
    "froze the entire model": (
        "training.overrides.freeze leaves nothing to train",
        "freeze fewer layers",
    ),
}
"""Words of ultralytics' exceptions about settings, with our sentence and hint."""


def fit(request: dict[str, Any], folder: Path, say: Say) -> dict[str, Any]:
    """Train to the last epoch and leave its averaged weights in `weights.pt`; no checkpoint is chosen.

    `request` has `weights`, `data` (our data YAML), `settings` and `question`, the digest of all that was asked beside
    the settings. A fit that was killed continues from its last seal. Raises `Diverged` where a loss or a weight is no
    number or nothing is learned any more, `OutOfMemory` where ultralytics would go on with a smaller batch.
    """
    settings = FitSettings.model_validate(request["settings"])
    _refuse(settings, Path(request["data"]))
    ours = arguments(settings)
    asked = digest_of([request["question"], ours, version()])
    found = unbroken_seal(folder, asked=asked)
    model = load(str(folder / found.file) if found else request["weights"])
    given = ours | {"data": request["data"], "save_dir": str(folder / "run")}
    continued = (*found.continued, found.epochs_done + 1) if found else ()
    _Watch(given, epochs_done=found.epochs_done if found else 0, say=say).attach(model)
    every_s = float(request.get("seal_every_s", SEAL_EVERY_S))
    _Sealer(folder, asked, continued, every_s, last_s=time.monotonic()).attach(model)
    shutil.rmtree(folder / "run", ignore_errors=True)
    _train(model, given, folder, found)
    last = folder / "run" / "weights" / "last.pt"
    trained = load(str(last))
    if not is_finite(trained.model):
        raise Diverged("training ended in weights that are not numbers", hint="try a smaller training.lr0")
    with last.open("rb") as weights:
        write_with(folder / "weights.pt", lambda file: shutil.copyfileobj(weights, file))
    return {
        "question": request["question"],
        "digest": state_digest(trained),
        "weights_digest": digest_of_file(folder / "weights.pt"),
        "history": history_of(continued, settings.epochs),
    }


def arguments(settings: FitSettings) -> dict[str, Any]:
    """Give what ultralytics is told of a fit, beside places: our defaults, then what the settings override."""
    on_cpu = settings.device == "cpu"
    ours = {
        "epochs": settings.epochs,
        "imgsz": settings.imgsz,
        "batch": min(settings.at_once or settings.batch, settings.batch),
        "nbs": settings.batch,  # else gradients of 64 pictures are gathered before a step
        "seed": settings.seed,
        "device": settings.device,
        "optimizer": "AdamW",
        "lr0": settings.lr0,
        "cos_lr": True,
        "warmup_epochs": 1,
        "warmup_bias_lr": 0.0,  # the default of 0.1 is meant for SGD
        "close_mosaic": max(1, settings.epochs // 4),
        "deterministic": True,
        "single_cls": False,  # foreign weights may bring this setting along
        "amp": not on_cpu,
        "workers": 0 if on_cpu else 4,
        "val": False,
        "plots": False,
        "patience": 0,
    }
    return ours | settings.overrides


def history_of(continued: tuple[int, ...], epochs: int) -> str:
    """Say how a fit ran; `continued` are the epochs at which it was taken up again."""
    if not continued:
        return "in one go"
    return f"continued from epoch {' and '.join(str(epoch) for epoch in continued)} of {epochs}"


def _refuse(settings: FitSettings, data: Path) -> None:
    """Refuse what nobody who uses this door would ask: it is checked before, and must not be believed."""
    if wrong := problems(settings.overrides):
        raise CurateError("; ".join(wrong), hint="mend training.overrides")
    described = yaml.safe_load(data.read_text(encoding="utf-8"))
    if set(described) != _DATA_KEYS:
        raise CurateError(f"{data} is not a data YAML of ours", hint="run the command again: it writes it anew")


def _train(model: Any, given: dict[str, Any], folder: Path, found: Seal | None) -> None:
    try:
        model.train(**given, **({"resume": str(folder / found.file)} if found else {}))
    except (ValueError, RuntimeError) as error:
        for mark, (sentence, hint) in _IN_WORDS.items():
            if mark in str(error):
                raise ModelError(sentence, hint=hint) from error
        raise


@dataclass
class _Watch:
    """Reports every batch, and ends the fit where ultralytics does not do what it was told, or goes astray."""

    given: dict[str, Any]
    epochs_done: int
    """Before this process."""
    say: Say
    batches: int = 0
    """Shown by this process."""

    def attach(self, model: Any) -> None:
        model.add_callback("on_pretrain_routine_start", self._before_data)
        model.add_callback("on_train_epoch_start", self._before_epoch)
        model.add_callback("on_train_batch_end", self._after_batch)
        model.add_callback("on_train_epoch_end", self._after_epoch)

    def _before_data(self, trainer: Any) -> None:
        other = sorted(name for name, value in self.given.items() if getattr(trainer.args, name) != value)
        if other:
            raise ModelError(f"ultralytics would train with other settings: {', '.join(other)}", hint="is it too new?")

    def _before_epoch(self, trainer: Any) -> None:
        if trainer.batch_size != self.given["batch"]:
            raise OutOfMemory("the pictures of a batch do not fit into memory", hint="try a smaller training.imgsz")
        if trainer.epoch < self.epochs_done:
            raise ModelError("ultralytics does not continue from the sealed checkpoint", hint="is it too new?")

    def _after_batch(self, trainer: Any) -> None:
        if not trainer.loss.isfinite():
            raise _diverged(trainer, "the loss is no number any more")
        if not trainer.loss:  # every logit lies below -100: nothing is found, so nothing is matched and nothing learned
            raise _diverged(trainer, "the network finds nothing any more")
        self.batches += 1
        a_pass, epochs = len(trainer.train_loader), self.given["epochs"]
        loss = sum(float(part) for part in trainer.label_loss_items(trainer.tloss).values())
        done = self.epochs_done * a_pass + self.batches
        self.say(done, a_pass * epochs, f"epoch {trainer.epoch + 1}/{epochs}, loss {loss:.2f}")

    def _after_epoch(self, trainer: Any) -> None:
        if not (is_finite(trainer.model) and is_finite(trainer.ema.ema)):  # saving would write zeros in their place
            raise _diverged(trainer, "a weight is no number any more")


def _diverged(trainer: Any, what: str) -> Diverged:
    return Diverged(f"{what}, in epoch {trainer.epoch + 1}", hint="try a smaller training.lr0")


@dataclass
class _Sealer:
    """Seals what ultralytics saved after an epoch, if the last seal is old enough; the last epoch needs none."""

    folder: Path
    asked: str
    continued: tuple[int, ...]
    every_s: float
    last_s: float

    def attach(self, model: Any) -> None:
        model.add_callback("on_model_save", self._after_save)

    def _after_save(self, trainer: Any) -> None:
        done = trainer.epoch + 1
        if done < trainer.epochs and time.monotonic() - self.last_s >= self.every_s:
            seal(self.folder, trainer.last, asked=self.asked, epochs_done=done, continued=self.continued)
            self.last_s = time.monotonic()
