"""What curation writes down: findings, plans, batches, reviews and decisions of a round."""

from typing import Literal

from pydantic import Field

from generation.records import Brief, SizeBin, Verified
from training.records import ErrorKind, Evaluation, FileRef, Interval, Record

Status = Literal["confirmed", "refuted", "open"]
MIN_RELIABLE_PHOTOS = 50
"""On fewer photos that hold a class, the interval of its AP cannot be relied upon."""
Outcome = Literal["promoted", "rejected", "inconclusive"]


class Condition(Record):
    """One condition of a slice: a column of the error table has one of its values."""

    column: str
    value: str


class Finding(Record):
    """A slice of the labelled objects of val on which the detector may be weak, with its test.

    The effect is recall of the rest minus recall of the slice: positive means that the slice is weaker.
    """

    finding_id: str
    conditions: tuple[Condition, ...]
    """All of them hold for the objects of the slice."""
    origin: Literal["pre-specified", "search", "cluster", "llm"]
    """Who proposed it."""
    claim: str = ""
    """What the language model expected, in its words; empty where it did not propose the slice."""
    tested_on: Literal["val", "confirm"]
    """All of val, or the half that no proposal has seen."""
    label: str | None
    """The class of the slice, None for every class."""
    size: SizeBin | None
    """The COCO size of the slice, None for any size."""
    words: str
    """The slice in words: `small cone, camera: gate`."""
    versus: str
    """What it was compared with, in words: `other classes`."""
    status: Status
    objects: int
    photos: int
    recall: float
    recall_rest: float
    """Recall of the rest, its classes weighted as in the slice."""
    effect: Interval
    p: float
    q: float
    """p after Benjamini–Hochberg over all tests of the round."""
    gain: float
    """Mean AP that would return if every missed object of the slice were found."""
    missed: dict[str, int]
    """Missed objects of the slice by class."""
    objects_to_settle: int | None
    """For an open finding: about how many labelled objects of the slice would settle it."""
    explained_by: str | None = None
    """Id of the simpler or sharper finding that explains this one, where there is one."""
    evidence: tuple[str, ...]
    """Ids of missed labels, at most 24, largest first."""
    view: str
    """Name of the saved view, where there is one."""

    @property
    def is_shown(self) -> bool:
        """Say whether people are shown it in FiftyOne: it was confirmed, or somebody claimed it."""
        return self.status == "confirmed" or bool(self.claim)


class Shortage(Record):
    """What train shows too rarely, compared with val or with what the configuration says to expect."""

    finding_id: str
    conditions: tuple[Condition, ...]
    label: str
    size: SizeBin | None
    words: str
    """What is rare, in words: `cone, light: dark`."""
    why: str
    """The counts behind it, in a sentence."""
    train_objects: int
    val_objects: int
    val_photos: int
    recall: float | None
    """Of these objects on val, None where val has none."""
    gain: float
    """Mean AP that would return if val's missed objects of this kind were found; 0 where val has none."""
    evidence: tuple[str, ...]
    """Ids of labels on val, else train, at most 24, largest first."""
    view: str


class KindGain(Record):
    """An error kind of one class, or of all, and the AP50 that fixing it alone would return (dAP of the TIDE paper)."""

    kind: ErrorKind
    label: str | None
    count: int
    ap_gain: float


class Suspects(Record):
    """Labels of train and val that are probably wrong: to be mended by people, never a reason to generate."""

    table: FileRef
    """`training.suspects.SuspectTable`."""
    counts: dict[Literal["train", "val"], dict[str, int]]
    """By split and kind."""
    view: str


class Findings(Record):
    """All tests of a round, ordered by what fixing them would gain."""

    findings: tuple[Finding, ...]
    split: Literal["val"]
    min_effect: float
    max_q: float
    shortages: tuple[Shortage, ...] = ()
    kinds: tuple[KindGain, ...] = ()
    suspects: Suspects | None = None
    note: str = ""
    """What could not be tested, and why."""


class Measured(Record):
    """What was measured on the labelled objects of train and val; tables in the order of the round's labels."""

    looks: FileRef
    """`curation.appearance.Looks`."""
    embedded: FileRef
    """`curation.study.Embedded`."""
    predictions: FileRef
    """The champion's, on train."""
    matches: FileRef


