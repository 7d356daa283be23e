"""What a round needs from outside, and what it has frozen: handed from step to step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from curation.appearance import Looks, Pixels
from curation.clusters import Vectors
from curation.config import Config
from curation.consultation import Consulted
from curation.decisions import Collected, Journal
from curation.documents import Photos
from curation.ledger import Ledger, RoundFolder
from curation.records import FindingEdit, Findings
from curation.results import Marks
from curation.step_settings import ArmSettings, Drawing, FineTuning, FromScratch, Interview, Profile, Sight
from generation.card import CapabilityCard
from generation.chat import Chat
from generation.priors import Priors
from generation.records import Failure, GenerationRequest, SyntheticImage, Verdict
from training.boxes import BoxTable, ImageTable, Ints
from training.detector import EMBED_SIDE_PX
from training.fields import Fields, load_fields
from training.matching import Errors, Matches
from training.mix import Lesson
from training.records import Arm, Evaluation, FitSettings, ImageSet, ModelVersion, Record, Split
from training.registry import Registry
from training.retrain import Start
from training.tables import load_table
from training.unlabelled import Unlabelled


class Board(Protocol):
    """Where people look: the dataset in FiftyOne, as `curation.store.Store` keeps it."""

    def read_photos(self) -> Photos:
        """Give the real photos and labels as they are now."""

    def publish_evaluation(
        self,
        key: str,
        *,
        images: ImageTable,
        labels: BoxTable,
        predictions: BoxTable,
        matches: Matches,
        errors: Errors,
        classes: Sequence[str],
        split: Split,
        mean_ap: float | None = None,
    ) -> None:
        """Show predictions, and what each box is."""

    def mark_labels(self, field: str, images: ImageTable, labels: BoxTable, marks: Marks) -> None:
        """Write into a field of labels the names that mark them."""

    def save_view(
        self,
        name: str,
        *,
        label_ids: Sequence[str] | None = None,
        marked: tuple[str, str] | None = None,
        photo_ids: Sequence[str] | None = None,
        description: str = "",
    ) -> None:
        """Save a view of photos, of the photos with these labels, or with labels that a field marks."""

    def publish_pictures(self, pictures: Sequence[SyntheticImage], journal: Journal) -> int:
        """Show synthetic pictures that are not shown yet, with what people did to them before."""

    def publish_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Show what was decided about them."""

    def settled_labels(self) -> frozenset[str]:
        """Give the ids that people said are to be suspected no more."""

    def finding_edits(self, number: int) -> tuple[FindingEdit, ...]:
        """Give what people said about the findings of a round, in the order in which they did."""

    def collect(self, pictures: Sequence[SyntheticImage]) -> Collected:
        """Give what people decided and corrected; `pictures` are as they were published."""


class Predict(Protocol):
    """Predict with models on some photos."""

    def __call__(
        self,
        models: Sequence[ModelVersion],
        images: ImageTable,
        rows: Ints,
        classes: Sequence[str],
        *,
        flipped: bool = False,
    ) -> list[BoxTable]:
        """Give each model's boxes of `classes`, with image rows of `images`; `flipped` as seen in a mirror."""


class Embed(Protocol):
    """See boxes as a model does."""

    def __call__(
        self, model: ModelVersion, images: ImageTable, boxes: BoxTable, *, side_px: int = EMBED_SIDE_PX
    ) -> Vectors:
        """Give the model's own view of each box as a crop of a size (n, d)."""


class TrainArm(Protocol):
    """Train one arm."""

    def __call__(
        self,
        arm: Arm,
        lessons: Sequence[Lesson],
        settings: FitSettings,
        start: Start,
        *,
        classes: Sequence[str],
        number: int,
        notes: Path,
    ) -> ModelVersion:
        """Give the registered result of round `number`; `classes` are in the order of their numbers.

        What is noted in the folder `notes` is not trained again.
        """


Produce = Callable[[Sequence[GenerationRequest], Priors], Sequence[SyntheticImage | Failure]]


