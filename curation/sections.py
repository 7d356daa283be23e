"""The rows of the report's tables: records joined to each other, in the order in which they are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from curation import plots, wording
from curation.evidence import Crop
from curation.finding_lines import in_order
from curation.payoff import minutes_of, per_100_pictures, per_minute
from curation.records import Briefs, Decision, Finding, Findings, Payoff, Payoffs, Shortage
from generation.records import Brief
from training.records import Evaluation, ImageSet, Interval, TrainingMix

MAX_CROPS, SHOWN_CROPS = 24, 8  # of one finding: on the page, and before unfolding


@dataclass(frozen=True, kw_only=True)
class PictureCounts:
    """How many pictures one finding led to."""

    requested: int
    made: int
    accepted: int


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Objects of test that the candidate sees otherwise than the champion: how many, and some of them."""

    gained: int
    lost: int
    of_gained: tuple[Crop, ...]
    of_lost: tuple[Crop, ...]


@dataclass(frozen=True)
class FindingRow:
    """A finding as it is shown, with its evidence."""

    finding: Finding
    action: str
    reason: str
    """Why this is done, empty where nothing is planned yet."""
    explained_by: str
    """Words of the finding that explains it, empty where none does."""
    mark: plots.Mark
    crops: tuple[Crop, ...]
    left_out: int
    """Crops that did not fit the page."""


@dataclass(frozen=True)
class ShortageRow:
    """A shortage as it is shown."""

    shortage: Shortage
    action: str
    reason: str
    crops: tuple[Crop, ...]


@dataclass(frozen=True)
class VerdictRow:
    """A class on test as it is shown: AP of each model with its interval, as text."""

    label: str
    photos: int
    champion: str
    control: str
    candidate: str
    gained: Interval | None
    """Candidate − champion, paired by photo."""
    verdict: str


@dataclass(frozen=True)
class Flow:
    """What became of a finding, from brief to verdict."""

    brief: Brief
    words: str
    counts: PictureCounts | None
    payoff: Payoff | None
    """What its pictures did on val."""
    per_100: Interval | None
    """Its gain by 100 pictures."""
    per_minute: Interval | None
    """Its gain by minute that its pictures took."""
    verdict: VerdictRow | None

    def share(self, count: int) -> float:
        """Give a count of pictures in percent of those requested."""
        return round(100 * count / max(self.counts.requested, 1), 1) if self.counts else 0.0


def finding_rows(
    findings: Findings,
    briefs: Briefs | None,
    crops: Mapping[str, Sequence[Crop]],
    kept: Mapping[str, tuple[Crop, ...]],
) -> list[FindingRow]:
    """Join findings with their actions and with what was `kept` of their evidence, those that matter first."""
    axis = plots.effect_axis(findings)
    words = {finding.finding_id: finding.words for finding in findings.findings}
    rows = []
    for finding in (each for each in in_order(findings) if isinstance(each, Finding)):
        identity = finding.finding_id
        offered = min(len(crops.get(identity, ())), MAX_CROPS)
        shown = kept.get(identity, ())
        rows.append(
            FindingRow(
                finding=finding,
                action=wording.action_text(finding, briefs),
                reason=reasons_of(briefs).get(identity, ""),
                explained_by=words.get(finding.explained_by or "", ""),
                mark=plots.mark("candidate", finding.effect, axis),
                crops=shown,
                left_out=offered - len(shown),
            )
        )
    return rows


def shortage_rows(findings: Findings, briefs: Briefs | None, kept: Mapping[str, tuple[Crop, ...]]) -> list[ShortageRow]:
    """Join what train shows too rarely with what is done about it."""
    reasons = reasons_of(briefs)
    return [
        ShortageRow(
            shortage=each,
            action=wording.action_text(each, briefs),
            reason=reasons.get(each.finding_id, ""),
            crops=kept.get(each.finding_id, ())[:SHOWN_CROPS],
        )
        for each in findings.shortages
    ]


