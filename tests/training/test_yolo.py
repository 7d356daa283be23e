"""The door to ultralytics: foreign weights run no code, a bad file is a sentence, and like crops lie near."""

import errno
import os
import pickle  # noqa: TID251  # to attack with
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from PIL import ExifTags, Image

from training.boxes import BoxTable, ImageTable
from training.child import SWITCHES, run_child
from training.dataset import read_pixels, read_source
from training.detector import EMBED_SIDE_PX, Detector
from training.errors import ChildError, ModelError
from training.records import ModelVersion
from training.registry import Registry
from training.yolo import JOBS, MAX_THREADS, attempt, embed, read_raw, read_vectors


class Evil:
    """Leaves a marker when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.marker), "w")


def inspect(weights: Path, folder: Path, *, trusted: bool) -> None:
    folder.mkdir()
    run_child(
        "inspect",
        {"weights": str(weights)},
        folder,
        home=folder / "home",
        trusted=trusted,
        progress=lambda done, total, note: None,
        max_silence_s=300,
    )


def test_weights_that_want_to_run_code_are_refused_and_run_none(tmp_path: Path) -> None:
    marker, weights = tmp_path / "marker", tmp_path / "evil.pt"
    with zipfile.ZipFile(weights, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"model": Evil(marker)}))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    with pytest.raises(ChildError, match="cannot be loaded") as caught:
        inspect(weights, tmp_path / "safe", trusted=False)
    assert not marker.exists()
    assert "--trust" in caught.value.hint
    with pytest.raises(ChildError, match="cannot be loaded"):
        inspect(weights, tmp_path / "trusted", trusted=True)
    assert marker.exists(), "the same file does run code where it is trusted, so the first check could fail"


def test_a_checkpoint_cut_in_half_is_a_sentence(tmp_path: Path) -> None:
    weights = tmp_path / "half.pt"
    weights.write_bytes(b"PK\x03\x04 not much of a checkpoint")
    with pytest.raises(ChildError, match=r"half\.pt cannot be loaded") as caught:
        inspect(weights, tmp_path / "job", trusted=False)
    assert "complete YOLO checkpoint" in caught.value.hint


FAILURES: dict[str, tuple[Exception, str | None, str]] = {
    "a refusal of ours": (ModelError("no detector", hint="bring one"), "ModelError", "no detector"),
    "want of memory": (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "OutOfMemory", "little memory"),
    "a full disk": (OSError(errno.ENOSPC, "No space left on device"), "CurateError", "no space left"),
    "a bug": (RuntimeError("shape mismatch"), None, ""),
    "a file that is not there": (FileNotFoundError("gone"), None, ""),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures_of_the_machine_are_told_and_bugs_are_not_hidden(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, kind, said = FAILURES[name]

    def fails(*given: Any) -> dict[str, Any]:
        raise error

    monkeypatch.setitem(JOBS, "fit", fails)
    if kind is None:
        with pytest.raises(type(error)):
            attempt("fit", {}, tmp_path, lambda *note: None)
        return
    result = attempt("fit", {}, tmp_path, lambda *note: None)
    assert result["kind"] == kind
    assert said in result["error"]
    assert result["hint"]


TINY = Path(__file__).parents[2] / "curation" / "tiny.yaml"


def run(job: str, request: Mapping[str, Any], folder: Path, *, trusted: bool, progress: Any = None) -> dict[str, Any]:
    return run_child(
        job,
        request,
        folder,
        home=folder.parent / "home",
        trusted=trusted,
        progress=progress or (lambda done, total, note: None),
        max_silence_s=300,
    )


def drawn(root: Path, count: int = 3) -> tuple[ImageTable, BoxTable]:
    """Draw photos with two red discs and a blue ring each, the boxes in no order."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        picture = rng.normal(120, 8, (120, 200, 3)).clip(0, 255).astype(np.uint8)
        for x, y in ((40, 40), (150, 70)):
            cv2.circle(picture, (x, y), 15, (30, 30, 220), -1)
            rows.append((number, 0, ((x - 16) / 200, (y - 16) / 120, (x + 16) / 200, (y + 16) / 120)))
        cv2.circle(picture, (100, 90), 20, (220, 60, 20), 4)
        rows.append((number, 1, (0.38, 0.56, 0.62, 0.94)))
        cv2.imwrite(str(root / f"{number}.png"), picture)
    rows = [rows[place] for place in rng.permutation(len(rows))]
    images = ImageTable(
        id=np.array([f"{number:024x}" for number in range(count)], "<U24"),
        path=np.array([f"{number}.png" for number in range(count)], "<U20"),
        width_px=np.full(count, 200),
        height_px=np.full(count, 120),
        split=np.full(count, "val"),
    )
    return images, BoxTable(
        id=np.array([f"b{number:023x}" for number in range(len(rows))], "<U24"),
        image=np.array([row[0] for row in rows]),
        label=np.array([row[1] for row in rows]),
        xyxy=np.array([row[2] for row in rows]),
        score=np.ones(len(rows)),
    )


