"""Two rounds of a workspace, written by hand: the first is decided, the second has begun."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curation.ledger import Ledger, RoundFolder
from curation.records import (
    Action,
    Batch,
    Briefs,
    Comparison,
    Decision,
    Difference,
    Finding,
    Findings,
    Payoff,
    Payoffs,
    Plan,
    Review,
    Shortage,
    TrainedArms,
)
from generation.records import (
    Brief,
    Failure,
    GenerationRequest,
    PasteObject,
    PasteRequest,
    PictureLabel,
    SyntheticImage,
    Verdict,
    identified,
)
from training.boxes import BoxTable, ImageTable
from training.fields import save_fields
from training.files import digest_of, write_bytes, write_json
from training.records import (
    Arm,
    ClassScore,
    Evaluation,
    FileRef,
    FitSettings,
    ImageSet,
    Interval,
    ModelVersion,
    TrainingFile,
    TrainingMix,
)
from training.registry import Registry
from training.tables import save_table

CLASSES = ("disc", "square")
SPLITS = ("train", "train", "train", "val", "test")
PHOTOS = [f"{number:024x}" for number in range(0xA0, 0xA5)]
LABELS = [digest_of(["label", number]) for number in range(10)]
SETTINGS = FitSettings(imgsz=64, epochs=3, batch=4, lr0=0.001, seed=0, device="cpu")
NOWHERE = FileRef(name="none", digest="")
WEAK, RARE = digest_of("weak"), digest_of("rare")


def model(name: str, **changes: Any) -> ModelVersion:
    given: dict[str, Any] = {
        "model_id": digest_of(["model", name]), "classes": CLASSES, "origin": "given", "parent": None, "round": 0,
        "trained_on": None, "history": "",
    }  # fmt: skip
    return ModelVersion.model_validate(given | changes)


GIVEN = model("given")


def score(value: float, photos: int = 60, half_width: float = 0.05) -> Interval:
    return Interval(value=value, low=value - half_width, high=value + half_width, photos=photos)


def evaluation(judged: ModelVersion, split: Any, value: float) -> Evaluation:
    classes = [
        ClassScore(
            label=name, ap=score(value, photos), ap50=value, objects=photos, recall=0.5, precision=0.5, errors={}
        )
        for name, photos in zip(CLASSES, (60, 12), strict=True)
    ]
    return Evaluation(
        model_id=judged.model_id, images="", split=split, min_score=0.25, mean_ap=score(value), mean_ap50=value,
        classes=tuple(classes), predictions=NOWHERE, matches=NOWHERE,
    )  # fmt: skip


def finding(finding_id: str = WEAK, words: str = "square", **changes: Any) -> Finding:
    given: dict[str, Any] = {
        "finding_id": finding_id, "conditions": (), "origin": "pre-specified", "tested_on": "val", "label": "square",
        "size": None, "words": words, "versus": "other classes", "status": "confirmed", "objects": 76, "photos": 54,
        "recall": 0.46, "recall_rest": 0.84, "effect": score(0.38, 54), "p": 0.0001, "q": 0.001, "gain": 0.08,
        "missed": {"square": 41}, "objects_to_settle": None, "evidence": (LABELS[7],), "view": "view",
    }  # fmt: skip
    return Finding.model_validate(given | changes)


def shortage() -> Shortage:
    return Shortage(
        finding_id=RARE, conditions=(), label="disc", size=None, words="disc, light: dark", why="1 of 3 in train",
        train_objects=1, val_objects=2, val_photos=2, recall=None, gain=0, evidence=(), view="rare",
    )  # fmt: skip


def brief(seed: int) -> Brief:
    return Brief(
        brief_id=digest_of(["brief", seed]), finding_id=WEAK, action="generate", label="square", size=None, pictures=4,
        reason="paste can make it", backend="paste",
    )  # fmt: skip


def request(number: int, brief_id: str) -> PasteRequest:
    wish = PasteObject(
        label="square", source_id=LABELS[1], xyxy=(0.1, 0.1, 0.3, 0.3), angle_deg=0, flip=False, gain=1, tint=(1, 1, 1)
    )
    return identified(
        PasteRequest(
            request_id="", brief_id=brief_id, finding_id=WEAK, backend="paste", seed=number, background_id=PHOTOS[2],
            labels_digest="", objects=(wish,),
        )
    )  # fmt: skip


def picture(asked: GenerationRequest, root: Path, **changes: Any) -> SyntheticImage:
    path, data = f"pictures/{asked.request_id[:2]}/{asked.request_id}.jpg", f"bytes of {asked.request_id}".encode()
    write_bytes(root / path, data)
    label = PictureLabel(label="square", xyxy=(0.1, 0.1, 0.3, 0.3), visible_share=1, source_id=LABELS[1], added=True)
    given: dict[str, Any] = {
        "request_id": asked.request_id, "brief_id": asked.brief_id, "finding_id": asked.finding_id,
        "backend": asked.backend, "digest": digest_of(data), "path": path, "width_px": 64, "height_px": 64,
        "labels": (label,), "source_ids": (PHOTOS[0], PHOTOS[2]), "look": "0" * 16,
    }  # fmt: skip
    return SyntheticImage.model_validate(given | changes)


class SmallRounds:
    """A workspace with four requests in round 1: two pictures accepted, one rejected, one failure."""

    def __init__(self, root: Path) -> None:
        (root / "curate.yaml").write_text("")
        self.root, self.ledger = root, Ledger(root, lambda: 0.0)
        self.registry = Registry(root / "models")
        self.requests: tuple[GenerationRequest, ...] = tuple(request(number, brief(1).brief_id) for number in range(4))
        self.pictures = tuple(picture(asked, root) for asked in self.requests[:3])
        self.keep(GIVEN)
        photo = root / "data" / "photos" / PHOTOS[0][:2] / f"{PHOTOS[0]}.jpg"
        write_bytes(photo, b"no photo of this digest")

    def keep(self, version: ModelVersion) -> ModelVersion:
        weights = self.root / "weights.pt"
        weights.write_bytes(f"weights of {version.model_id}".encode())
        self.registry.add(weights, version)
        return version

    def begin(self, champion: ModelVersion) -> RoundFolder:
        """Freeze, evaluate and analyze."""
        folder = self.ledger.open_round()
        images, labels = tables()
        frozen = ImageSet(
            classes=CLASSES, photos={"train": 3, "val": 1, "test": 1}, objects={},
            images=save_table(folder.path / "freeze.images.npz", images),
            labels=save_table(folder.path / "freeze.labels.npz", labels),
            fields=save_fields(folder.path / "freeze.fields.npz", {}),
        )  # fmt: skip
        self.write(folder, "freeze", frozen)
        self.write(folder, "champion", champion)
        self.write(folder, "evaluate", evaluation(champion, "val", 0.4))
        explained = finding(digest_of("explained"), "small square", explained_by=WEAK)
        tested = (finding(), explained, finding(digest_of("open"), "disc", status="open"))
        self.write(
            folder,
            "analyze",
            Findings(findings=tested, split="val", min_effect=0.1, max_q=0.05, shortages=(shortage(),)),
        )
        return folder

    def make(self, folder: RoundFolder) -> None:
        """Brief, plan, generate and review."""
        action = Action(finding_id=WEAK, action="generate", pictures=4, share=1, reason="it gains most")
        self.write(folder, "brief", Briefs(actions=(action,), briefs=(brief(folder.number),), note=""))
        save = folder.save_lines
        self.write(folder, "plan", Plan(requests=save("plan.requests.jsonl", self.requests), count=4, label_briefs=()))
        failed = Failure(request_id=self.requests[3].request_id, reason="no room", refused=False)
        batch = Batch(
            pictures=save("generate.pictures.jsonl", self.pictures), failures=save("generate.failures.jsonl", [failed]),
            made=3, failed=1, verified={"by construction": 3},
        )  # fmt: skip
        self.write(folder, "generate", batch)
        verdicts = [
            Verdict(request_id=self.requests[0].request_id, accepted=True, reason="", reviewer="person"),
            Verdict(request_id=self.requests[1].request_id, accepted=True, reason="", reviewer="rule"),
            Verdict(request_id=self.requests[2].request_id, accepted=False, reason="too dark", reviewer="rule"),
        ]
        kept = Review(verdicts=save("review.verdicts.jsonl", verdicts), accepted=2, rejected=1, reasons={})
        self.write(folder, "review", kept)

    def learn(
        self, folder: RoundFolder, champion: ModelVersion, *, promoted: bool = True, both: bool = False
    ) -> ModelVersion:
        """Mix, train with two seeds, pay off, compare and decide; give the nominated candidate.

        `both` shows the pictures to the control, too, as those of earlier rounds are.
        """
        photos = [entry(photo_id) for photo_id in PHOTOS[:3]]
        made = [entry(each.request_id, synthetic=True) for each in self.pictures[:2]]
        control = self.arm(folder, "control", [*photos, *made] if both else [entry(PHOTOS[0], times=3), *photos[1:]])
        candidate = self.arm(folder, "candidate", [*photos, *made])
        mixed = TrainingMix(control=control, candidate=candidate, settings=SETTINGS, seeds=(0, 1), new_count=2)
        self.write(folder, "mix", mixed)
        trained = TrainedArms(
            control=self.trained(folder, control, champion), candidate=self.trained(folder, candidate, champion),
            settings=SETTINGS,
        )  # fmt: skip
        self.write(folder, "train", trained)
        paid = Payoff(
            finding_id=WEAK, words="square", pictures=2, objects=76, photos=54, champion=0.46, control=0.48,
            candidate=0.6, gain=score(0.12, 54), verdict="pays",
        )  # fmt: skip
        self.write(folder, "payoff", Payoffs(findings=(paid,), losses=()))
        judged = Comparison(
            champion=evaluation(champion, "test", 0.41),
            control=tuple(evaluation(each, "test", 0.42) for each in trained.control),
            candidate=tuple(evaluation(each, "test", 0.5) for each in trained.candidate),
            test_photos="",
        )
        self.write(folder, "compare", judged)
        self.write(folder, "decide", decision(champion, trained, promoted=promoted))
        return trained.candidate[0]

    def arm(self, folder: RoundFolder, name: Any, files: Sequence[TrainingFile]) -> Arm:
        return Arm(
            name=name, files=folder.save_lines(f"mix.{name}.jsonl", files), length=5, real_count=3, synthetic_count=2,
            seen={},
        )  # fmt: skip

    def trained(self, folder: RoundFolder, arm: Arm, parent: ModelVersion) -> tuple[ModelVersion, ...]:
        return tuple(
            self.keep(
                model(
                    f"{arm.name} {folder.number} {seed}", origin=arm.name, parent=parent.model_id, round=folder.number,
                    trained_on=arm.fingerprint(), history="in one go",
                    settings=SETTINGS.model_copy(update={"seed": seed}),
                )
            )
            for seed in (0, 1)
        )  # fmt: skip

    def write(self, folder: RoundFolder, step: str, record: Any) -> None:
        folder.once(step, type(record), lambda: record)

    def play(self, *, promoted: bool = True) -> ModelVersion:
        """Play the first round to its decision, and give its candidate."""
        folder = self.begin(GIVEN)
        self.make(folder)
        return self.learn(folder, GIVEN, promoted=promoted)

    def bring(self, *, drawn: bool) -> None:
        """Write the first import, as far as models know it."""
        note = {
            "number": 1, "dataset": "d", "source": "yard", "format": "yolo", "drawn": drawn, "classes": list(CLASSES),
            "photos": {}, "objects": 0, "model_id": GIVEN.model_id, "refused": [], "notes": [], "visible": [],
            "images": NOWHERE.plain(), "labels": NOWHERE.plain(), "traits": NOWHERE.plain(),
        }  # fmt: skip
        write_json(self.root / "data" / "imports" / "001.json", note)


def tables() -> tuple[ImageTable, BoxTable]:
    """Five photos, a disc and a square on each."""
    images = ImageTable(
        id=np.array(PHOTOS), path=np.array([f"data/photos/{each[:2]}/{each}.jpg" for each in PHOTOS]),
        width_px=np.full(5, 64), height_px=np.full(5, 64), split=np.array(SPLITS),
    )  # fmt: skip
    labels = BoxTable(
        id=np.array(LABELS), image=np.repeat(np.arange(5), 2), label=np.tile([0, 1], 5),
        xyxy=np.tile([0.1, 0.1, 0.5, 0.5], (10, 1)), score=np.ones(10),
    )  # fmt: skip
    return images, labels


def entry(picture_id: str, *, synthetic: bool = False, times: int = 1) -> TrainingFile:
    return TrainingFile(picture_id=picture_id, path=f"{picture_id}.jpg", synthetic=synthetic, times=times)


def decision(champion: ModelVersion, trained: TrainedArms, *, promoted: bool) -> Decision:
    better = Difference(of="candidate − champion", mean_ap=score(0.09), classes={})
    return Decision(
        outcome="promoted" if promoted else "inconclusive", sentence="A sentence with a | in it.", better=better,
        pictures_did_it=None, attributed="cannot tell", attribution="not attributable: two seeds differ", classes=(),
        settle="", openings=2, champion=(trained.candidate[0] if promoted else champion).model_id,
        models={
            "champion": champion.model_id, "control": trained.control[0].model_id,
            "candidate": trained.candidate[0].model_id,
        },
        seeds=2,
    )  # fmt: skip
