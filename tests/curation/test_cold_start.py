"""A plan is kept, what was drawn is counted, and a model is trained once: whatever was killed, and wherever it ran."""

from pathlib import Path

import numpy as np
import pytest

from curation import cold_start
from curation.cold import ColdPlan
from curation.cold_folder import ColdFolder
from curation.config import Config, parse_config
from curation.step_settings import FromScratch
from generation.batch import read_requests, run_batch
from generation.produce import Picture
from generation.records import Failure, PictureLabel
from training.errors import CurateError, DamagedFile, StepChanged
from training.files import write_bytes
from training.pixels import encode_jpeg
from training.records import ModelVersion
from training.registry import Registry

COUNT = 6
FIRST = FromScratch(
    model="tiny", imgsz=64, scratch_updates=10, batch=2, scratch_lr0=0.01, seed=0, device="cpu", overrides={}
)


def config_of(**generate: int) -> Config:
    words = {"classes": {"cone": {}, "pallet": {}, "tote": {}}, "scene": {"light": ["at dusk", "at noon"]}}
    return parse_config({"vocabulary": words, "generate": generate}, name="it")


@pytest.fixture
def cold(tmp_path: Path) -> ColdFolder:
    return ColdFolder(tmp_path)


class Painter:
    """Paints grey pictures with the labels that were asked for; the judge refuses those about some classes."""

    batch_count = 2

    def __init__(self, refused: tuple[str, ...] = ()) -> None:
        self.refused = refused

    def paint(self, requests):
        return [self.one(request) for request in requests]

    def one(self, request):
        if request.objects[0].label in self.refused:
            return Failure(request_id=request.request_id, reason="not seen", refused=True)
        labels = tuple(
            PictureLabel(label=wish.label, xyxy=wish.xyxy, visible_share=1, source_id="", added=True)
            for wish in request.objects
        )
        data = encode_jpeg(np.full((32, 32, 3), 90, np.uint8))
        return Picture(
            data=data, width_px=32, height_px=32, labels=labels, source_ids=(), look=0, verified="unverified"
        )


class Train:
    """Registers weights, and remembers what they were to learn."""

    def __init__(self, cold: ColdFolder) -> None:
        self.registry, self.calls = Registry(cold.root / "models"), []

    def __call__(self, arm, lessons, settings, start, *, classes, number, notes):
        self.calls.append((arm, lessons, settings, start, classes, number))
        version = ModelVersion(
            model_id=f"m{len(self.calls)}", classes=tuple(classes), origin="first", parent=None, round=number,
            trained_on=arm.fingerprint(), history="in one go",
        )  # fmt: skip
        weights = self.registry.folder.parent / "weights.pt"
        write_bytes(weights, version.model_id.encode())
        self.registry.add(weights, version)
        return version


def draw(cold: ColdFolder, plan: ColdPlan, *, shard=(1, 1), refused: tuple[str, ...] = ()) -> None:
    run_batch(
        read_requests(cold.requests, shard=shard),
        painter_of=lambda _: Painter(refused),
        folder=cold.path,
        classes=plan.classes,
        shard=shard,
    )


def train(cold: ColdFolder, plan: ColdPlan, trainer: Train):
    return cold_start.train_first(cold, plan, first=FIRST, network="tiny", train=trainer, registry=trainer.registry)


def test_a_plan_is_made_once_and_the_same_wherever_it_is_made(cold: ColdFolder, tmp_path: Path) -> None:
    told: list[int] = []
    plan = cold_start.plan_pictures(cold, config_of(), count=COUNT, progress=told.append)
    assert (plan.count, plan.pictures, sum(told)) == (COUNT, {"cone": 2, "pallet": 2, "tote": 2}, COUNT)
    assert plan.values["light"] == {"at dusk": 3, "at noon": 3}
    assert cold_start.plan_pictures(cold, config_of(), count=COUNT, progress=told.append) == plan
    assert sum(told) == COUNT, "nothing is planned twice"
    elsewhere = ColdFolder(tmp_path / "elsewhere")
    assert cold_start.plan_pictures(elsewhere, config_of(), count=COUNT) == plan
    cold.requests.write_bytes(b"")
    assert cold_start.plan_pictures(cold, config_of(), count=COUNT) == plan
    assert len(cold.requests.read_bytes().splitlines()) == COUNT, "a file of requests that was lost is written again"