class Workspace:
    """A detector in a folder, with what its child was asked for; `apart` or in this process, which is quicker."""

    def __init__(self, root: Path, *, apart: bool = True) -> None:
        self.apart = apart
        self.requests: list[Mapping[str, Any]] = []
        self.notes: list[tuple[int, int, str]] = []
        self.registry = Registry(root / "models")
        self.detector = Detector(
            root=root, registry=self.registry, run=self._run, read_raw=read_raw, imgsz=64, device="cpu"
        )

    def _run(self, job: str, request: Mapping[str, Any], folder: Path, *, trusted: bool) -> dict[str, Any]:
        self.requests.append(request)
        if not self.apart:
            return JOBS[job](dict(request), folder, lambda *note: self.notes.append(note))
        return run(job, request, folder, trusted=trusted, progress=lambda *note: self.notes.append(note))

    def model(self, weights: Path) -> ModelVersion:
        version = ModelVersion(
            model_id="0" * 24, classes=("disc", "ring"), origin="given", parent=None, round=0, trained_on=None,
            history="", trusted=False,
        )  # fmt: skip
        self.registry.add(weights, version)
        return version


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give untrained weights of the smallest network, saved by ultralytics, which keeps its files beside them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (SWITCHES | {"YOLO_CONFIG_DIR": str(tmp_path_factory.mktemp("home"))}).items():
            patch.setenv(name, value)
        from ultralytics import YOLO

    path = tmp_path_factory.mktemp("weights") / "tiny.pt"
    YOLO(str(TINY), task="detect").save(path)
    return path


def test_embeddings_are_rows_of_the_boxes_whatever_their_order(tiny_weights: Path, tmp_path: Path) -> None:
    images, boxes = drawn(tmp_path)
    space = Workspace(tmp_path)
    model = space.model(tiny_weights)
    vectors = space.detector.embed(model, images, boxes)
    assert vectors.shape == (9, 48), "channels before the head"
    assert vectors.dtype == np.float32
    assert space.notes == [(number, 3, "photos") for number in (1, 2, 3)]
    assert [len(of_image) for of_image in space.requests[0]["boxes"]] == [3, 3, 3]
    assert not (tmp_path / "scratch" / "embed").exists()

    here = Workspace(tmp_path, apart=False)
    order = np.random.default_rng(1).permutation(9)
    again = here.detector.embed(model, images, boxes.take(order))
    np.testing.assert_allclose(again, vectors[order], atol=1e-5, err_msg="the same crop gives the same vector")
    twice = here.detector.embed(model, images, boxes.take(order))
    np.testing.assert_array_equal(again, twice, err_msg="bit by bit where nothing else differs")
    alone = here.detector.embed(model, images, boxes.take(np.array([4])))
    np.testing.assert_allclose(alone[0], vectors[4], atol=1e-5, err_msg="a crop does not depend on its batch")

    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness, same = unit @ unit.T, boxes.label[:, None] == boxes.label
    assert likeness[same].min() > likeness[~same].max(), "colour and shape part even an untrained network's view"


