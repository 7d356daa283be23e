"""From the error table to the findings of a round: every slice tested, one false-discovery rate over all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from scipy import stats

from curation.diagnose import ErrorTable
from curation.explain import explain
from curation.halves import halves
from curation.hypotheses import MAX_PROPOSALS, Hypothesis, Proposal, hypotheses
from curation.records import Condition, Finding, Findings
from curation.slices import Effect, objects_to_settle, status_of, test
from curation.wording import view_name
from generation.records import SizeBin
from training.boxes import Bools, Floats, Texts
from training.files import digest_of
from training.records import Interval

MAX_EVIDENCE = 24


@dataclass(frozen=True)
class TestedSlice:
    """A hypothesis with what its test said."""

    hypothesis: Hypothesis
    effect: Effect
    q: float
    finding_id: str

    @property
    def data_driven(self) -> bool:
        """Tell whether the test was made on the confirm half."""
        return self.hypothesis.origin != "pre-specified"


def find(
    table: ErrorTable,
    *,
    photo_ids: Texts,
    classes: Sequence[str],
    areas: Floats,
    gain: Callable[[Bools], float],
    min_effect: float,
    max_q: float,
    proposals: Sequence[Proposal] = (),
    max_proposals: int = MAX_PROPOSALS,
    view_prefix: str = "missed",
) -> Findings:
    """Test pre-specified and data-driven slices of val, and order them by what fixing them would gain.

    `photo_ids` (P,) has the rows that `table.photo` names; `areas` (n,) orders the evidence, largest first; `gain`
    gives the mean AP that returns when the objects of a mask, all missed, were found, and is asked once a finding. At
    most `max_proposals` slices are data-driven, those of `proposals` first. Objects, photos, recalls and effect of a
    finding are those of its test, so of a data-driven one those of the confirm half, and classes that cannot be
    compared are left out; gain, missed objects and evidence are of the whole slice.
    """
    split = halves(photo_ids)
    tried, note = hypotheses(table, split, proposals=proposals, max_proposals=max_proposals)
    effects = [test(table, each.part) for each in tried]
    q_values: Floats = stats.false_discovery_control([effect.p for effect in effects]) if effects else np.zeros(0)
    judged = [
        TestedSlice(each, effect, float(q), finding_id_of(each.part.conditions))
        for each, effect, q in zip(tried, effects, q_values, strict=True)
    ]
    confirmed = [
        each for each in judged if status_of(each.effect, each.q, min_effect=min_effect, max_q=max_q) == "confirmed"
    ]
    explained_by = _explained(table, confirmed, confirm=split.in_confirm(table))
    findings = [
        _finding(
            table,
            each,
            classes=classes,
            areas=areas,
            gain=gain,
            min_effect=min_effect,
            max_q=max_q,
            explained_by=explained_by.get(each.finding_id),
            view_prefix=view_prefix,
        )
        for each in judged
    ]
    findings.sort(key=lambda finding: (-finding.gain, finding.finding_id))
    return Findings(findings=tuple(findings), split="val", min_effect=min_effect, max_q=max_q, note=note)


def members(table: ErrorTable, finding: Finding) -> Bools:
    """Give the objects of a finding's slice, as a mask over the table."""
    return table.mask(finding.conditions)


def finding_id_of(conditions: Sequence[Condition]) -> str:
    """Give the id of the slice that the conditions make, in any order: the same in every round."""
    return digest_of(["recall", sorted([condition.column, condition.value] for condition in conditions)])


def words_of(conditions: Sequence[Condition]) -> str:
    """Say a slice in words: `small cone, camera: gate`, `objects, light: dark`."""
    value = {condition.column: condition.value for condition in conditions}
    noun = " ".join(word for word in (value.get("size"), value.get("class", "objects")) if word)
    more = [f"{condition.column}: {condition.value}" for condition in conditions if condition.column not in _NOUNS]
    return ", ".join([noun, *more])


_NOUNS = ("class", "size")


def versus_of(conditions: Sequence[Condition]) -> str:
    """Say in words what a slice is compared with: `other classes`, `the rest of cone`."""
    value = {condition.column: condition.value for condition in conditions}
    label = value.get("class")
    if label is None:
        return "other sizes, same classes" if set(value) == {"size"} else "the rest of the same classes"
    if set(value) == {"class"}:
        return "other classes"
    return f"other sizes of {label}" if set(value) == {"class", "size"} else f"the rest of {label}"


def _explained(table: ErrorTable, confirmed: Sequence[TestedSlice], *, confirm: Bools) -> dict[str, str]:
    """Give the id of the finding that explains each that is explained."""
    by = explain(
        table,
        [each.hypothesis.part for each in confirmed],
        [each.effect for each in confirmed],
        confirm=confirm,
        data_driven=np.array([each.data_driven for each in confirmed], np.bool_),
    )
    return {
        each.finding_id: confirmed[other].finding_id
        for each, other in zip(confirmed, by, strict=True)
        if other is not None
    }


def _finding(
    table: ErrorTable,
    judged: TestedSlice,
    *,
    classes: Sequence[str],
    areas: Floats,
    gain: Callable[[Bools], float],
    min_effect: float,
    max_q: float,
    explained_by: str | None,
    view_prefix: str,
) -> Finding:
    conditions, effect = judged.hypothesis.part.conditions, judged.effect
    missed = table.mask(conditions) & ~table.found
    status = status_of(effect, judged.q, min_effect=min_effect, max_q=max_q)
    value = {condition.column: condition.value for condition in conditions}
    words = words_of(conditions)
    return Finding(
        finding_id=judged.finding_id,
        conditions=conditions,
        origin=judged.hypothesis.origin,
        claim=judged.hypothesis.claim,
        tested_on="confirm" if judged.data_driven else "val",
        label=value.get("class"),
        size=_size_of(value.get("size")),
        words=words,
        versus=versus_of(conditions),
        status=status,
        objects=effect.objects,
        photos=effect.photos,
        recall=effect.recall,
        recall_rest=effect.recall_rest,
        effect=Interval(value=effect.value, low=effect.low, high=effect.high, photos=effect.photos),
        p=effect.p,
        q=judged.q,
        gain=gain(missed),
        missed={classes[k]: int(count) for k, count in enumerate(np.bincount(table.label[missed])) if count},
        objects_to_settle=objects_to_settle(effect, min_effect=min_effect) if status == "open" else None,
        explained_by=explained_by,
        evidence=_evidence(table, missed, areas),
        view=view_name(f"{view_prefix}: missed {words}", judged.finding_id),
    )


def _size_of(name: str | None) -> SizeBin | None:
    sizes: tuple[SizeBin, ...] = get_args(SizeBin)
    return next((size for size in sizes if size == name), None)


def _evidence(table: ErrorTable, missed: Bools, areas: Floats) -> tuple[str, ...]:
    rows = np.flatnonzero(missed)
    rows = rows[np.argsort(-areas[rows], kind="stable")][:MAX_EVIDENCE]
    return tuple(str(table.id[row]) for row in rows)
