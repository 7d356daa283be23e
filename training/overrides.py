"""Which of ultralytics' training settings may be set beside ours: those that touch every arm alike, and nothing else.

Allowed are augmentations, weights of the loss and the optimiser. What names files, what another setting of ours
decides, what would make the arms of a round unequal, and what does nothing for boxes is refused, each with its reason.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

Value = bool | int | float | str


@dataclass(frozen=True)
class Within:
    """A number between two bounds, both included."""

    low: float
    high: float
    whole: bool = False
    """Whether it must be an integer."""


@dataclass(frozen=True)
class OneOf:
    """One of some values."""

    values: tuple[Value, ...]


_SHARE = Within(0, 1)
_BELOW_ONE = Within(0, 0.999)  # Adam refuses a beta of 1

ALLOWED: dict[str, Within | OneOf] = {
    **dict.fromkeys(("hsv_h", "hsv_s", "hsv_v", "translate", "scale", "flipud", "fliplr", "bgr"), _SHARE),
    **dict.fromkeys(("mosaic", "mixup", "cutmix", "lrf", "weight_decay", "warmup_bias_lr"), _SHARE),
    **dict.fromkeys(("momentum", "warmup_momentum"), _BELOW_ONE),
    **dict.fromkeys(("box", "cls", "dfl"), Within(0, 100)),
    "degrees": Within(0, 180),
    "shear": Within(0, 45),
    "perspective": Within(0, 0.001),  # what ultralytics calls usual; far beyond it corners lie behind the camera
    "warmup_epochs": Within(0, 100),
    "close_mosaic": Within(0, 10_000, whole=True),
    "freeze": Within(0, 1000, whole=True),
    "cos_lr": OneOf((False, True)),
    "optimizer": OneOf(("AdamW", "Adam", "Adamax", "NAdam", "RAdam", "RMSProp", "SGD", "MuSGD")),
}
"""What may be set, with its bounds: narrower than ultralytics' where its values would end in an exception."""

_OURS = {
    "lr0": "training.lr0",
    "imgsz": "training.imgsz",
    "device": "training.device",
    "seed": "training.seed",
    "epochs": "training.max_updates",
    "time": "training.max_updates",
    "batch": "training.batch",
    "nbs": "training.batch",
    "model": "training.model",
    "pretrained": "training.model",
}
_FILES = "Curate decides which files are read and written"
_EQUAL = "the arms of a round would no longer be trained alike"
_CHOSEN = "no model is chosen on photos while it trains: they judge it later"
_BOXES = "it does nothing for a detector of boxes"
_NUMBERS = "Curate keeps what repeats bit by bit"
_REFUSED = {
    **dict.fromkeys(("data", "project", "name", "save_dir", "exist_ok", "cfg", "source", "resume", "save"), _FILES),
    **dict.fromkeys(("save_period", "cache", "plots", "verbose", "profile", "tracker"), _FILES),
    **dict.fromkeys(("fraction", "cls_pw", "rect", "classes", "augmentations", "distill_model", "dis"), _EQUAL),
    **dict.fromkeys(("val", "split", "patience", "max_det", "conf", "iou"), _CHOSEN),
    **dict.fromkeys(("copy_paste", "copy_paste_mode", "erasing", "dropout", "auto_augment"), _BOXES),
    **dict.fromkeys(("overlap_mask", "mask_ratio", "pose", "kobj", "rle", "angle"), _BOXES),
    **dict.fromkeys(("deterministic", "workers", "amp", "compile", "channels_last", "quantize"), _NUMBERS),
    "single_cls": "the classes are those of the data",
    "cls_remap": "classes are matched by name",
    "multi_scale": "a fit would need more memory by chance; set training.imgsz",
}


def problems(overrides: Mapping[str, Value]) -> list[str]:
    """Say what is wrong with overrides, a sentence a key that opens with its dotted name; none where all may be set."""
    return [f"training.overrides.{key}: {said}" for key, value in overrides.items() if (said := _problem(key, value))]


def _problem(key: str, value: Value) -> str:
    if key in _OURS:
        return f"set {_OURS[key]} instead"
    if key in _REFUSED:
        return f"may not be set: {_REFUSED[key]}"
    match ALLOWED.get(key):
        case Within() as bounds:
            return "" if _is_within(value, bounds) else f"should be {_words(bounds)}, got {value!r}"
        case OneOf(values):
            return "" if _is_one_of(value, values) else f"should be one of {_listed(values)}, got {value!r}"
        case None:
            near = difflib.get_close_matches(key, ALLOWED, n=1)
            return "no such setting" + (f" (did you mean '{near[0]}'?)" if near else "")


def _is_within(value: Value, bounds: Within) -> bool:
    is_number = isinstance(value, int if bounds.whole else int | float) and not isinstance(value, bool)
    return is_number and bounds.low <= float(value) <= bounds.high


def _is_one_of(value: Value, values: tuple[Value, ...]) -> bool:
    return any(type(value) is type(known) and value == known for known in values)


def _words(bounds: Within) -> str:
    return f"{'an integer' if bounds.whole else 'a number'} from {bounds.low:g} to {bounds.high:g}"


def _listed(values: tuple[Value, ...]) -> str:
    return ", ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)
