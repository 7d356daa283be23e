"""The models of a workspace: listed with what was measured of them, chosen as champion, and exported."""

import re
import shutil
from pathlib import Path
from typing import Literal

import yaml

from curation.card_facts import facts_of
from curation.champion import base_of, begun_round, champion_of, choose
from curation.history import MIN_DIGITS, History, Played
from curation.imports import first_import
from curation.ledger import Ledger
from curation.model_card import card_of
from curation.records import Comparison
from curation.traces import history_of, registered, registry_of
from curation.wording import short
from training.errors import UsageError
from training.files import make_folder, write_text, write_with
from training.records import Evaluation, Interval, ModelVersion, Record

CARD, DATA, WEIGHTS = "README.md", "data.yaml", "weights.pt"
DATA_HEAD = "# Classes in the order of the model's outputs. To train on, add path, train and val.\n"
MAX_NAMED = 4


class Version(Record):
    """A model with what was measured of it first."""

    model: ModelVersion
    is_champion: bool
    split: Literal["test", "val"] | None
    """What `mean_ap` was measured on: test where a round judged it there, else val; None where neither."""
    judged_in: int | None
    """The round that measured it."""
    mean_ap: Interval | None


class Versions(Record):
    """All models of a workspace, those of earlier rounds first."""

    champion: str | None
    versions: tuple[Version, ...]


class Choice(Record):
    """What came of choosing a champion."""

    champion: str
    before: str | None
    """The champion until then, the same where nothing had to be done."""
    moved: tuple[str, ...]
    """Steps of the open round that were moved aside."""


class Export(Record):
    """A model that was written for use elsewhere."""

    model_id: str
    folder: str
    files: tuple[str, ...]


def versions_of(ledger: Ledger) -> Versions:
    """Give all models, each with the mean AP of the first round that judged it; takes no lock."""
    rounds = [
        Played(
            folder.number, evaluation=folder.read("evaluate", Evaluation), comparison=folder.read("compare", Comparison)
        )
        for folder in ledger.rounds()
    ]
    champion, models = champion_of(ledger), registered(ledger)
    history = History(tuple(rounds), models)
    return Versions(
        champion=champion,
        versions=tuple(_version(history, model, is_champion=model.model_id == champion) for model in models.values()),
    )


def use(ledger: Ledger, text: str, *, yes: bool) -> Choice:
    """Make a model the champion that the next round begins with.

    Raises `UsageError` where a round has begun with another, unless `yes` lets its steps be moved aside, and
    `DamagedFile` where the weights are not what was stored.
    """
    model_id, before = find(registered(ledger), text).model_id, champion_of(ledger)
    registry_of(ledger).weights(model_id)
    begun = begun_round(ledger)
    if model_id == before:
        return Choice(champion=model_id, before=before, moved=())
    if begun and not yes:
        raise UsageError(
            f"round {begun.number} has begun with {short(before or '')}, and its steps stand on that champion",
            hint="finish it: curate run; or add --yes, and its steps from 'champion' on are moved aside",
        )
    moved = begun.redo("champion") if begun else ()
    if model_id != base_of(ledger):
        choose(ledger, model_id)
    return Choice(champion=model_id, before=before, moved=moved)


def export(ledger: Ledger, text: str, out: Path) -> Export:
    """Write a model's card, its classes and, last, its weights into a new or empty folder; takes no lock.

    What is not complete is removed again. Raises `UsageError` for a folder that holds anything, and `DamagedFile` where
    the weights are not what was stored.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", hint="name a new or empty folder")
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty, and nothing there is overwritten", hint="name a new or empty folder")
    model = find(registered(ledger), text)
    weights = registry_of(ledger).weights(model.model_id)
    brought = first_import(ledger.root)
    facts = facts_of(history_of(ledger), model, source=brought.source, drawn=brought.drawn)
    make_folder(out)
    try:
        write_text(out / CARD, card_of(facts))
        write_text(
            out / DATA, DATA_HEAD + yaml.safe_dump({"names": dict(enumerate(model.classes))}, allow_unicode=True)
        )
        with weights.open("rb") as bytes_in:
            write_with(out / WEIGHTS, lambda file: shutil.copyfileobj(bytes_in, file))
    except BaseException:
        for name in (CARD, DATA):
            (out / name).unlink(missing_ok=True)
        raise
    return Export(model_id=model.model_id, folder=str(out), files=(CARD, DATA, WEIGHTS))


def find(models: dict[str, ModelVersion], text: str) -> ModelVersion:
    """Give the model with an id, or with the one id that begins so; raises `UsageError` where that is not one."""
    if text in models:
        return models[text]
    is_beginning = re.fullmatch(f"[0-9a-fA-F]{{{MIN_DIGITS},}}", text)
    found = [model for model_id, model in models.items() if is_beginning and model_id.startswith(text.lower())]
    if not found:
        hint = f"curate models lists them; {MIN_DIGITS} digits of an id will do if no other begins so"
        raise UsageError(f"there is no model '{text}' in this workspace", hint=hint)
    if len(found) > 1:
        named = ", ".join(model.model_id for model in found[:MAX_NAMED])
        raise UsageError(f"the ids of {len(found)} models begin with '{text}'", hint=f"give more digits: {named}")
    return found[0]


def _version(history: History, model: ModelVersion, *, is_champion: bool) -> Version:
    judged = [*history.on_test(model.model_id), *history.on_val(model.model_id)]
    played, evaluation = judged[0] if judged else (None, None)
    return Version(
        model=model,
        is_champion=is_champion,
        split=None if evaluation is None else "test" if evaluation.split == "test" else "val",
        judged_in=played.number if played else None,
        mean_ap=evaluation.mean_ap if evaluation else None,
    )
