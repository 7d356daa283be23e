"""A round from top to bottom with doors that remember: what runs, what is refused, what is never opened."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from curation.appearance import Looks
from curation.clusters import Vectors
from curation.config import Config, parse_config
from curation.decisions import Collected
from curation.desk import Desk, Frozen
from curation.documents import Photos
from curation.judging import Studied
from curation.ledger import Ledger, RoundFolder
from curation.loop import play, play_rounds
from curation.records import Batch, Briefs, Condition, Decision, Disputed, FindingEdits, Findings, Measured, Review
from curation.step_settings import Profile
from curation.steps import write_briefs
from generation.card import SIDES, CapabilityCard, CardRow
from generation.records import Failure, PasteRequest, PictureLabel, SyntheticImage
from tests.curation.said import collected
from training.boxes import BoxTable, ImageTable, Ints
from training.errors import CurateError, DataError, StepChanged
from training.files import digest_of
from training.records import Arm, Evaluation, FitSettings, ImageSet, ModelVersion
from training.unlabelled import Unlabelled

CLASSES = ("disc", "square")
COUNTS = {"train": 24, "val": 60, "test": 60}
SPLIT = [split for split, count in COUNTS.items() for _ in range(count)]
MACHINE = Profile(device="cpu", imgsz=64, max_updates=10, scratch_updates=20)
GIVEN = ModelVersion(
    model_id="given", classes=CLASSES, origin="given", parent=None, round=0, trained_on=None, history=""
)


def photos() -> Photos:
    """A disc and a square on every photo, side by side."""
    count, rng = len(SPLIT), np.random.default_rng(0)
    corner = np.tile([[0.1, 0.2], [0.6, 0.2]], (count, 1))
    size = rng.uniform(0.2, 0.3, (2 * count, 2))
    images = ImageTable(
        id=np.array([f"{number:024x}" for number in range(count)]),
        path=np.array([f"data/photos/{number}.jpg" for number in range(count)]),
        width_px=np.full(count, 200),
        height_px=np.full(count, 200),
        split=np.array(SPLIT),
    )
    labels = BoxTable(
        id=np.array([digest_of(number) for number in range(2 * count)]),
        image=np.repeat(np.arange(count), 2),
        label=np.tile([0, 1], count),
        xyxy=np.hstack([corner, corner + size]),
        score=np.ones(2 * count),
    )
    return Photos(images, labels, CLASSES, skipped=())


def looks(_images: ImageTable, labels: BoxTable) -> Looks:
    """Everything looks alike."""
    grey = np.full(len(labels), 0.5)
    return Looks(grey, grey, grey, np.zeros(len(labels), np.int64), grey, grey, grey)


def vectors(_model: ModelVersion, _images: ImageTable, labels: BoxTable, *, side_px: int = 64) -> Vectors:
    """To the detector, objects differ by class alone."""
    return np.repeat(labels.label[:, None], 4, axis=1).astype(np.float32)


class Board:
    """FiftyOne, as far as a round needs it."""

    def __init__(self, read: Photos) -> None:
        self.read, self.views = read, {}
        self.decided: dict[str, bool] = {}
        self.settled: set[str] = set()

    def read_photos(self) -> Photos:
        return self.read

    def settled_labels(self) -> frozenset[str]:
        return frozenset(self.settled)

    def finding_edits(self, number: int) -> tuple[Any, ...]:
        return ()

    def collect(self, pictures: Sequence[SyntheticImage]) -> Collected:
        return collected(self.decided, there=[picture.request_id for picture in pictures])

    def save_view(self, name: str, **shown: Any) -> None:
        self.views[name] = shown

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class World:
    """Everything outside a round: it remembers what was asked of it."""

    def __init__(self, root: Path, given: ModelVersion | None = GIVEN) -> None:
        (root / "curate.yaml").write_text("")
        self.ledger, self.given = Ledger(root, lambda: 0.0), given
        self.board = Board(photos())
        self.trained: list[tuple[Arm, list[Any], FitSettings, tuple[str, ...]]] = []
        self.judged: list[tuple[str, str]] = []
        self.said: list[str] = []
        self.finds_squares = "candidate"
        self.cards: list[str] = []
        self.draws_squares, self.refuses = True, False
        self.verified = "by construction"

    def desk(self, config: dict[str, Any] | None = None, profile: Profile = MACHINE) -> Desk:
        settings: Config = parse_config(config or {}, name="curate.yaml")
        registry: Any = SimpleNamespace(weights=lambda model_id: Path(f"{model_id}.pt"), get=self.version)
        return Desk(
            ledger=self.ledger, config=settings, profile=profile, registry=registry, board=lambda: self.board,
            predict=self.predict, train=self.train, produce=self.produce, first=self.given, network="tiny.yaml",
            card=self.card, warn=self.said.append, look_at=looks, embed=vectors,
            read_pool=self.read_pool, read_photo=None, encode_jpeg=None, interview=None, chat=None,
        )  # type: ignore[arg-type]  # fmt: skip

    def version(self, model_id: str, classes: Sequence[str] = CLASSES) -> ModelVersion:
        return GIVEN.model_copy(update={"model_id": model_id, "classes": tuple(classes), "origin": "control"})

    def predict(
        self, models: Sequence[ModelVersion], images: ImageTable, rows: Ints, classes: Sequence[str], *,
        flipped: bool = False,
    ) -> list[BoxTable]:  # fmt: skip
        """Find every disc; squares only with one model."""
        self.judged += [(model.model_id, str(images.split[rows[0]])) for model in models]
        if str(images.path[0]).startswith("pictures/"):
            return [self.board.read.labels.take(np.zeros(0, np.int64)) for _ in models]  # finds nothing in pictures
        labels = self.board.read.labels.of_images(rows)
        found = replace(labels, score=np.full(len(labels), 0.9))
        return [
            found if model.model_id == self.finds_squares else found.take(found.label == classes.index("disc"))
            for model in models
        ]

    def train(
        self, arm: Arm, lessons: Any, settings: FitSettings, start: Any, *, classes: Sequence[str], number: int,
        notes: Path,
    ) -> ModelVersion:  # fmt: skip
        self.trained.append((arm, lessons, settings, tuple(classes)))
        return self.version(arm.name, classes)

    def read_pool(self, source: str) -> Unlabelled:
        raise DataError(f"{source} is not there", hint="name a folder")

    def card(self, _priors: Any, drawing: str) -> CapabilityCard:
        self.cards.append(drawing)
        drawn = 15 if self.draws_squares else 1
        rows = tuple(CardRow(label="square", size=size, asked=15, drawn=drawn, judged=15, failed=0) for size in SIDES)
        return CapabilityCard(generator=drawing, rows=rows)

    def produce(self, requests: Sequence[PasteRequest], priors: Any) -> list[SyntheticImage | Failure]:
        def sources(request: PasteRequest) -> tuple[str, ...]:
            photos = priors.labels.image[[priors.label_rows[wish.source_id] for wish in request.objects]]
            return tuple(sorted({request.background_id, *priors.images.id[photos].tolist()}))

        if self.refuses:
            return [Failure(request_id=one.request_id, reason="square missing", refused=True) for one in requests]
        return [
            SyntheticImage(
                request_id=request.request_id, brief_id=request.brief_id, finding_id=request.finding_id,
                backend="paste", verified=self.verified,
                digest=f"bytes of {request.request_id}", path=f"pictures/{request.request_id}.jpg",
                width_px=200, height_px=200, source_ids=sources(request), look=f"{number << 40:016x}",
                labels=tuple(
                    PictureLabel(
                        label=wish.label, xyxy=wish.xyxy, visible_share=1, source_id=wish.source_id, added=True
                    )
                    for wish in request.objects
                ),
            )
            for number, request in enumerate(requests)
        ]  # fmt: skip


SMALL = {
    "generate": {"pictures": 8, "min_pictures": 4},
    "evaluate": {"replicates": 100},
    "decide": {"replicates": 100},
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def decided(desk: Desk) -> tuple[RoundFolder, Decision]:
    folder = play(desk, "decide", may_review=True)
    decision = folder.read("decide", Decision)
    assert decision is not None
    return folder, decision


def test_a_round_trains_two_arms_and_promotes_what_is_better(world: World) -> None:
    _, decision = decided(world.desk(SMALL))
    assert decision.outcome == "promoted", decision.sentence
    assert [arm.name for arm, *_ in world.trained] == ["control", "candidate"]
    before = [("given", "val"), ("given", "train"), ("control", "val"), ("candidate", "val")]
    assert world.judged == [*before, ("given", "test"), ("control", "test"), ("candidate", "test")]


# --- a step is keyed by what it uses


def again(world: World, config: dict[str, Any], profile: Profile = MACHINE, *, redo: str = "decide") -> str:
    """Play a finished round again from a step, with other settings; give the sentence of the refusal, or nothing."""
    world.ledger.rounds()[-1].redo(redo)
    try:
        decided(world.desk(SMALL | config, profile))
    except StepChanged as error:
        return error.message
    return ""


SETTINGS = {
    # name: settings and machine that changed, the step that is refused, the words for it
    "a learning rate": ({"training": {"lr0": 0.002}}, MACHINE, "mix", "training.lr0: 0.001 → 0.002"),
    "a batch": ({"training": {"batch": 8}}, MACHINE, "mix", "training.batch: 16 → 8"),
    "a number of updates": ({}, MACHINE.model_copy(update={"max_updates": 11}), "mix", "max_updates: 10 → 11"),
    "another device": ({}, MACHINE.model_copy(update={"device": "0"}), "mix", "training.device: cpu → 0"),
    "a picture size": ({}, MACHINE.model_copy(update={"imgsz": 96}), "evaluate", "training.imgsz: 64 → 96"),
    "an operating point": ({"evaluate": {"min_score": 0.3, "replicates": 100}}, MACHINE, "evaluate",
                           "evaluate.min_score: 0.25 → 0.3"),
    "a share": ({"mix": {"max_synthetic_share": 0.4}}, MACHINE, "mix", "mix.max_synthetic_share: 0.5 → 0.4"),
    "a margin": ({"decide": {"margin": 0.3, "replicates": 100}}, MACHINE, "", ""),
    "how first models are trained, when none was": ({"training": {"scratch_lr0": 0.1, "model": "tiny"}}, MACHINE, "",
                                                    ""),
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_a_changed_setting_refuses_the_first_step_that_uses_it_by_its_key(world: World, name: str) -> None:
    config, machine, step, words = SETTINGS[name]
    decided(world.desk(SMALL))
    said = again(world, config, machine)
    assert (f"step '{step}'" in said) if step else not said
    assert words in said


def test_settings_of_training_are_free_until_the_mix(world: World) -> None:
    play(world.desk(SMALL), "generate", may_review=True)
    _, decision = decided(world.desk(SMALL | {"training": {"lr0": 0.01, "batch": 4, "seed": 3}}))
    assert decision.outcome == "promoted"
    assert {settings.lr0 for _, _, settings, _ in world.trained} == {0.01}


@pytest.mark.parametrize(
    ("classes", "free", "refused"),
    [
        pytest.param(None, {"lr0": 0.1}, {"scratch_lr0": 0.1}, id="from scratch"),
        pytest.param(("person", "car"), {"scratch_lr0": 0.1, "model": "tiny"}, {"lr0": 0.1}, id="from other classes"),
    ],
)
def test_a_first_model_is_keyed_by_the_training_that_it_had(
    tmp_path: Path, classes: tuple[str, ...] | None, free: dict[str, Any], refused: dict[str, Any]
) -> None:
    world = World(tmp_path, None if classes is None else GIVEN.model_copy(update={"classes": classes}))
    play(world.desk(SMALL), "evaluate", may_review=True)
    assert [arm.name for arm, *_ in world.trained] == ["first"]
    play(world.desk(SMALL | {"training": free}), "evaluate", may_review=True)
    with pytest.raises(StepChanged, match="step 'champion'"):
        play(world.desk(SMALL | {"training": refused}), "evaluate", may_review=True)
    assert len(world.trained) == 1


# --- a verdict that is known beforehand


def test_too_few_test_photos_are_told_before_anything_is_trained_and_test_stays_closed(world: World) -> None:
    folder, decision = decided(world.desk(SMALL | {"decide": {"min_photos": 61}}))
    assert (decision.outcome, decision.champion, decision.openings) == ("inconclusive", "given", 0)
    assert "no class is on 61 of them" in decision.sentence
    assert "nothing more was trained, and test stays closed" in decision.sentence
    assert decision.settle == "more test photos that hold the class: disc 1, square 1"
    assert (world.trained, world.judged) == ([], [("given", "val"), ("given", "train")])
    assert folder.finished("review")
    assert not folder.finished("mix")


def test_a_worn_test_is_told_before_anything_is_trained(world: World) -> None:
    world.finds_squares = "none"
    settings = SMALL | {"decide": {"max_openings": 1, "replicates": 100}}
    assert decided(world.desk(settings))[1].openings == 1
    world.trained.clear()
    _, decision = decided(world.desk(settings))
    assert (decision.outcome, decision.settle, decision.openings) == ("inconclusive", "add test photos", 1)
    assert world.trained == []


def test_a_round_that_has_looked_at_test_is_decided_by_its_look(world: World) -> None:
    settings = SMALL | {"decide": {"max_openings": 1, "replicates": 100}}
    folder, decision = decided(world.desk(settings))
    folder.redo("decide")
    assert decided(world.desk(settings))[1] == decision, "the look that was moved nowhere is no look too many"
    folder.redo("compare")
    world.judged.clear()
    assert "looked at 1 time and" in decided(world.desk(settings))[1].sentence
    assert world.judged == [], "a second look was taken"


def test_rounds_end_early_where_the_next_would_be_foregone_too(world: World) -> None:
    folder, stop = play_rounds(world.desk(SMALL | {"decide": {"min_photos": 61}}), until_round=3)
    assert folder.number == 1
    assert stop is not None
    assert "the next round would find the same as round 1" in stop.sentence


def test_rounds_that_promote_nothing_end_and_say_what_to_label_instead(world: World) -> None:
    world.finds_squares = "none"
    settings = SMALL | {"run": {"max_rounds_without_promotion": 2}, "decide": {"replicates": 100}}
    folder, stop = play_rounds(world.desk(settings), until_round=5)
    assert folder.number == 2
    assert stop is not None
    assert "2 rounds in a row promoted no model" in stop.sentence
    assert any(line.startswith(("label: ", "to settle")) for line in stop.lines), stop.lines


def test_rounds_go_on_while_models_are_promoted_and_end_where_nothing_is_left_to_mend(world: World) -> None:
    folder, stop = play_rounds(world.desk(SMALL), until_round=5)
    assert folder.number == 2
    assert stop is not None
    assert "no confirmed finding of round 2 is left" in stop.sentence


# --- what arms learn from


def test_arms_learn_from_frozen_labels_and_from_pictures_as_they_were_made(world: World) -> None:
    decided(world.desk(SMALL))
    (control, real, *_), (candidate, lessons, *_) = world.trained
    labels = world.board.read.labels
    assert len(real) == COUNTS["train"]
    for lesson in real:
        row = int(lesson.file.picture_id, 16)
        assert lesson.digest == lesson.file.picture_id
        assert lesson.xyxy.tolist() == labels.xyxy[labels.image == row].tolist()
        assert lesson.labels.tolist() == [0, 1]
    drawn = [lesson for lesson in lessons if lesson.file.synthetic]
    assert len(drawn) == candidate.synthetic_count > control.synthetic_count
    assert all(lesson.digest == f"bytes of {lesson.file.picture_id}" for lesson in drawn)
    assert {int(lesson.labels[0]) for lesson in drawn} == {1}, "the first object of each picture is a square"


def test_a_champion_that_counts_the_classes_in_another_order_keeps_it(tmp_path: Path) -> None:
    world = World(tmp_path, GIVEN.model_copy(update={"classes": ("square", "disc")}))
    decided(world.desk(SMALL))
    assert [arm.name for arm, *_ in world.trained] == ["control", "candidate"], "no first model is needed"
    for _, lessons, _, classes in world.trained:
        assert classes == ("square", "disc")
        real = [lesson for lesson in lessons if not lesson.file.synthetic]
        assert all(lesson.labels.tolist() == [1, 0] for lesson in real)
        assert all(lesson.labels[0] == 0 for lesson in lessons if lesson.file.synthetic)


# --- what people left


def test_boxes_that_are_not_used_are_told_once_and_shown(world: World) -> None:
    world.board.read = replace(world.board.read, skipped=("a" * 24, "b" * 24))
    for _ in range(2):
        play(world.desk(SMALL), "evaluate", may_review=True)
    name = "round 1: boxes that are not used"
    assert world.said == [f"boxes without a class or an area: 2, not used; the view '{name}' shows them"]
    assert list(world.board.views[name]["label_ids"]) == ["a" * 24, "b" * 24]


# --- what the language model adds


def test_a_finding_about_an_attribute_that_train_does_not_have_is_left_to_people(world: World) -> None:
    folder = play(world.desk(SMALL), "analyze", may_review=False)
    found = folder.read("analyze", Findings)
    images, evaluation = folder.read("freeze", ImageSet), folder.read("evaluate", Evaluation)
    measured = folder.read("measure", Measured)
    assert found is not None
    assert images is not None
    assert evaluation is not None
    assert measured is not None
    weak = next(finding for finding in found.findings if finding.words == "square")
    muddy = weak.model_copy(update={"conditions": (*weak.conditions, Condition(column="dirt", value="muddy"))})
    studied = Studied(Frozen(images, folder), evaluation, measured, frozenset())
    only = Findings(findings=(muddy,), split="val", min_effect=0.1, max_q=0.05)
    made = write_briefs(world.desk(SMALL), studied, only, None, None, {}, [], FindingEdits())
    assert [(action.action, action.reason) for action in made.actions] == [("label", "pasting cannot vary dirt: muddy")]


DRAWN = SMALL | {"generator": {"backend": "gligen"}}


def squares(folder: RoundFolder) -> list[tuple[str | None, str]]:
    briefs = folder.read("brief", Briefs)
    assert briefs is not None
    return [(brief.backend, brief.reason) for brief in briefs.briefs if brief.label == "square"]


def test_whole_pictures_are_drawn_of_what_the_generator_can_draw(world: World) -> None:
    ((backend, _),) = squares(play(world.desk(DRAWN), "analyze", may_review=False))
    assert backend == "gligen"
    play(world.desk(DRAWN), "analyze", may_review=False)
    assert len(world.cards) == 1, "it is found out once"


def test_what_the_generator_cannot_draw_is_painted_into_photos_and_says_why(world: World) -> None:
    world.draws_squares = False
    ((backend, reason),) = squares(play(world.desk(DRAWN), "analyze", may_review=False))
    assert backend == "gligen-inpaint"
    assert "the generator drew 2 of 30 square where they were asked for" in reason


NO_CARD = {"pasting": {}, "into photos": {"backend": "gligen-inpaint"}}


@pytest.mark.parametrize("generator", NO_CARD.values(), ids=NO_CARD)
def test_no_card_is_made_where_no_whole_picture_is_drawn(world: World, generator: dict[str, str]) -> None:
    play(world.desk(SMALL | {"generator": generator}), "analyze", may_review=False)
    play(world.desk(DRAWN | {"verify": {"backend": "none"}}), "evaluate", may_review=False)
    assert world.cards == []


def test_after_the_briefs_another_generator_is_refused_before_it_paints_anything(world: World) -> None:
    play(world.desk(SMALL), "analyze", may_review=False)
    with pytest.raises(StepChanged, match="step 'brief' of round 1"):
        play(world.desk(DRAWN), "analyze", may_review=False)
    assert world.cards == []


def test_a_round_whose_every_picture_is_refused_stops_and_can_go_on(world: World) -> None:
    world.refuses = True
    with pytest.raises(
        CurateError, match=r"(\d+) of \1 pictures were refused, the last because square missing"
    ) as error:
        play(world.desk(SMALL), "generate", may_review=False)
    assert error.value.exit_code == 4
    world.refuses = False
    assert play(world.desk(SMALL), "generate", may_review=False).finished("generate")


def test_pictures_in_which_the_judge_sees_more_than_the_champion_are_counted_on_their_own(world: World) -> None:
    pasted = play(world.desk(SMALL), "generate", may_review=False).read("generate", Batch)
    assert pasted is not None
    assert pasted.disputed == (), "nobody judged them"
    world.verified = "judged"
    world.ledger.rounds()[-1].redo("generate")
    batch = play(world.desk(SMALL), "generate", may_review=False).read("generate", Batch)
    assert batch is not None
    assert len(batch.disputed) == batch.made
    world.board.decided = {batch.disputed[0]: True, batch.disputed[1]: False}
    review = play(world.desk(SMALL), "review", may_review=True).read("review", Review)
    assert review is not None
    assert review.disputed == Disputed(pictures=batch.made, reviewed=2, right=1)