def columns_tested(rows: Sequence[FindingRow]) -> list[tuple[str, list[FindingRow]]]:
    """Give, for each column but class and size, the test of each of its values; the weakest column first."""
    by_column: dict[str, list[FindingRow]] = {}
    for row in rows:
        if row.finding.origin == "pre-specified" and len(row.finding.conditions) == 1:
            by_column.setdefault(row.finding.conditions[0].column, []).append(row)
    found = [(name, each) for name, each in by_column.items() if name not in ("class", "size")]
    return sorted(found, key=lambda column: min(row.finding.q for row in column[1]))


def reasons_of(briefs: Briefs | None) -> dict[str, str]:
    """Give why each finding is acted on as it is, by its id."""
    return {action.finding_id: action.reason for action in briefs.actions} if briefs else {}


def crops_within(crops: Mapping[str, Sequence[Crop]], max_bytes: int) -> dict[str, tuple[Crop, ...]]:
    """Keep the crops that fit, by finding: those shown at once come before those to be unfolded."""
    offered = [(i, key, crop) for key, each in crops.items() for i, crop in enumerate(each[:MAX_CROPS])]
    kept: dict[str, tuple[Crop, ...]] = dict.fromkeys(crops, ())
    used = 0
    for _, key, crop in sorted(offered, key=lambda offer: offer[0] >= SHOWN_CROPS):
        used += len(crop.jpeg)
        if used <= max_bytes:
            kept[key] += (crop,)
    return kept


def verdict_rows(decision: Decision, tests: Mapping[str, Evaluation]) -> list[VerdictRow]:
    """Join the verdict on each class with the scores it rests on, worse classes first."""
    gained = decision.better.classes if decision.better else {}
    aps = {role: {score.label: score.ap for score in test.classes} for role, test in tests.items()}
    return [
        VerdictRow(
            label=verdict.label,
            photos=verdict.photos,
            champion=_ap_text(aps.get("champion", {}).get(verdict.label), verdict.champion_ap),
            control=_ap_text(aps.get("control", {}).get(verdict.label), verdict.control_ap),
            candidate=_ap_text(aps.get("candidate", {}).get(verdict.label), verdict.candidate_ap),
            gained=gained.get(verdict.label),
            verdict=verdict.verdict,
        )
        for verdict in sorted(decision.classes, key=lambda each: wording.VERDICTS.index(each.verdict))
    ]


def flows(
    findings: Findings | None,
    briefs: Briefs,
    counts: Mapping[str, PictureCounts],
    payoffs: Payoffs | None,
    verdicts: Sequence[VerdictRow],
    *,
    elapsed_s: Mapping[str, float],
) -> list[Flow]:
    """Follow each brief from its finding to the verdict on its class; `elapsed_s` are seconds by step."""
    named: list[Finding | Shortage] = [*findings.findings, *findings.shortages] if findings else []
    words = {finding.finding_id: finding.words for finding in named}
    by_class = {verdict.label: verdict for verdict in verdicts}
    measured = {payoff.finding_id: payoff for payoff in payoffs.findings} if payoffs else {}
    minutes = minutes_of(list(measured.values()), elapsed_s)
    found = []
    for brief in briefs.briefs:
        key = brief.finding_id
        payoff = measured.get(key)
        found.append(
            Flow(
                brief=brief,
                words=words.get(key, brief.label),
                counts=counts.get(key),
                payoff=payoff,
                per_100=per_100_pictures(payoff) if payoff else None,
                per_minute=per_minute(payoff, minutes[key]) if payoff else None,
                verdict=by_class.get(brief.label),
            )
        )
    return found


def objects_seen(images: ImageSet, mix: TrainingMix) -> list[tuple[str, tuple[int, int, int]]]:
    """Count by class the objects labelled in train, and those that one epoch of control and candidate shows."""
    train = images.objects.get("train", {})
    return [
        (label, (train.get(label, 0), mix.control.seen.get(label, 0), mix.candidate.seen.get(label, 0)))
        for label in images.classes
    ]


def _ap_text(ap: Interval | None, value: float | None) -> str:
    """Write an AP with its interval, or the value alone where the evaluation is not at hand."""
    return wording.score_text(ap) if ap else wording.number_text(value)
