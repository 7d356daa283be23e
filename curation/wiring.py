"""Bind the doors to a workspace: the only place where everything is known at once."""

import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

from curation import connection, foreign, loop, measure, mongod
from curation.appearance import Looks
from curation.cold_folder import ColdFolder
from curation.config import TrainingSettings, load_config
from curation.demo import FILE_COUNT, demo_files
from curation.desk import Desk
from curation.doctor import database_uri, gpu_count
from curation.gather import gather
from curation.imports import Import, first_import, imports_of, publish, take_in
from curation.ledger import CONFIG_NAME, Ledger
from curation.lock import holding
from curation.painters import Painters, Permissions, Weights
from curation.progress import progress_of, waiting
from curation.report import render
from curation.step_settings import Interview, Profile
from curation.store import Store, open_dataset
from generation.allowance import LlmSettings
from generation.chat import Chat
from generation.priors import Priors
from generation.produce import produce
from generation.records import Failure, GenerationRequest, SyntheticImage
from generation.rehearsal import Rehearsal
from training import dataset, retrain, yolo
from training.boxes import BoxTable, ImageTable
from training.child import run_child
from training.detector import Detector
from training.errors import UsageError
from training.files import digest_of, digest_of_file, make_folder, write_bytes, write_text
from training.records import FileRef
from training.registry import Registry
from training.source import Format, Source, check_usable
from training.splits import assign_splits
from training.tables import load_table, save_table
from training.unlabelled import KnownPhotos, Unlabelled

MAX_SILENCE_S = 900.0  # a single step on a slow machine may take minutes; nothing takes this long
TITLES = {"fit": "training", "predict": "predicting", "embed": "embedding", "inspect": "loading weights"}
KEY = "OPENAI_API_KEY"
CPU_PROFILE = Profile(device="cpu", imgsz=256, max_updates=200, scratch_updates=450, seeds=1)
GPU_PROFILE = Profile(device="0", imgsz=640, max_updates=3000, scratch_updates=10_000, seeds=3)
CONFIG_HEAD = "# What differs from the defaults; configs/default.yaml explains every key.\n"
DEMO_SETTINGS = """\
training:
  model: tiny
  imgsz: 192
"""


