"""Bind the doors to a workspace: the only place where everything is known at once."""

import ctypes
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from curation import connection, foreign, mongod
from curation.config import TrainingSettings, load_config
from curation.demo import FILE_COUNT, demo_files
from curation.desk import Desk, Frozen, Profile
from curation.doctor import database_uri
from curation.gather import gather
from curation.imports import Import, first_import, imports_of, placed, tables_of, take_in
from curation.ledger import CONFIG_NAME, Ledger
from curation.progress import progress_of
from curation.report import render
from curation.store import Store, open_dataset
from generation import cutout
from generation.painter import PastePainter, PixelDoors
from generation.priors import Priors
from generation.produce import produce
from generation.records import Failure, GenerationRequest, SyntheticImage
from training import dataset, retrain, yolo
from training.child import run_child
from training.detector import Detector
from training.errors import UsageError
from training.files import write_bytes, write_text
from training.records import Arm, FitSettings, ModelVersion, TrainingFile
from training.registry import Registry
from training.source import Format, Source, check_usable
from training.splits import assign_splits

MAX_SILENCE_S = 900.0  # a single step on a slow machine may take minutes; nothing takes this long
TITLES = {"fit": "training", "predict": "predicting", "inspect": "loading weights"}
CPU_PROFILE = Profile(device="cpu", imgsz=256, max_updates=200, scratch_updates=450)
GPU_PROFILE = Profile(device="0", imgsz=640, max_updates=3000, scratch_updates=10_000)
CONFIG_HEAD = "# What differs from the defaults; configs/default.yaml explains every key.\n"
DEMO_SETTINGS = """\
training:
  model: tiny
  imgsz: 192
"""


@contextmanager
def desk_of(ledger: Ledger) -> Iterator[Desk]:
    """Bind everything that a round needs; what was started is ended with the block."""
    root = ledger.root
    config = load_config(root / CONFIG_NAME)
    profile = profile_of(config.training)
    registry = Registry(root / "models")
    first_import(root)
    brought = imports_of(root)
    first = next((item.model_id for item in brought if item.model_id), None)
    with ExitStack() as stack:
        detector = detector_of(root, registry, profile)
        yield Desk(
            ledger=ledger,
            config=config,
            profile=profile,
            registry=registry,
            board=cache(partial(_board, root, brought, stack)),
            predict=detector.predict,
            train=partial(_train, root, registry, detector),
            produce=partial(_produce, root),
            first=registry.get(first) if first else None,
            network=_network(config.training.model),
        )


def init(
    folder: Path,
    source: str,
    *,
    format: Format | None,  # noqa: A002  # the word of the command line
    model: Path | None = None,
    trust: bool = False,
    allow_bad: bool = False,
    drawn: bool = False,
    settings: str = "",
) -> Import:
    """Make a workspace. It is one from its configuration on, and complete with its first import."""
    if imports_of(folder):
        raise UsageError(f"{folder} is a workspace already", hint="use another folder; curate add brings more photos")
    if model and not model.is_file():
        raise UsageError(f"{model} is no file", hint="give the path of the detector's .pt file")
    found = _read(source, format, allow_bad=allow_bad)
    write_text(folder / CONFIG_NAME, CONFIG_HEAD + settings)
    ledger = Ledger(folder.resolve(), time.time)  # noqa: TID251
    with ledger.writing("curate init"):
        profile = profile_of(load_config(folder / CONFIG_NAME).training)
        detector = detector_of(ledger.root, Registry(ledger.root / "models"), profile)
        return take_in(
            ledger.root,
            found,
            assign_splits(found.photos),
            earlier=(),
            dataset=f"{folder.resolve().name}-{secrets.token_hex(3)}",  # a database server may hold many
            name=Path(source).name,
            drawn=drawn,
            model=detector.bring(model, trusted=trust) if model else None,
        )


def draw_demo(folder: Path) -> None:
    """Draw the built-in dataset and make a workspace of it, unless that is done."""
    if imports_of(folder):
        return
    drawn = folder / "drawn"
    with progress_of("drawing", clock=time.monotonic) as progress:
        for number, (name, data) in enumerate(demo_files(seed=0)):
            write_bytes(drawn / name, data)
            progress(number, FILE_COUNT, "files")
    init(folder, str(drawn), format="yolo", drawn=True, settings=DEMO_SETTINGS)


def add(ledger: Ledger, source: str, *, format: Format | None, allow_bad: bool) -> Import:  # noqa: A002
    """Bring more photos: those without a split go into train, and by a fixed share into val and test."""
    found = _read(source, format, allow_bad=allow_bad)
    first_import(ledger.root)
    earlier = imports_of(ledger.root)
    return take_in(
        ledger.root,
        found,
        assign_splits(found.photos, placed=placed(ledger.root, earlier)),
        earlier=earlier,
        dataset=earlier[0].dataset,
        name=Path(source).name,
        drawn=False,
        model=None,
    )


