"""What curation writes down: findings, plans, batches, reviews and decisions of a round."""

from typing import Literal

from pydantic import Field

from generation.records import Brief, SizeBin, Verified
from training.records import ErrorKind, Evaluation, FileRef, FitSettings, Interval, ModelVersion, Record

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


class FindingEdit(Record):
    """One thing that a person said about a finding or a shortage before briefs were made; what is None stays."""

    finding_id: str
    round: int = Field(ge=1)
    reviewer: str
    at: str
    """When, in UTC, ISO 8601 with milliseconds."""
    says: Literal["confirmed", "dismissed", "as tested"] | None = None
    """The last one takes back all that was said before."""
    action: ActionName | None = None
    pictures: int | None = Field(None, ge=0)
    reason: str = ""
    """Why it was dismissed."""


class FindingEdits(Record):
    """All that people said about the findings of a round, in the order in which they did."""

    edits: tuple[FindingEdit, ...] = ()


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


class PersonSaid(Record):
    """What people decided about one picture."""

    request_id: str
    accepted: bool
    """The decision that stands last."""
    reviewer: str
    """A name; `tag` for somebody who set a tag by hand or by script."""
    reason: str
    """Why it was rejected, empty where that was not said."""
    at: str
    """When, in UTC, ISO 8601 with milliseconds."""
    by_reviewer: dict[str, bool]
    """Each reviewer's own last decision that stands."""


class Share(Record):
    """How many of some pictures are right, with the 95 % interval of their share (Wilson 1927)."""

    right: int = Field(ge=0)
    count: int = Field(ge=0)
    low: float
    """0 of nothing."""
    high: float
    """1 of nothing."""

    @property
    def value(self) -> float | None:
        """Give the share, 0–1; None of nothing."""
        return self.right / self.count if self.count else None


class LabelPrecision(Record):
    """Of the pictures that the program accepts, the share that people accept, from those drawn at random."""

    overall: Share
    backends: dict[str, Share]
    classes: dict[str, Share]
    """A picture counts for each class of which objects were added to it."""


class Agreement(Record):
    """Of the pictures that two or more people decided on, the share on which all of them said the same."""

    pictures: Share
    reviewers: int
    """People who decided on one of these."""


class ClassTaught(Record):
    """What people's decisions taught about pictures that add objects of a class."""

    label: str
    decisions: int
    """Of people, that were learned from."""
    rejections: int
    """Of these."""
    kept: bool
    why: str
    """Why the fit is used, or not, in words."""
    withdrawn: int = 0
    let_in: int = 0
    before: Share
    """Label precision of the rule on what was drawn at random."""
    after: Share
    """The same, of fits that had not seen the picture or one on the same photo."""


class Taught(Record):
    """How the pictures that nobody looked at were decided again."""

    classes: tuple[ClassTaught, ...]
    withdrawn: int
    """Accepted by the rule, and rejected now."""
    let_in: int
    """Rejected by the rule, and accepted now."""
    before: Share
    after: Share
    """Both as in `ClassTaught`, over all pictures drawn at random."""


class Sitting(Record):
    """What people have said so far of the pictures of a round."""

    pictures: int
    said: tuple[PersonSaid, ...]
    """By request id."""
    corrected: int
    """Pictures whose boxes people changed."""
    precision: LabelPrecision
    agreement: Agreement
    taught: Taught | None
    """What their decisions change about the rest, None where nobody has decided."""
    stopped: dict[str, str]
    """By finding id, why no more pictures are made for it."""


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
    corrected: FileRef | None = None
    """JSON Lines of `SyntheticImage`: the pictures whose boxes people changed, as they left them."""
    sitting: Sitting | None = None
    """What people said, None where nobody has decided on a picture."""


class Pool(Record):
    """The accepted pictures of earlier rounds that both arms go on learning from."""

    pictures: FileRef
    """JSON Lines of `SyntheticImage`, the newest round first."""
    count: int
    withdrawn: dict[str, int]
    """Accepted pictures that are used no longer, by reason."""


class Difference(Record):
    """How two models differ on test: the first minus the second, AP, paired by photo."""

    of: Literal["candidate − champion", "candidate − control"]
    mean_ap: Interval
    """Over the classes that rest on enough photos."""
    classes: dict[str, Interval]


class TrainedArms(Record):
    """What training made of each arm: a model a seed, in the order of the seeds of the mix."""

    control: tuple[ModelVersion, ...]
    candidate: tuple[ModelVersion, ...]
    """The first one is nominated: it alone may be promoted."""
    settings: FitSettings
    """As both arms were trained in the end, with the first seed."""


class Payoff(Record):
    """What the pictures of a finding did on its slice of val: candidate against control, which saw no new picture."""

    finding_id: str
    words: str
    """The slice, in words."""
    pictures: int
    """Of this finding, in the candidate's list."""
    objects: int
    photos: int
    """Of val, that hold an object of the slice."""
    champion: float
    control: float
    candidate: float
    """Recall on the slice at the operating point, the mean over the seeds."""
    gain: Interval
    """Recall of the candidate minus recall of the control, never after minus before: that is regression to the mean."""
    verdict: Literal["pays", "does not pay", "cannot be shown"]
    """By the interval of the gain: above 0 with two seeds or more, else not above 0 but below `analyze.min_effect`."""


class Ablation(Record):
    """The nominated candidate beside one that was trained without a finding's pictures, both judged on val."""

    finding_id: str
    words: str
    pictures: int
    """That were left out; real photos are repeated in their place."""
    mean_ap: Interval
    """Of the candidate minus that of the one without, paired by photo."""
    payoff: Payoff
    """On the finding's slice, the one without in the place of the control."""
    model_id: str
    """Of the one without."""


class Loss(Record):
    """A class or a slice of val that an earlier champion found better than this round's champion does."""

    words: str
    since_round: int
    """The round whose champion was best."""
    before: float
    now: float
    """Recall at the operating point, on the objects of val that both rounds hold."""
    change: Interval
    """Now minus before, paired by photo; wholly below 0."""


class Payoffs(Record):
    """What this round's pictures did on val, finding by finding, and what was forgotten since earlier rounds."""

    findings: tuple[Payoff, ...]
    losses: tuple[Loss, ...]


class Comparison(Record):
    """Champion, and control and candidate of each seed, on test, opened once for this round."""

    champion: Evaluation
    control: tuple[Evaluation, ...]
    candidate: tuple[Evaluation, ...]
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
    """Means over the seeds."""
    attributed: Literal["the pictures did it", "the pictures did not do it", "cannot tell"]
    attribution: str
    """What can be said about the pictures, in a sentence: with one seed, that it cannot be told."""
    classes: tuple[ClassVerdict, ...]
    settle: str
    """What would settle an inconclusive outcome; empty otherwise."""
    openings: int
    """How often this test split has been looked at, this time included."""
    champion: str
    """`model_id` of the champion after the decision."""
    models: dict[Literal["champion", "control", "candidate"], str]
    """`model_id` of each that was judged; of control and candidate, that of the first seed."""
    seeds: int = Field(1, ge=0)
    """How often each arm was trained; 0 where nothing was."""


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
