"""What to do about the confirmed findings: pictures where the generator can make them, labels from people where not.

* Only confirmed findings are acted on. One that lies within another confirmed finding of the same class that gains
  more is left to that one.
* A finding over all classes asks for the class of which it misses most objects.
* The budget is shared in proportion to `gain`; every funded finding gets `min_pictures`, and where the budget is too
  small for that, the findings that gain least get nothing.
* What the generator cannot serve becomes a request to label real photos, with the generator's reason.
"""

from collections.abc import Callable, Sequence

from curation.records import Briefs, Finding, Findings
from generation.records import Brief
from training.files import digest_of

CannotServe = Callable[[Brief], str | None]
"""Why the generator cannot make what a brief asks for, None where it can."""


def make_briefs(found: Findings, *, pictures: int, min_pictures: int, cannot_serve: CannotServe) -> Briefs:
    """Turn findings and a budget of pictures into briefs."""
    wanted = _worth_acting_on(found.findings)
    if not wanted:
        return Briefs(briefs=(), note="no finding was confirmed, so there is nothing to make pictures for")
    reasons = {finding.finding_id: cannot_serve(_generate(finding, 0)) for finding in wanted}
    funded = [finding for finding in wanted if reasons[finding.finding_id] is None][: max(1, pictures // min_pictures)]
    counts = _shares([finding.gain for finding in funded], pictures, min_pictures)
    briefs = [_generate(finding, count) for finding, count in zip(funded, counts, strict=True)]
    briefs += [_label_brief(f, reason) for f in wanted if (reason := reasons[f.finding_id]) is not None]
    note = "" if funded else "the generator can serve none of the confirmed findings: real photos have to be labelled"
    return Briefs(briefs=tuple(briefs), note=note)


def _worth_acting_on(findings: Sequence[Finding]) -> list[Finding]:
    """Give the confirmed findings by falling gain, without those inside an earlier one."""
    kept: list[Finding] = []
    for finding in findings:
        acts = finding.status == "confirmed" and finding.gain > 0
        if acts and not any(_lies_within(finding, other) for other in kept):
            kept.append(finding)
    return kept


def _lies_within(finding: Finding, other: Finding) -> bool:
    return _label(finding) == _label(other) and (other.size is None or other.size == finding.size)


def _label(finding: Finding) -> str:
    if finding.label is not None:
        return finding.label
    return max(sorted(finding.missed), key=lambda label: finding.missed[label])


def _shares(gains: Sequence[float], pictures: int, min_pictures: int) -> list[int]:
    """Share pictures in proportion to gains above a floor; the remainder goes to the first."""
    if not gains:
        return []
    floor = min(min_pictures, pictures // len(gains))
    spare = pictures - floor * len(gains)
    counts = [floor + int(spare * gain / sum(gains)) for gain in gains]
    counts[0] += pictures - sum(counts)
    return counts


def _generate(finding: Finding, count: int) -> Brief:
    reason = f"{finding.words}: recall {finding.recall:.2f} against {finding.recall_rest:.2f} of {finding.versus}"
    return _brief(finding, "generate", count, reason)


def _label_brief(finding: Finding, reason: str) -> Brief:
    return _brief(finding, "label", 0, reason)


def _brief(finding: Finding, action: str, count: int, reason: str) -> Brief:
    wish = {"finding_id": finding.finding_id, "action": action, "label": _label(finding), "size": finding.size}
    return Brief.model_validate(wish | {"brief_id": digest_of(wish), "pictures": count, "reason": reason})
