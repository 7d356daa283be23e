"""Findings and shortages as far as acting on them goes: how much they weigh, and why something may not be done."""

from collections.abc import Mapping
from dataclasses import dataclass

from curation.records import Condition, Finding, Payoffs, Shortage
from generation.records import SizeBin

UNPAID_FACTOR = 0.5
"""On the weight of a finding, for each round in which its pictures did not pay."""


@dataclass(frozen=True)
class Want:
    """A finding or a shortage as far as acting on it goes."""

    finding_id: str
    label: str
    size: SizeBin | None
    conditions: tuple[Condition, ...]
    gain: float
    photos: int
    """Of val that hold it."""
    because: str
    """What was measured, in words."""
    untested: str = ""
    """Why the test does not allow acting on it, empty where it does; a person may."""
    explained: str = ""
    """Which finding it is left to, empty where it stands for itself."""
    unpaid: tuple[int, ...] = ()
    """Earlier rounds in which its pictures did not pay, since they last paid."""

    @property
    def weight(self) -> float:
        """Give what its share of the budget is proportional to."""
        return self.gain * UNPAID_FACTOR ** len(self.unpaid)

    @property
    def unpaid_text(self) -> str:
        """Give `its pictures did not pay in rounds 2 and 3`, empty where there is no such round."""
        if not self.unpaid:
            return ""
        *first, last = map(str, self.unpaid)
        rounds = f"rounds {', '.join(first)} and {last}" if first else f"round {last}"
        return f"its pictures did not pay in {rounds}"

    def lies_within(self, other: "Want") -> bool:
        """Say whether all its objects are those of another one, of the same class."""
        of_class = {Condition(column="class", value=other.label)}
        return self.label == other.label and set(other.conditions) - of_class <= set(self.conditions)


def unpaid_rounds(history: Mapping[int, Payoffs]) -> dict[str, list[int]]:
    """Give by finding the rounds, oldest first, in which its pictures did not pay since they last paid.

    `history` holds what earlier rounds measured, by the number of the round. The id of a finding is made of its
    conditions, so it is the same in every round.
    """
    unpaid: dict[str, list[int]] = {}
    for number in sorted(history):
        for payoff in history[number].findings:
            rounds = unpaid.setdefault(payoff.finding_id, [])
            if payoff.verdict == "pays":
                rounds.clear()
            elif payoff.verdict == "does not pay":
                rounds.append(number)
    return unpaid


def want_of_finding(finding: Finding, unpaid: Mapping[str, list[int]]) -> Want:
    """Give what a finding wants; over all classes, it is the class of which it misses most objects."""
    settle = f"; about {finding.objects_to_settle} objects would settle it" if finding.objects_to_settle else ""
    return Want(
        finding_id=finding.finding_id,
        label=finding.label or max(sorted(finding.missed), key=finding.missed.__getitem__, default=""),
        size=finding.size,
        conditions=finding.conditions,
        gain=finding.gain,
        photos=finding.photos,
        because=f"{finding.words}: recall {finding.recall:.2f} against {finding.recall_rest:.2f} of {finding.versus}",
        untested="" if finding.status == "confirmed" else f"{finding.status}{settle}",
        explained=f"explained by the finding {finding.explained_by[:4]}" if finding.explained_by else "",
        unpaid=tuple(unpaid.get(finding.finding_id, ())),
    )


def want_of_shortage(shortage: Shortage, unpaid: Mapping[str, list[int]]) -> Want:
    """Give what a shortage wants."""
    return Want(
        finding_id=shortage.finding_id,
        label=shortage.label,
        size=shortage.size,
        conditions=shortage.conditions,
        gain=shortage.gain,
        photos=shortage.val_photos,
        because=f"{shortage.words}: {shortage.why}",
        unpaid=tuple(unpaid.get(shortage.finding_id, ())),
    )