@contextmanager
def desk_of(
    ledger: Ledger,
    *,
    may_ask: bool = True,
    allowed: Permissions = Permissions(),  # noqa: B008  # it is frozen
) -> Iterator[Desk]:
    """Bind everything that a round needs; what was started is ended with the block.

    `may_ask` false leaves the language model out, whatever is configured.
    """
    root = ledger.root
    config = load_config(root / CONFIG_NAME)
    profile = profile_of(config.training)
    registry = Registry(root / "models")
    first_import(root)
    brought = imports_of(root)
    first = next((item.model_id for item in brought if item.model_id), None)

    weights = Weights(config, profile.device, allowed)

    @lru_cache(maxsize=1)  # the judge is tried once on what train looks like
    def painters_of(priors: Priors) -> Painters:
        return Painters(root, priors, weights, warn)

    with ExitStack() as stack:
        detector = detector_of(root, registry, profile)
        yield Desk(
            ledger=ledger,
            config=config,
            profile=profile,
            registry=registry,
            board=cache(partial(_board, root, brought, stack)),
            predict=detector.predict,
            train=partial(
                retrain.train,
                workspace=root,
                lay_out=dataset.write_yolo_folder,
                run=detector.run,
                registry=registry,
            ),
            produce=partial(_produce, root, painters_of),
            card=lambda priors, drawing: painters_of(priors).card(drawing),
            first=registry.get(first) if first else None,
            network=network_of(config.training.model),
            warn=warn,
            look_at=partial(_look_at, root),
            embed=detector.embed,
            read_pool=partial(_read_pool, root),
            read_photo=lambda images, row: dataset.read_pixels(root / str(images.path[row])),
            encode_jpeg=dataset.encode_jpeg,
            interview=_interview(config.llm) if may_ask else None,
            chat=partial(_chat, root, config.llm),
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
    taken = UsageError(f"{folder} is a workspace already", hint="use another folder; curate add brings more photos")
    if imports_of(folder) or ColdFolder(folder).is_there:
        raise taken
    if model and not model.is_file():
        raise UsageError(f"{model} is no file", hint="give the path of the detector's .pt file")
    found = read_labelled(source, format, allow_bad=allow_bad)
    make_folder(folder)
    with holding(folder.resolve(), "curate init", time.time):  # noqa: TID251
        if imports_of(folder):
            raise taken
        write_text(folder / CONFIG_NAME, CONFIG_HEAD + settings)
        root = folder.resolve()
        profile = profile_of(load_config(folder / CONFIG_NAME).training)
        detector = detector_of(root, Registry(root / "models"), profile)
        return take_in(
            root,
            found,
            assign_splits(found.photos),
            earlier=(),
            dataset=f"{root.name}-{secrets.token_hex(3)}",  # a database server may hold many
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


def write_report(ledger: Ledger) -> Path:
    """Write report.html of the last round; takes no lock."""
    first = first_import(ledger.root)
    path = ledger.root / "report.html"
    given = gather(
        ledger,
        dataset=first.source,
        drawn=first.drawn,
        min_photos=load_config(ledger.root / CONFIG_NAME).decide.min_photos,
        read_pixels=dataset.read_pixels,
    )
    write_text(path, render(given))
    return path


def profile_of(settings: TrainingSettings) -> Profile:
    """Give what this machine can do: what is set, else by whether there is a GPU."""
    on_gpu = gpu_count() > 0 if settings.device == "auto" else settings.device != "cpu"
    usual = GPU_PROFILE if on_gpu else CPU_PROFILE
    return Profile(
        device=usual.device if settings.device == "auto" else settings.device,
        imgsz=settings.imgsz or usual.imgsz,
        max_updates=settings.max_updates or usual.max_updates,
        scratch_updates=settings.scratch_updates or usual.scratch_updates,
        seeds=settings.seeds or usual.seeds,
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


def read_labelled(
    source: str,
    format: Format | None,  # noqa: A002
    *,
    allow_bad: bool,
    left_out: frozenset[str] = frozenset(),
    may_be_bare: frozenset[str] = frozenset(),
) -> Source:
    """Read labelled photos of a folder or of a dataset of FiftyOne's, as `training.dataset` does."""
    with _reading() as count:
        if source.startswith(foreign.PREFIX):
            rows = foreign.read_rows(source.removeprefix(foreign.PREFIX))
            found = dataset.read_rows(rows, count, may_be_bare=may_be_bare)
        else:
            found = dataset.read_source(Path(source), format, count, left_out=left_out, may_be_bare=may_be_bare)
    check_usable(found, allow_bad=allow_bad)
    return found


def _read_pool(root: Path, source: str) -> Unlabelled:
    """Read unlabelled photos; those that were read before are known by name, size and time."""
    path = root / "scratch" / f"pool-{digest_of(source)}.npz"
    known = None
    if path.is_file():
        known = load_table(path, KnownPhotos, FileRef(name=path.name, digest=digest_of_file(path)))
    with _reading() as count:
        if source.startswith(foreign.PREFIX):
            found = dataset.read_paths(foreign.read_paths(source.removeprefix(foreign.PREFIX)), count, known)
        else:
            found = dataset.read_unlabelled(Path(source), count, known)
    save_table(path, found.known)
    return found


@contextmanager
def _reading() -> Iterator[Callable[[int, int], None]]:
    with progress_of("reading photos", clock=time.monotonic) as progress:
        yield lambda done, total: progress(done, total, "")


def _board(root: Path, brought: Sequence[Import], stack: ExitStack) -> Store:
    """Open the dataset in FiftyOne; imports that it never had are published."""
    with waiting("opening FiftyOne"):
        uri = database_uri(root) or stack.enter_context(mongod.running(root / "db"))
        connection.connect(uri, plugins_dir=root / "plugins")
        stack.callback(connection.disconnect)
        store = open_dataset(brought[0].dataset, root=root)
        publish(root, brought, store)
    return store


def _look_at(root: Path, images: ImageTable, labels: BoxTable) -> Looks:
    with progress_of("measuring", clock=time.monotonic) as progress:
        return measure.look_at(root, images, labels, dataset.read_pixels, progress)


def _interview(settings: LlmSettings | None) -> Interview | None:
    """Give what the language model is asked by; None where none is configured, or there is no key."""
    if settings is None:
        return None
    if not os.environ.get(KEY):
        warn(f"llm is configured but {KEY} is not set: going on without the language model")
        return None
    return interview_of(settings)


def interview_of(settings: LlmSettings) -> Interview:
    """Give what the answers of the language model depend on."""
    return Interview(
        model=settings.model,
        base_url=settings.base_url,
        detail=settings.detail,
        blur_classes=settings.blur_classes,
        max_tagged=settings.max_tagged,
    )


def _chat(root: Path, settings: LlmSettings | None, number: int) -> Chat:
    assert settings is not None  # an interview stands on settings
    folder = root / "llm"
    return Chat(settings, os.environ.get(KEY), replies=folder / "replies", calls=folder / "calls" / f"{number:03d}")


def rehearse(desk: Desk) -> Rehearsal:
    """Write what would be sent to the language model into scratch/llm, and send nothing."""
    settings = desk.config.llm
    if settings is None:
        raise UsageError("no language model is configured", hint="set llm.model in curate.yaml")
    folder = desk.ledger.root / "scratch" / "llm"
    shutil.rmtree(folder, ignore_errors=True)
    rehearsal = Rehearsal(settings, folder)
    loop.rehearse(desk, interview_of(settings), rehearsal)
    return rehearsal


def warn(text: str) -> None:
    """Tell people something beside the results."""
    sys.stderr.write(f"note: {text}\n")


def _produce(
    root: Path, painters_of: Callable[[Priors], Painters], requests: Sequence[GenerationRequest], priors: Priors
) -> Sequence[SyntheticImage | Failure]:
    with counted("painting", len(requests), "pictures") as progress:
        made = produce(
            requests, painter_of=painters_of(priors), folder=root / "pictures", workspace=root, progress=progress
        )
        return list(made)


@contextmanager
def counted(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Give what is told how many more are done, and shows how far it is."""
    done = 0
    with progress_of(title, clock=time.monotonic) as progress:

        def count(more: int) -> None:
            nonlocal done
            done += more
            progress(done, total, unit)

        yield count


def network_of(name: str) -> str:
    """Give what ultralytics makes a network of this name from."""
    return str(Path(__file__).with_name("tiny.yaml")) if name == "tiny" else name