def test_no_boxes_need_no_child(tmp_path: Path) -> None:
    images, _ = drawn(tmp_path, count=1)
    space = Workspace(tmp_path)
    model = ModelVersion.model_construct(model_id="none")
    assert space.detector.embed(model, images, BoxTable.empty()).shape[0] == 0
    assert space.requests == []


def test_a_photo_that_is_gone_ends_the_job_by_its_name(tiny_weights: Path, tmp_path: Path) -> None:
    images, boxes = drawn(tmp_path)
    (tmp_path / "1.png").unlink()
    space = Workspace(tmp_path)
    with pytest.raises(ChildError, match=r"cannot read the picture .*1\.png"):
        space.detector.embed(space.model(tiny_weights), images, boxes)


@pytest.mark.parametrize("channels", [1, 4])
def test_a_network_of_other_channels_embeds_too(channels: int, tiny_weights: Path, tmp_path: Path) -> None:
    _, boxes = drawn(tmp_path, count=1)
    network = tmp_path / "network.yaml"
    network.write_text(yaml.safe_dump(yaml.safe_load(TINY.read_text()) | {"channels": channels}))
    (tmp_path / "job").mkdir()
    request = {"weights": str(network), "images": [str(tmp_path / "0.png")], "boxes": [boxes.xyxy.tolist()]}
    embed(request | {"imgsz": EMBED_SIDE_PX, "device": "cpu"}, tmp_path / "job", lambda *note: None)
    assert read_vectors(tmp_path / "job" / "vectors.npz").shape == (3, 48)


def test_real_weights_part_blood_cells_that_they_were_never_shown(tiny_weights: Path, tmp_path: Path) -> None:
    if "CURATE_DATA" not in os.environ:
        pytest.skip("CURATE_DATA names no folder with real photos")
    data = Path(os.environ["CURATE_DATA"])
    photos = read_source(data / "data" / "bccd").photos[:20]
    wanted = ("WBC", "Platelets")
    boxes = [[box for box in photo.boxes if box.label in wanted] for photo in photos]
    label = np.array([wanted.index(box.label) for held in boxes for box in held])
    request = {
        "weights": str(data / "weights" / "yolov8n.pt"),
        "images": [str(photo.path) for photo in photos],
        "boxes": [[box.xyxy for box in held] for held in boxes],
    }
    (tmp_path / "job").mkdir()
    embed(request | {"imgsz": EMBED_SIDE_PX, "device": "cpu"}, tmp_path / "job", lambda *note: None)
    vectors = read_vectors(tmp_path / "job" / "vectors.npz")
    unit = vectors - vectors.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    likeness, same = unit @ unit.T, label[:, None] == label
    np.fill_diagonal(likeness, np.nan)
    assert np.nanmean(likeness[same]) > np.nanmean(likeness[~same]) + 0.2
    np.fill_diagonal(likeness, -1)
    assert (label[likeness.argmax(axis=1)] == label).mean() > 0.9


@pytest.fixture(scope="module")
def wakeful_weights(tiny_weights: Path) -> Path:
    """Give the untrained network, made sure enough of itself to predict boxes."""
    import torch
    from ultralytics import YOLO

    model = YOLO(str(tiny_weights))
    with torch.no_grad():
        for name, values in model.model.named_parameters():
            if ".cv3." in name and name.endswith(".2.bias"):
                values.add_(7)
    path = tiny_weights.with_name("wakeful.pt")
    model.save(path)
    return path


def mirrored_files(root: Path, images: ImageTable) -> ImageTable:
    """Write every photo again, upright and mirrored, without loss."""
    names = [f"mirrored-{name.rpartition('.')[0]}.png" for name in images.path.tolist()]
    for name, path in zip(names, images.path.tolist(), strict=True):
        cv2.imwrite(str(root / name), read_pixels(root / path)[:, ::-1])
    return replace(images, path=np.array(names))


