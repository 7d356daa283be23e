"""What a round needs from outside, and what it has frozen: handed from step to step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from curation.config import Config
from curation.documents import Photos
from curation.ledger import Ledger, RoundFolder
from curation.results import Decisions
from generation.priors import Priors
from generation.records import Failure, GenerationRequest, SyntheticImage, Verdict
from training.boxes import BoxTable, ImageTable, Ints
from training.matching import Errors, Matches
from training.records import Arm, Evaluation, FitSettings, ImageSet, ModelVersion, Record, Split, TrainingFile
from training.registry import Registry
from training.retrain import Start
from training.tables import load_table


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

    def save_view(self, name: str, *, label_ids: Sequence[str] | None = None, description: str = "") -> None:
        """Save a view of the photos with these labels."""

    def publish_pictures(self, pictures: Sequence[SyntheticImage]) -> int:
        """Show synthetic pictures."""

    def publish_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Show what was decided about them."""

    def read_decisions(self) -> Decisions:
        """Give what people decided by hand."""


class Predict(Protocol):
    """Predict with models on some photos."""

    def __call__(
        self, models: Sequence[ModelVersion], images: ImageTable, rows: Ints, classes: Sequence[str]
    ) -> list[BoxTable]:
        """Give each model's boxes of `classes`, with image rows of `images`."""


class TrainArm(Protocol):
    """Train one arm."""

    def __call__(
        self, arm: Arm, files: Sequence[TrainingFile], settings: FitSettings, start: Start, frozen: "Frozen"
    ) -> ModelVersion:
        """Give the registered result."""


Produce = Callable[[Sequence[GenerationRequest], Priors], Sequence[SyntheticImage | Failure]]


class Profile(Record):
    """How much this machine can do: what is set, else by its kind."""

    device: str
    imgsz: int
    max_updates: int
    scratch_updates: int


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
    first: ModelVersion | None
    """The model that was brought, None where the first one is trained."""
    network: str
    """YAML of the network to train where no model was brought."""


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

    def labels_of(self, split: str) -> BoxTable:
        """Give the labels of one split."""
        return self.labels.of_images(self.images.rows_of(split))


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