ActionName = Literal["generate", "label", "fix labels", "nothing"]


class Action(Record):
    """What is done about a finding, and why."""

    finding_id: str
    action: ActionName
    pictures: int = Field(ge=0)
    share: float = Field(ge=0, le=1)
    """Of the budget of pictures."""
    reason: str
    """The rule that decided it, with its figures."""


class Briefs(Record):
    """What to do about the findings."""

    actions: tuple[Action, ...]
    """One a finding and shortage, in their order."""
    briefs: tuple[Brief, ...]
    note: str
    """Why there is nothing to generate, where that is so."""


class Plan(Record):
    """The requests of a round, and what could not be requested."""

    requests: FileRef
    """JSON Lines of `GenerationRequest`."""
    count: int
    label_briefs: tuple[Brief, ...]
    """Briefs for people: label more real photos."""


class Batch(Record):
    """What came back for the requests."""

    pictures: FileRef
    """JSON Lines of `SyntheticImage`, in the order of the requests."""
    failures: FileRef
    """JSON Lines of `Failure`."""
    made: int
    failed: int
    refused: int = 0
    """Of those that failed: painted, but the judge did not see in them what was asked for."""
    verified: dict[Verified, int] = Field(default_factory=dict)
    """Pictures by why their labels may be believed."""
    disputed: tuple[str, ...] = ()
    """Request ids of the pictures in which the judge sees an object that the champion does not find."""


class Disputed(Record):
    """Pictures in which the judge sees what the champion misses, and what people say of them."""

    pictures: int
    reviewed: int
    """By people."""
    right: int
    """Of those, the ones that people accepted."""


class Review(Record):
    """The decisions on all pictures of the batch."""

    verdicts: FileRef
    """JSON Lines of `Verdict`, in the order of the pictures."""
    accepted: int
    rejected: int
    reasons: dict[str, int]
    """Rejected pictures by reason."""
    disputed: Disputed | None = None
    """None where there are no such pictures."""


class Difference(Record):
    """How two models differ on test: the first minus the second, AP, paired by photo."""

    of: Literal["candidate − champion", "candidate − control"]
    mean_ap: Interval
    """Over the classes that rest on enough photos."""
    classes: dict[str, Interval]


class Comparison(Record):
    """The three models on test, opened once for this round."""

    champion: Evaluation
    control: Evaluation
    candidate: Evaluation
    test_photos: str
    """Digest of the ids of the test photos: openings of the same photos are counted."""


class ClassVerdict(Record):
    """Whether the candidate is better than the champion on one class of test."""

    label: str
    verdict: Literal["better", "worse", "cannot be shown", "too few photos"]
    photos: int
    champion_ap: float | None
    control_ap: float | None
    candidate_ap: float | None


class Decision(Record):
    """Two claims kept apart (is the model better; was it the pictures), and what follows."""

    outcome: Outcome
    sentence: str
    """The verdict in one sentence, for people."""
    better: Difference | None
    """None where nothing was trained."""
    pictures_did_it: Difference | None
    attribution: str
    """What can be said about the pictures: with one seed, that it cannot be told."""
    classes: tuple[ClassVerdict, ...]
    settle: str
    """What would settle an inconclusive outcome; empty otherwise."""
    openings: int
    """How often this test split has been looked at, this time included."""
    champion: str
    """`model_id` of the champion after the decision."""
    models: dict[Literal["champion", "control", "candidate"], str]
    """`model_id` of each arm that was judged."""


class DecideSettings(Record):
    """When a candidate is promoted."""

    margin: float = Field(0.02, ge=0, lt=1)
    """A class is demonstrably worse when its interval lies wholly below minus this AP."""
    min_photos: int = Field(MIN_RELIABLE_PHOTOS, ge=2)
    """No claim rests on a class that fewer test photos hold."""
    replicates: int = Field(2000, ge=100, le=20_000)
    """Photo draws behind the interval of a difference."""
    max_openings: int = Field(5, ge=1)
    """After so many looks at the same test photos the answer is: add test photos."""