@dataclass(frozen=True)
class Desk:
    """Everything from outside that a round needs, bound by the wiring."""

    ledger: Ledger
    config: Config
    profile: Profile
    registry: Registry
    board: Callable[[], Board]
    """Opened when first needed: FiftyOne takes its time."""
    predict: Predict
    train: TrainArm
    produce: Produce
    card: Callable[[Priors, str], CapabilityCard]
    """Gives what the generator with a digest can draw of the classes of train."""
    first: ModelVersion | None
    """The model that was brought, None where the first one is trained."""
    network: str
    """YAML of the network to train where no model was brought."""
    warn: Callable[[str], None]
    """Tells people something that no record holds."""
    look_at: Callable[[ImageTable, BoxTable], Looks]
    """Measures how labels look; reads their photos."""
    embed: Embed
    read_pool: Callable[[str], Unlabelled]
    """Reads unlabelled photos of a folder, or of a dataset of FiftyOne's."""
    read_photo: Callable[[ImageTable, int], Pixels]
    """Reads the photo of a row."""
    encode_jpeg: Callable[[Pixels], bytes]
    interview: Interview | None
    """What the language model is asked by; None where it is not asked."""
    chat: Callable[[int], Chat]
    """Gives the language model for a round's number."""

    @property
    def sight(self) -> Sight:
        """Give what this machine predicts with."""
        return Sight(imgsz=self.profile.imgsz)

    @property
    def drawing(self) -> Drawing:
        """Give what pictures are drawn and checked by."""
        return Drawing.of(self.config)

    def drawing_settings(self, *, needed: bool) -> dict[str, Record]:
        """Give what drawn pictures are asked for and drawn by, as a step's settings; nothing where nothing is drawn."""
        return {"generator": self.drawing, "vocabulary": self.config.vocabulary} if needed else {}

    @property
    def fine_tuning(self) -> FineTuning:
        """Give how this machine trains on from weights."""
        settings, profile = self.config.training, self.profile
        return FineTuning(
            imgsz=profile.imgsz,
            max_updates=profile.max_updates,
            batch=settings.batch,
            lr0=settings.lr0,
            seed=settings.seed,
            device=profile.device,
            overrides=settings.overrides,
        )

    @property
    def arms(self) -> ArmSettings:
        """Give how both arms of a round are listed and trained."""
        chosen = {"seeds": self.profile.seeds, "skip_suspect": self.config.training.skip_suspect}
        return ArmSettings(**self.fine_tuning.model_dump(), **chosen)

    @property
    def from_scratch(self) -> FromScratch:
        """Give how this machine trains a first model from nothing."""
        return FromScratch.of(self.config.training, self.profile)


@dataclass(frozen=True)
class Frozen:
    """The photos and labels of a round, read back from its folder."""

    image_set: ImageSet
    folder: RoundFolder

    @cached_property
    def images(self) -> ImageTable:
        """Give the frozen photos."""
        return load_table(self.folder.path / self.image_set.images.name, ImageTable, self.image_set.images)

    @cached_property
    def labels(self) -> BoxTable:
        """Give the frozen labels."""
        return load_table(self.folder.path / self.image_set.labels.name, BoxTable, self.image_set.labels)

    @cached_property
    def fields(self) -> Fields:
        """Give what people's samples say of each photo."""
        return load_fields(self.folder.path / self.image_set.fields.name, self.image_set.fields)

    @cached_property
    def priors(self) -> Priors:
        """Give what train looks like."""
        return Priors.of_train(self.images, self.labels, self.image_set.classes)

    def labels_of(self, split: str) -> BoxTable:
        """Give the labels of one split."""
        return self.labels.of_images(self.images.rows_of(split))


def findings_of(folder: RoundFolder) -> Findings | None:
    """Give a round's findings: those tested last, None where nothing was tested yet."""
    consulted = folder.read("consult", Consulted)
    return consulted.findings if consulted else folder.read("analyze", Findings)


@dataclass(frozen=True)
class JudgedSplit:
    """An evaluation with its tables at hand."""

    evaluation: Evaluation
    images: ImageTable
    labels: BoxTable
    """Those of the split."""
    predictions: BoxTable
    matches: Matches
    errors: Errors
