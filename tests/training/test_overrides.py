"""What may be set of ultralytics' training: checked by our table, which the real ultralytics must agree with."""

from typing import Any

import pytest

from training.overrides import ALLOWED, OneOf, Within, problems

FINE: dict[str, Any] = {
    "mosaic": 0.5, "hsv_h": 0, "degrees": 10, "weight_decay": 0.001, "warmup_epochs": 0.5, "close_mosaic": 0,
    "freeze": 10, "cos_lr": False, "optimizer": "SGD", "cls": 1.5, "momentum": 0.9,
}  # fmt: skip
WRONG: dict[str, tuple[str, Any, str]] = {
    "a setting of ours": ("epochs", 5, "training.overrides.epochs: set training.max_updates instead"),
    "the batch by its other name": ("nbs", 64, "set training.batch instead"),
    "a place": ("project", "/elsewhere", "may not be set: Curate decides which files are read and written"),
    "a file": ("resume", "last.pt", "may not be set: Curate decides"),
    "unequal arms": ("cls_pw", 0.5, "the arms of a round would no longer be trained alike"),
    "choosing on val": ("patience", 5, "no model is chosen on photos"),
    "nothing for boxes": ("erasing", 0.4, "does nothing for a detector of boxes"),
    "a slip": ("mosiac", 0.5, "no such setting (did you mean 'mosaic'?)"),
    "nonsense": ("zzzzzz", 1, "training.overrides.zzzzzz: no such setting"),
    "too much": ("mixup", 1.5, "should be a number from 0 to 1, got 1.5"),
    "too little": ("degrees", -1, "should be a number from 0 to 180, got -1"),
    "no number": ("box", float("nan"), "should be a number from 0 to 100, got nan"),
    "endless": ("box", float("inf"), "should be a number from 0 to 100"),
    "a word for a number": ("mosaic", "0.5", "should be a number from 0 to 1, got '0.5'"),
    "a switch for a number": ("mosaic", True, "should be a number from 0 to 1, got True"),
    "a fraction of a layer": ("freeze", 1.5, "should be an integer from 0 to 1000, got 1.5"),
    "a number for a switch": ("cos_lr", 1, "should be one of false, true, got 1"),
    "an optimiser that chooses by the number of updates": ("optimizer", "auto", "should be one of AdamW, Adam"),
    "a beta that Adam refuses": ("momentum", 1.0, "should be a number from 0 to 0.999"),
}


def test_settings_of_the_optimiser_the_loss_and_the_augmentation_may_be_set() -> None:
    assert problems(FINE) == []


@pytest.mark.parametrize("name", WRONG)
def test_what_may_not_be_set_is_told_with_its_reason(name: str) -> None:
    key, value, said = WRONG[name]
    (problem,) = problems({key: value})
    assert problem.startswith(f"training.overrides.{key}: ")
    assert said in problem


def test_every_problem_is_told_at_once() -> None:
    assert len(problems({"epochs": 1, "mosaic": 0.1, "project": "x", "mixup": 7})) == 3


def bounds() -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, kind in ALLOWED.items():
        match kind:
            case Within(low, high, whole):
                pairs += [(key, int(low)), (key, int(high) if whole else high)]
            case OneOf(values):
                pairs += [(key, value) for value in values]
    return pairs


def test_the_real_ultralytics_knows_every_key_and_takes_every_bound() -> None:
    from ultralytics.cfg import DEFAULT_CFG_DICT, get_cfg

    assert ALLOWED.keys() <= DEFAULT_CFG_DICT.keys()
    for key, value in bounds():
        assert problems({key: value}) == []
        assert getattr(get_cfg(overrides={key: value}), key) == value


def test_no_key_that_may_be_set_is_one_that_we_set_for_our_own_reasons() -> None:
    from training.fit import arguments
    from training.records import FitSettings

    settings = FitSettings(imgsz=64, epochs=4, batch=4, lr0=0.001, seed=0, device="cpu")
    may_change = {"optimizer", "cos_lr", "warmup_epochs", "warmup_bias_lr", "close_mosaic"}
    assert arguments(settings).keys() & ALLOWED.keys() == may_change
