"""What the detector's world writes down: small frozen records that point at tables by name and digest."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.files import digest_of

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
ErrorKind = Literal["missed", "background", "class", "localisation", "both", "duplicate"]
ERROR_KINDS: tuple[ErrorKind, ...] = ("missed", "background", "class", "localisation", "both", "duplicate")


class Record(BaseModel):
    """A frozen statement; equal content has an equal fingerprint."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def fingerprint(self) -> str:
        """Give the digest of this record's content (24 hex digits)."""
        return digest_of(self.model_dump(mode="json"))

    def plain(self) -> dict[str, Any]:
        """Give the record as JSON values."""
        return self.model_dump(mode="json")


class FileRef(Record):
    """A file of the round folder that a record stands on: its name there, and the digest of its bytes."""

    name: str
    digest: str


class Interval(Record):
    """A measured value with its 95 % interval and what it was measured on."""

    value: float
    low: float
    high: float
    photos: int = Field(ge=0)
    """Photos that carry the value: for a class, those that hold it."""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if not self.low <= self.high:
            raise ValueError(f"an interval must be ordered, got low={self.low}, high={self.high}")
        return self


class ImageSet(Record):
    """The real photos and labels that a round stands on, frozen."""

    classes: tuple[str, ...]
    """In the order of their numbers."""
    photos: dict[Split, int]
    objects: dict[Split, dict[str, int]]
    """Labelled objects by split and class."""
    images: FileRef
    labels: FileRef
    fields: FileRef
    """What people's samples say of each photo: `training.fields`."""
    kept_labels: tuple[str, ...] = ()
    """Ids of labels, and of predicted boxes, that people settled: they are suspected no more."""


class ClassScore(Record):
    """How a model does on one class of one split."""

    label: str
    ap: Interval | None
    """COCO AP (IoU 0.50 to 0.95), None where the split holds no object of the class."""
    ap50: float | None
    objects: int
    recall: float | None
    """Share of labelled objects found at IoU 0.5 and `min_score`."""
    precision: float | None
    errors: dict[ErrorKind, int]
    """Wrong predictions and missed labels at the operating point, by kind."""


class Evaluation(Record):
    """A model judged on one split of one image set."""

    model_id: str
    images: str
    """Digest of the `ImageSet`."""
    split: Split
    min_score: float
    """The operating point: predictions below it do not count for recall, precision and error kinds."""
    mean_ap: Interval
    """Mean over the classes that the split holds."""
    mean_ap50: float
    classes: tuple[ClassScore, ...]
    predictions: FileRef
    matches: FileRef


class FitSettings(Record):
    """How to train, the same for every arm of a round."""

    imgsz: int = Field(ge=32)
    epochs: int = Field(ge=1)
    batch: int = Field(ge=1)
    """Pictures in one optimiser step."""
    at_once: int | None = Field(None, ge=1)
    """Pictures that the network sees at once, where memory does not suffice for `batch`; None for all of them."""
    lr0: float = Field(gt=0)
    seed: int = Field(ge=0)
    device: str
    """`cpu`, or a CUDA device number as ultralytics takes it."""
    overrides: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Further settings of ultralytics' training, checked by `training.overrides`."""


ArmName = Literal["first", "control", "candidate", "without"]


class Arm(Record):
    """One list of pictures to train on; every arm of a round has a list of the same length."""

    name: ArmName
    """`first` before there is a champion; `without` is a candidate that lacks one finding's pictures."""
    files: FileRef
    """JSON Lines of `TrainingFile`."""
    length: int
    real_count: int
    """List entries that are real photos, repetitions counted."""
    synthetic_count: int
    seen: dict[str, int]
    """Objects by class that one pass over the list shows."""


class TrainingFile(Record):
    """One picture of an arm: where it lies, what it is, how often one pass over the list shows it."""

    picture_id: str
    path: str
    """Relative to the workspace."""
    synthetic: bool
    times: int = Field(ge=1)


class TrainingMix(Record):
    """The arms of a round, equal by construction, and how they are trained."""

    control: Arm
    candidate: Arm
    settings: FitSettings
    """With the first seed."""
    seeds: tuple[int, ...] = Field(min_length=1)
    """Each arm is trained once with each; the first is the one that may be promoted, nominated beforehand."""
    new_count: int = Field(ge=0)
    """Pictures of this round in the candidate's list."""
    left_out: int = Field(0, ge=0)
    """Train photos that neither arm shows, because a label of theirs is suspected."""


class ClassMapping(Record):
    """The classes of a model beside those of the data, by name."""

    kept: tuple[str, ...]
    """Known to both."""
    new: tuple[str, ...]
    """Of the data alone: to be learned."""
    dropped: tuple[str, ...]
    """Of the model alone: not predicted any more once it is trained on the data."""


class ModelVersion(Record):
    """Weights with their origin; `model_id` is the digest of their tensors."""

    model_id: str
    classes: tuple[str, ...]
    origin: Literal["given", "first", "control", "candidate", "without"]
    parent: str | None
    """`model_id` of the weights that training started from, None for a start from scratch."""
    round: int
    """The round that made it, 0 for a model that was brought."""
    trained_on: str | None
    """Digest of the arm, None for a model that was brought."""
    history: str
    """How the fit ran: `in one go`, which repeats bit by bit on a CPU, or from which epoch on it was continued. Empty
    if brought."""
    settings: FitSettings | None = None
    """As it was trained in the end, None for a model that was brought."""
    mapping: ClassMapping | None = None
    """From the classes of the parent to its own, None where it has no parent."""
    trusted: bool = False
    """Loaded without ultralytics' safe loading, because the user said so."""