def write_report(ledger: Ledger) -> Path:
    """Write report.html of the last round; takes no lock."""
    first = first_import(ledger.root)
    path = ledger.root / "report.html"
    given = gather(ledger, dataset=first.source, drawn=first.drawn, read_pixels=dataset.read_pixels)
    write_text(path, render(given))
    return path


def profile_of(settings: TrainingSettings) -> Profile:
    """Give what this machine can do: what is set, else by whether there is a GPU."""
    on_gpu = _gpu_count() > 0 if settings.device == "auto" else settings.device != "cpu"
    usual = GPU_PROFILE if on_gpu else CPU_PROFILE
    return Profile(
        device=usual.device if settings.device == "auto" else settings.device,
        imgsz=settings.imgsz or usual.imgsz,
        max_updates=settings.max_updates or usual.max_updates,
        scratch_updates=settings.scratch_updates or usual.scratch_updates,
    )


def detector_of(root: Path, registry: Registry, profile: Profile) -> Detector:
    """Bind the detector's door to a workspace."""

    def run(job: str, request: Mapping[str, Any], folder: Path, *, trusted: bool) -> dict[str, Any]:
        with progress_of(TITLES[job], clock=time.monotonic) as progress:
            return run_child(
                job,
                request,
                folder,
                home=root / "scratch" / "ultralytics",
                trusted=trusted,
                progress=progress,
                max_silence_s=MAX_SILENCE_S,
            )

    return Detector(
        root=root, registry=registry, run=run, read_raw=yolo.read_raw, imgsz=profile.imgsz, device=profile.device
    )


def _read(source: str, format: Format | None, *, allow_bad: bool) -> Source:  # noqa: A002
    with progress_of("reading photos", clock=time.monotonic) as progress:

        def count(done: int, total: int) -> None:
            progress(done, total, "")

        if source.startswith(foreign.PREFIX):
            found = dataset.read_rows(foreign.read_rows(source.removeprefix(foreign.PREFIX)), count)
        else:
            found = dataset.read_source(Path(source), format, count)
    check_usable(found, allow_bad=allow_bad)
    return found


def _board(root: Path, brought: Sequence[Import], stack: ExitStack) -> Store:
    """Open the dataset in FiftyOne; photos that it does not have yet are published."""
    uri = database_uri(root) or stack.enter_context(mongod.running(root / "db"))
    connection.connect(uri, plugins_dir=root / "plugins")
    stack.callback(connection.disconnect)
    store = open_dataset(brought[0].dataset, root=root)
    for item in brought:
        images, labels = tables_of(root, item)
        store.publish_photos(images, labels, item.classes)
    return store


def _train(
    root: Path,
    registry: Registry,
    detector: Detector,
    arm: Arm,
    files: Sequence[TrainingFile],
    settings: FitSettings,
    start: retrain.Start,
    frozen: Frozen,
) -> ModelVersion:
    def lay_out(folder: Path, files: Sequence[TrainingFile], classes: Sequence[str]) -> Path:
        pictures = [_yolo_picture(root, file, frozen, classes) for file in files]
        return dataset.write_yolo_folder(folder, pictures, classes)

    return retrain.train(
        arm,
        files,
        settings,
        start,
        classes=frozen.image_set.classes,
        number=frozen.folder.number,
        scratch=root / "scratch",
        lay_out=lay_out,
        run=detector.run,
        registry=registry,
    )


def _yolo_picture(root: Path, file: TrainingFile, frozen: Frozen, classes: Sequence[str]) -> dataset.YoloPicture:
    path = root / file.path
    if file.synthetic:
        note = SyntheticImage.model_validate_json(path.with_suffix(".json").read_text(encoding="utf-8"))
        labels = np.array([classes.index(label.label) for label in note.labels], np.int64)
        xyxy = np.array([label.xyxy for label in note.labels], np.float64).reshape(-1, 4)
    else:
        boxes = frozen.labels.take(frozen.labels.image == np.searchsorted(frozen.images.id, file.picture_id))
        labels, xyxy = boxes.label, boxes.xyxy
    return dataset.YoloPicture(picture_id=file.picture_id, source=path, labels=labels, xyxy=xyxy, times=file.times)


def _produce(root: Path, requests: Sequence[GenerationRequest], priors: Priors) -> Sequence[SyntheticImage | Failure]:
    doors = PixelDoors(
        read_pixels=dataset.read_pixels,
        encode_jpeg=dataset.encode_jpeg,
        difference_hash=dataset.difference_hash,
        cut=cutout.cut,
        store_cutout=cutout.store,
        load_cutout=cutout.load,
    )
    done = 0
    with progress_of("painting", clock=time.monotonic) as progress:

        def count(more: int) -> None:
            nonlocal done
            done += more
            progress(done, len(requests), "pictures")

        painter = PastePainter(priors, root, doors)
        return list(produce(requests, paint=painter, folder=root / "pictures", workspace=root, progress=count))


def _network(name: str) -> str:
    return str(Path(__file__).with_name("tiny.yaml")) if name == "tiny" else name


def _gpu_count() -> int:
    """Count CUDA devices by asking the driver, since importing torch takes seconds."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0
