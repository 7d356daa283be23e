"""Bind the doors to a cold start: a folder that has a configuration and no photos."""

import time
from functools import partial
from pathlib import Path

from curation import batches, cold_start
from curation.cold import ColdDrawn, ColdModel, ColdPlan, ColdStart
from curation.cold_folder import FIRST_LOOK, ColdFolder
from curation.config import Config, load_config
from curation.imports import imports_of
from curation.ledger import CONFIG_NAME
from curation.lock import holding
from curation.painters import Permissions
from curation.records import MIN_RELIABLE_PHOTOS
from curation.step_settings import FromScratch
from curation.wiring import counted, detector_of, network_of, profile_of
from training import dataset, retrain
from training.errors import ConfigError, UsageError
from training.files import make_folder, write_bytes, write_json
from training.registry import Registry


def init(folder: Path, source: Path) -> ColdStart:
    """Make the folder of a cold start from a configuration that names classes; its record is written last."""
    if not source.is_file():
        raise UsageError(f"{source} is no file", hint="name a configuration with a vocabulary, as configs/ppe.yaml")
    classes = tuple(load_config(source).vocabulary.classes)
    if not classes:
        raise ConfigError(
            f"{source} names no classes", hint="name them in vocabulary.classes, as configs/ppe.yaml does"
        )
    _refuse_taken(folder)
    make_folder(folder)
    with holding(folder.resolve(), "curate init", time.time):  # noqa: TID251
        _refuse_taken(folder)
        write_bytes(folder / CONFIG_NAME, source.read_bytes())
        start = ColdStart(source=source.name, classes=classes, min_photos=MIN_RELIABLE_PHOTOS)
        write_json(ColdFolder(folder).record("start"), start.plain())
    return start


def _refuse_taken(folder: Path) -> None:
    if imports_of(folder) or ColdFolder(folder).is_there:
        raise UsageError(f"{folder} is a workspace already", hint="use another folder")


def plan(cold: ColdFolder, *, count: int) -> tuple[ColdPlan, Config]:
    """Plan so many pictures, and write their requests."""
    config = _config(cold)
    with counted("planning", count, "pictures") as progress:
        return cold_start.plan_pictures(cold, config, count=count, progress=progress), config


def draw(cold: ColdFolder, *, count: int, allowed: Permissions) -> ColdDrawn:
    """Plan so many pictures, and draw those that are not there."""
    planned, config = plan(cold, count=count)
    result = batches.draw_batch(
        cold.requests, cold.path, config=config, allowed=allowed, classes=planned.classes, total=planned.count
    )
    drawn, _ = cold_start.count_drawn(cold, planned)  # also of refused ones alone: `status` tells of them
    batches.refuse_none(result, cold.path)
    return drawn


def train(cold: ColdFolder) -> ColdModel:
    """Train the first model, unless that is done."""
    planned = cold_start.read_record(cold, "plan", ColdPlan)
    if planned is None:
        raise UsageError(f"{cold.root} has no pictures to learn from", hint=f"plan some: curate {FIRST_LOOK}")
    config = _config(cold)
    registry, profile = Registry(cold.root / "models"), profile_of(config.training)
    return cold_start.train_first(
        cold,
        planned,
        first=FromScratch.of(config.training, profile),
        network=network_of(config.training.model),
        train=partial(
            retrain.train,
            workspace=cold.root,
            lay_out=dataset.write_yolo_folder,
            run=detector_of(cold.root, registry, profile).run,
            registry=registry,
        ),
        registry=registry,
    )


def _config(cold: ColdFolder) -> Config:
    config = load_config(cold.root / CONFIG_NAME)
    if not config.vocabulary.classes:
        raise ConfigError(f"{cold.root / CONFIG_NAME} names no classes", hint="name them in vocabulary.classes")
    return config
