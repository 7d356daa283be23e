"""All that the rounds of a workspace wrote down, as far as they are finished, and finding a thing in it by its id."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from curation.records import Action, Briefs, Comparison, Decision, Finding, Findings, Payoff, Payoffs, Shortage
from generation.records import Brief, Failure, GenerationRequest, SyntheticImage, Verdict
from training.boxes import BoxTable, ImageTable
from training.errors import UsageError
from training.records import Arm, ArmName, Evaluation, ModelVersion, TrainingFile

SubjectKind = Literal["picture", "finding", "brief", "photo", "label", "model"]
KINDS: tuple[SubjectKind, ...] = ("picture", "finding", "brief", "photo", "label", "model")
MIN_DIGITS = 4
MAX_NAMED = 4  # ids that a hint offers
ALL_KINDS = f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"


@dataclass(frozen=True)
class Shown:
    """What an arm learned from: one entry a picture."""

    arm: Arm | None
    """None for the list of a first model, which is kept without one."""
    files: tuple[TrainingFile, ...]


@dataclass(frozen=True)
class Played:
    """What one round wrote down; steps that are not finished are None or empty."""

    number: int
    images: ImageTable | None = None
    labels: BoxTable | None = None
    """Those of all splits."""
    classes: tuple[str, ...] = ()
    champion: ModelVersion | None = None
    """The one that the round began with."""
    evaluation: Evaluation | None = None
    findings: Findings | None = None
    briefs: Briefs | None = None
    requests: Mapping[str, GenerationRequest] = field(default_factory=dict)
    pictures: Mapping[str, SyntheticImage] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """These four by request id."""
    lists: Mapping[ArmName, Shown] = field(default_factory=dict)
    left_out: int = 0
    """Train photos that neither arm shows."""
    trained: Mapping[ArmName, tuple[ModelVersion, ...]] = field(default_factory=dict)
    """A model a seed."""
    payoffs: Payoffs | None = None
    comparison: Comparison | None = None
    decision: Decision | None = None

    def finding(self, finding_id: str) -> Finding | Shortage | None:
        """Give a finding or shortage of this round."""
        return next((each for each in self.all_findings() if each.finding_id == finding_id), None)

    def all_findings(self) -> tuple[Finding | Shortage, ...]:
        """Give findings, then shortages."""
        return (*self.findings.findings, *self.findings.shortages) if self.findings else ()

    def brief(self, brief_id: str) -> Brief | None:
        """Give a brief of this round."""
        return next((each for each in self.all_briefs() if each.brief_id == brief_id), None)

    def all_briefs(self) -> tuple[Brief, ...]:
        """Give the briefs of this round."""
        return self.briefs.briefs if self.briefs else ()

    def action(self, finding_id: str) -> Action | None:
        """Give what was done about a finding."""
        actions = self.briefs.actions if self.briefs else ()
        return next((each for each in actions if each.finding_id == finding_id), None)

    def payoff(self, finding_id: str) -> Payoff | None:
        """Give what a finding's pictures did on val."""
        payoffs = self.payoffs.findings if self.payoffs else ()
        return next((each for each in payoffs if each.finding_id == finding_id), None)


@dataclass(frozen=True)
class History:
    """The rounds of a workspace, oldest first, and its models."""

    rounds: tuple[Played, ...]
    models: Mapping[str, ModelVersion]
    """All that are registered, by id."""

    def request(self, request_id: str) -> tuple[Played, GenerationRequest]:
        """Give a request with its round; every round asks for pictures of its own."""
        return next((each, each.requests[request_id]) for each in self.rounds if request_id in each.requests)

    def pictures(self) -> Iterator[SyntheticImage]:
        """Give the pictures of all rounds."""
        return (picture for each in self.rounds for picture in each.pictures.values())

    def taught(self, model: ModelVersion) -> Shown | None:
        """Give what a model learned from; None where no round keeps its list, as of one that was brought."""
        for each in self.rounds:
            if each.number == model.round and model.trained_on is not None:
                if model.origin == "first":
                    return each.lists.get("first")
                kept = (shown for shown in each.lists.values() if shown.arm)
                return next((one for one in kept if one.arm and one.arm.fingerprint() == model.trained_on), None)
        return None

    def on_val(self, model_id: str) -> list[tuple[Played, Evaluation]]:
        """Give what rounds that began with a model measured of it on val, oldest first."""
        judged = ((each, each.evaluation) for each in self.rounds)
        return [(each, val) for each, val in judged if val and val.model_id == model_id]

    def on_test(self, model_id: str) -> list[tuple[Played, Evaluation]]:
        """Give what rounds measured of a model on test, oldest first."""
        opened = [(each, each.comparison) for each in self.rounds]
        judged = [(each, test) for each, of in opened if of for test in (of.champion, *of.control, *of.candidate)]
        return [(each, test) for each, test in judged if test.model_id == model_id]

    def holding(self, digest: str) -> tuple[SubjectKind, str] | None:
        """Give the photo or picture whose file has these bytes."""
        if digest in _photo_ids(self):
            return "photo", digest
        found = (picture.request_id for picture in self.pictures() if picture.digest == digest)
        return next((("picture", request_id) for request_id in found), None)

    def named(self, text: str) -> tuple[SubjectKind, str]:
        """Give the thing with an id, or with the one id that begins so.

        Raises `UsageError` where there is none, there are several, or the text is no beginning of an id.
        """
        ids = ids_of(self)
        whole = [(kind, text) for kind in KINDS if text in ids[kind]]
        if len(whole) == 1:
            return whole[0]
        if not re.fullmatch(f"[0-9a-fA-F]{{{MIN_DIGITS},}}", text):
            raise UsageError(
                f"'{text}' is no file, and no id of a {ALL_KINDS}",
                hint=f"name a file, or at least {MIN_DIGITS} hex digits that an id begins with",
            )
        begun = [(kind, each) for kind in KINDS for each in sorted(ids[kind]) if each.startswith(text.lower())]
        if not begun:
            raise UsageError(
                f"no {ALL_KINDS} of this workspace has an id that begins with '{text}'",
                hint="ids are in FiftyOne, in the records that --json prints, and in curate models",
            )
        if len(begun) > 1:
            raise _ambiguous(text, begun)
        return begun[0]


def ids_of(history: History) -> dict[SubjectKind, set[str]]:
    """Give the ids of everything that can be asked about, by what it is; a request's id is that of its picture."""
    rounds = history.rounds
    labels = (each.labels.id.tolist() for each in rounds if each.labels is not None)
    return {
        "picture": {request_id for each in rounds for request_id in each.requests},
        "finding": {finding.finding_id for each in rounds for finding in each.all_findings()},
        "brief": {brief.brief_id for each in rounds for brief in each.all_briefs()},
        "photo": _photo_ids(history),
        "label": {str(label_id) for column in labels for label_id in column},
        "model": set(history.models),
    }


def _photo_ids(history: History) -> set[str]:
    columns = (each.images.id.tolist() for each in history.rounds if each.images is not None)
    return {str(photo_id) for column in columns for photo_id in column}


def _ambiguous(text: str, begun: list[tuple[SubjectKind, str]]) -> UsageError:
    kinds = [kind for kind, _ in begun]
    counts = ", ".join(
        f"{kinds.count(kind)} {kind}{'s' if kinds.count(kind) > 1 else ''}" for kind in KINDS if kind in kinds
    )
    named = ", ".join(f"{kind} {each}" for kind, each in begun[:MAX_NAMED])
    return UsageError(f"ids that begin with '{text}' belong to {counts}", hint=f"give more digits: {named}")