def test_another_plan_takes_the_place_of_one_without_pictures_and_of_no_other(cold: ColdFolder) -> None:
    cold_start.plan_pictures(cold, config_of(), count=COUNT)
    plan = cold_start.plan_pictures(cold, config_of(seed=1), count=COUNT + 1)
    assert plan.count == COUNT + 1
    draw(cold, plan)
    for config, count in ((config_of(), COUNT + 1), (config_of(seed=1), COUNT)):
        with pytest.raises(StepChanged, match="another plan"):
            cold_start.plan_pictures(cold, config, count=count)
    assert cold_start.plan_pictures(cold, config_of(seed=1), count=COUNT + 1) == plan


def test_what_was_drawn_is_counted_by_class_and_taught_with_its_labels(cold: ColdFolder) -> None:
    plan = cold_start.plan_pictures(cold, config_of(), count=COUNT)
    draw(cold, plan, refused=("pallet",))
    drawn, lessons = cold_start.count_drawn(cold, plan)
    assert (drawn.pictures, drawn.errors, drawn.verified) == (4, 2, {"unverified": 4})
    assert drawn.refused == {"cone": 0, "pallet": 2, "tote": 0}
    wishes = [asked.wish for asked in read_requests(cold.requests) if asked.wish.objects[0].label != "pallet"]
    for lesson, wish in zip(lessons, wishes, strict=True):
        assert [plan.classes[number] for number in lesson.labels] == [one.label for one in wish.objects]
        assert lesson.xyxy.tolist() == [list(one.xyxy) for one in wish.objects]
        assert (cold.root / lesson.file.path).is_file()
        assert lesson.file.synthetic


def test_shards_are_one_batch_and_what_is_missing_is_said(cold: ColdFolder) -> None:
    plan = cold_start.plan_pictures(cold, config_of(), count=COUNT)
    draw(cold, plan, shard=(1, 2), refused=("cone", "pallet"))
    with pytest.raises(CurateError, match="3 of 6 requests") as caught:
        cold_start.count_drawn(cold, plan)
    assert "curate generate --images 6" in caught.value.hint
    draw(cold, plan, shard=(2, 2))
    assert cold_start.count_drawn(cold, plan)[0].pictures == 4
    draw(cold, plan)
    drawn, lessons = cold_start.count_drawn(cold, plan)
    assert (drawn.pictures, len(lessons)) == (COUNT, COUNT)
    assert not any(drawn.refused.values())


def test_a_picture_goes_before_the_refusal_of_another_run(cold: ColdFolder) -> None:
    plan = cold_start.plan_pictures(cold, config_of(), count=COUNT)
    draw(cold, plan, shard=(1, 4), refused=("cone",))  # lines 1 and 5; its manifest is read last
    draw(cold, plan, shard=(1, 2))
    draw(cold, plan, shard=(2, 2))
    drawn, _ = cold_start.count_drawn(cold, plan)
    assert (drawn.pictures, drawn.refused["cone"]) == (COUNT, 0)


def test_a_damaged_manifest_is_named_by_its_line(cold: ColdFolder) -> None:
    plan = cold_start.plan_pictures(cold, config_of(), count=COUNT)
    (cold.path / "manifest.jsonl").write_text("{}\n")
    with pytest.raises(DamagedFile, match=r"manifest\.jsonl:1"):
        cold_start.count_drawn(cold, plan)


def test_a_model_is_trained_once_and_again_where_its_weights_were_lost(cold: ColdFolder) -> None:
    plan, trainer = cold_start.plan_pictures(cold, config_of(), count=COUNT), Train(cold)
    draw(cold, plan)
    model = train(cold, plan, trainer)
    assert (model.model_id, model.pictures, model.note) == ("m1", COUNT, "not verified on real photos")
    (arm, lessons, settings, start, classes, number), *_ = trainer.calls
    assert (arm.real_count, arm.synthetic_count, sum(arm.seen.values())) == (0, 6, sum(len(x.labels) for x in lessons))
    assert (settings.epochs, start.parent, classes, number) == (3, None, plan.classes, 0)
    assert cold.weights.read_bytes() == b"m1"

    cold.weights.unlink()
    assert train(cold, plan, trainer) == model
    assert (len(trainer.calls), cold.weights.read_bytes()) == (1, b"m1")
    (trainer.registry.folder / "m1" / "weights.pt").write_bytes(b"damaged")
    assert train(cold, plan, trainer).model_id == "m2"
    assert cold.weights.read_bytes() == b"m2"


def test_a_model_of_other_settings_is_another(cold: ColdFolder) -> None:
    plan, trainer = cold_start.plan_pictures(cold, config_of(), count=COUNT), Train(cold)
    draw(cold, plan)
    train(cold, plan, trainer)
    slower = FIRST.model_copy(update={"scratch_updates": 20})
    cold_start.train_first(cold, plan, first=slower, network="tiny", train=trainer, registry=trainer.registry)
    assert len(trainer.calls) == 2
