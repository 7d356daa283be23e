"""Findings as lines of text for a terminal: what was tested, what came of it, and what is done about it."""

from collections import Counter

from curation.columns import Column
from curation.consultation import Consultation
from curation.records import Briefs, Finding, Findings, Shortage, Suspects
from curation.screen import screenful
from curation.wording import (
    NOTHING,
    STATUSES,
    action_text,
    count_text,
    number_text,
    printable,
    q_text,
    share_text,
    wrap,
)

SHORT = "rare"
MIN_TOLD_GAIN = 0.0005
"""Of AP50: less would be written as nothing."""


def findings_lines(
    findings: Findings, briefs: Briefs | None, width: int, *, asked: Consultation | None = None
) -> list[str]:
    """Give the tested slices and shortages, those that matter first, with what is done about each."""
    rows = in_order(findings)
    statuses = Counter(finding.status for finding in findings.findings)
    told = ", ".join(f"{statuses[status]} {status}" for status in STATUSES)
    title = f"{count_text(len(findings.findings), 'slice')} tested on {findings.split}: {told}"
    title += f"; {count_text(len(findings.shortages), 'shortage')} in train" if findings.shortages else ""
    columns = [
        Column("status", [_status(each) for each in rows]),
        Column("slice", [_words(each) for each in rows], stretch=True, least=36),
        Column("recall", [_recall(each) for each in rows]),
        Column("effect ± 95 %", [_effect(each) for each in rows], rank=3),
        Column("n", [_count(each) for each in rows], right=True),
        Column("q", [q_text(each.q) if isinstance(each, Finding) else "" for each in rows], right=True, rank=2),
        Column("action", [action_text(each, briefs) for each in rows]),
        Column("budget", [share_text(each, briefs) for each in rows], right=True, rank=1),
    ]
    after = _after(findings, briefs, width) + (_asked(asked, findings, width) if asked else [])
    return screenful(wrap(title, width), columns, after, things="slices", width=width)


def in_order(findings: Findings) -> list[Finding | Shortage]:
    """Give confirmed findings that nothing else explains, shortages, what the language model proposed, then the rest.

    Each group by what fixing it would gain.
    """

    def rank(each: Finding | Shortage) -> int:
        if isinstance(each, Shortage):
            return 1
        if each.status == "confirmed":
            return 3 if each.explained_by else 0
        return 2 if each.claim else 4 + STATUSES.index(each.status)

    return sorted([*findings.findings, *findings.shortages], key=lambda each: (rank(each), -each.gain))


def _after(findings: Findings, briefs: Briefs | None, width: int) -> list[str]:
    lines = wrap(f"AP50 that mending each kind of error would return: {_kinds(findings)}", width)
    if findings.suspects:
        lines += wrap(_suspects(findings.suspects), width)
    rule = f"recall: slice/rest; n: objects/photos; confirmed: q ≤ {findings.max_q:g}; "
    lines += wrap(f"{rule}refuted: effect surely below {findings.min_effect:g}", width)
    for note in (findings.note, briefs.note if briefs else ""):
        lines += wrap(note, width, max_lines=3) if note else []
    shown = [each.view for each in in_order(findings) if isinstance(each, Shortage) or each.is_shown]
    lines += wrap(f"{count_text(len(shown), 'saved view')} in FiftyOne, the first: {shown[0]}", width) if shown else []
    return lines


def _kinds(findings: Findings) -> str:
    told = [kind for kind in findings.kinds if kind.label is None and kind.ap_gain >= MIN_TOLD_GAIN]
    return ", ".join(f"{each.kind} {number_text(each.ap_gain, signed=True)} ({each.count})" for each in told) or "none"


def _suspects(suspects: Suspects) -> str:
    counts = [f"{count} {kind} on {split}" for split, kinds in suspects.counts.items() for kind, count in kinds.items()]
    return f"suspected labels, to be looked at: {', '.join(counts)} (view: {suspects.view})"


def _asked(asked: Consultation, findings: Findings, width: int) -> list[str]:
    """Say what the language model proposed, what came of it, and what it cost."""
    tested = Counter(finding.status for finding in findings.findings if finding.claim)
    said = ", ".join(f"{tested[status]} {status}" for status in STATUSES if tested[status]) or "none tested"
    line = f"language model: {count_text(len(asked.hypotheses), 'proposal')}, {said}"
    line += f"; {asked.spending.words()}" if asked.spending else ""
    troubles = [f"{failed.item}: {failed.reason}" for failed in asked.failures] + (
        [asked.stopped] if asked.stopped else []
    )
    return wrap(line, width) + [line for trouble in troubles[:2] for line in wrap(trouble, width)]


def _status(each: Finding | Shortage) -> str:
    if isinstance(each, Shortage):
        return SHORT
    return "explained" if each.explained_by and each.status == "confirmed" else each.status


def _words(each: Finding | Shortage) -> str:
    proposed = isinstance(each, Finding) and each.claim
    return printable(f"LLM: {each.words}" if proposed else each.words)


def _recall(each: Finding | Shortage) -> str:
    if isinstance(each, Shortage):
        return number_text(each.recall, digits=2)
    return f"{each.recall:.2f}/{each.recall_rest:.2f}"


def _effect(each: Finding | Shortage) -> str:
    if isinstance(each, Shortage):
        return NOTHING
    reach = max(each.effect.high - each.effect.value, each.effect.value - each.effect.low)
    return f"{number_text(each.effect.value, digits=2)} ± {reach:.2f}"


def _count(each: Finding | Shortage) -> str:
    return f"{each.objects}/{each.photos}" if isinstance(each, Finding) else f"{each.val_objects}/{each.val_photos}"