def photo_turned_by_exif(root: Path) -> ImageTable:
    """Give three drawn photos, the last of them stored lying on its side."""
    images, _ = drawn(root)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    with Image.open(root / "2.png") as picture:
        picture.convert("RGB").save(root / "2.jpg", exif=exif)
    return replace(images, path=np.array(["0.png", "1.png", "2.jpg"]))


def test_a_photo_shown_flipped_gives_what_its_mirror_image_gives_with_the_boxes_mirrored_back(
    wakeful_weights: Path, tmp_path: Path
) -> None:
    images = photo_turned_by_exif(tmp_path)
    space, rows, classes = Workspace(tmp_path, apart=False), np.arange(3), ["0", "2", "1", "3", "4"]
    model = space.model(wakeful_weights)
    (flipped,) = space.detector.predict([model], images, rows, classes, flipped=True)
    (of_mirrored,) = space.detector.predict([model], mirrored_files(tmp_path, images), rows, classes)
    assert {*flipped.image.tolist()} == {0, 1, 2}
    x1, y1, x2, y2 = of_mirrored.xyxy.T
    np.testing.assert_array_equal(flipped.xyxy, np.stack([1 - x2, y1, 1 - x1, y2], axis=1))
    for column in ("image", "label", "score"):
        np.testing.assert_array_equal(getattr(flipped, column), getattr(of_mirrored, column))
    assert not {*flipped.id.tolist()} & {*of_mirrored.id.tolist()}, "a table may hold both"


def test_predictions_are_not_flipped_unless_that_is_asked_for(wakeful_weights: Path, tmp_path: Path) -> None:
    images = photo_turned_by_exif(tmp_path)
    request = {
        "weights": [str(wakeful_weights)],
        "images": [str(tmp_path / path) for path in images.path.tolist()],
        "imgsz": 64,
        "device": "cpu",
    }
    found = {}
    for name, more in {"not said": {}, "no": {"flipped": False}, "yes": {"flipped": True}}.items():
        (tmp_path / name).mkdir()
        JOBS["predict"](request | more, tmp_path / name, lambda *note: None)
        found[name] = read_raw(tmp_path / name / "boxes-0.npz")
    assert len(found["not said"]) > 0
    np.testing.assert_array_equal(found["not said"].xyxy, found["no"].xyxy)
    np.testing.assert_array_equal(found["not said"].score, found["no"].score)
    assert found["no"].score.tolist() != found["yes"].score.tolist()


def test_crops_are_as_large_as_is_asked_for(tiny_weights: Path, tmp_path: Path) -> None:
    images, boxes = drawn(tmp_path)
    space = Workspace(tmp_path, apart=False)
    model = space.model(tiny_weights)
    usual = space.detector.embed(model, images, boxes)
    larger = space.detector.embed(model, images, boxes, side_px=160)
    assert [request["imgsz"] for request in space.requests] == [EMBED_SIDE_PX, 160]
    assert larger.shape == usual.shape
    assert not np.allclose(larger, usual)


@pytest.mark.parametrize("asked", ["", "1"])
def test_a_cpu_computes_on_every_core_that_torch_would_take(asked: str, tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, torch, training.yolo; print(torch.get_num_threads())\n"
        "training.yolo._settle(pathlib.Path(sys.argv[1]))\n"
        "from ultralytics.utils.torch_utils import select_device\n"
        "select_device('cpu'); print(torch.get_num_threads())"
    )
    environment = os.environ | SWITCHES | {"YOLO_CONFIG_DIR": str(tmp_path), "OMP_NUM_THREADS": asked}
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, text=True, check=True
    )
    alone, told = map(int, ran.stdout.split())
    assert told == min(alone, MAX_THREADS)
