"""A round as one HTML page that needs nothing else: no network, no script, readable on paper.

Records come in, text goes out. Pictures come as finished JPEG bytes (`evidence.py` makes them), already read elsewhere.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from curation import plots, sections, wording
from curation.evidence import Crop, GalleryPicture, gallery_within
from curation.power import Power
from curation.power import words as power_words
from curation.records import MIN_RELIABLE_PHOTOS, Batch, Briefs, Decision, Findings, Payoffs, Plan, Review
from curation.sections import Examples, PictureCounts
from training.records import ERROR_KINDS, Evaluation, ImageSet, Record, TrainingMix

MAX_GALLERY = 24
MAX_PICTURE_BYTES = 1_500_000  # 2 MB as base64: leaves room for text below 3 MB
MAX_ROWS, MAX_FOLDED = 24, 240  # of a table or plot: before unfolding, and at all


@dataclass(frozen=True, kw_only=True)
class ReportInput:
    """All that the page is made of. What a round does not have yet is absent, and so is its section."""

    dataset: str
    round: int
    images: ImageSet
    drawn: bool = False
    """Whether pictures drawn by this program stand in for photos."""
    champion: Evaluation | None = None
    """The champion on val."""
    tests: Mapping[str, Evaluation] = field(default_factory=dict)
    """Evaluations on test, by role: champion, control, candidate."""
    findings: Findings | None = None
    briefs: Briefs | None = None
    plan: Plan | None = None
    batch: Batch | None = None
    review: Review | None = None
    mix: TrainingMix | None = None
    power: Power | None = None
    payoffs: Payoffs | None = None
    decision: Decision | None = None
    elapsed_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds by step, in the order of the steps."""
    counts: Mapping[str, PictureCounts] = field(default_factory=dict)
    """By finding id."""
    examples: Examples | None = None
    crops: Mapping[str, Sequence[Crop]] = field(default_factory=dict)
    """By finding id, the most telling first."""
    gallery: Sequence[GalleryPicture] = ()


def render(given: ReportInput) -> str:
    """Give the page as HTML text, below 3 MB; pictures beyond that are left out, and the page says how many."""
    gallery = gallery_within(given.gallery, MAX_GALLERY, max_bytes=MAX_PICTURE_BYTES // 2)
    tests = {role: given.tests[role] for role in plots.ROLES if role in given.tests}
    judged = tests or ({"champion": given.champion} if given.champion else {})
    verdicts = sections.verdict_rows(given.decision, given.tests) if given.decision else []
    changed = (*given.examples.of_gained, *given.examples.of_lost) if given.examples else ()
    jpegs = [picture.jpeg for picture in gallery] + [crop.jpeg for crop in changed]
    room = MAX_PICTURE_BYTES - sum(map(len, jpegs))
    found = given.findings
    kept = sections.crops_within(given.crops, room)
    rows = sections.finding_rows(found, given.briefs, given.crops, kept) if found else None
    return _template().render(
        given=given,
        sentence=_sentence(given),
        tests=tests,
        scores=plots.score_plot(judged) if judged else None,
        errors=plots.errors_by_class(given.champion) if given.champion else (),
        test_errors=plots.errors_by_model(tests),
        effect_axis=plots.effect_axis(found) if found else None,
        rows=rows,
        shortages=sections.shortage_rows(found, given.briefs, kept) if found else (),
        columns=sections.columns_tested(rows or ()),
        kinds=[kind for kind in found.kinds if kind.label is None and kind.count] if found else (),
        flows=_flows(given, given.briefs, verdicts) if given.briefs else (),
        power=power_words(given.power) if given.power else "",
        gallery=gallery,
        time_bars=plots.bars(given.elapsed_s),
        seen=sections.objects_seen(given.images, given.mix) if given.mix else (),
        verdicts=verdicts,
        records=_records(given, tests),
    )


def _flows(given: ReportInput, briefs: Briefs, verdicts: Sequence[sections.VerdictRow]) -> list[sections.Flow]:
    return sections.flows(given.findings, briefs, given.counts, given.payoffs, verdicts, elapsed_s=given.elapsed_s)


def _sentence(given: ReportInput) -> str:
    """Say where the round stands; once there is a decision, that is the decision's own sentence."""
    if given.decision:
        return wording.without_outcome(given.decision)
    if given.mix:
        return "The arms of this round are planned; nothing has been judged on test yet."
    if given.review:
        accepted = wording.count_text(given.review.accepted, "synthetic picture")
        return f"{accepted} accepted; no model has been trained on them yet."
    if given.findings:
        confirmed = sum(finding.status == "confirmed" for finding in given.findings.findings)
        tested = wording.count_text(len(given.findings.findings), "tested slice")
        return f"{confirmed} of {tested} confirmed as weak; nothing has been trained yet."
    return "The champion has been evaluated on val." if given.champion else "Nothing has been measured yet."


def _records(given: ReportInput, tests: Mapping[str, Evaluation]) -> dict[str, str]:
    """Give the fingerprint of each record that the page was made from."""
    named: dict[str, Record | None] = {
        "images": given.images,
        "evaluation on val": given.champion,
        **{f"{role} on test": evaluation for role, evaluation in tests.items()},
        "findings": given.findings,
        "briefs": given.briefs,
        "plan": given.plan,
        "batch": given.batch,
        "review": given.review,
        "mix": given.mix,
        "decision": given.decision,
    }
    return {name: record.fingerprint() for name, record in named.items() if record}


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("curation", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "score": wording.score_text,
        "span": wording.span_text,
        "number": wording.number_text,
        "q": wording.q_text,
        "count": wording.count_text,
        "full": wording.full_sentence,
        "duration": wording.duration_text,
        "outlines": plots.outlines,
        "uri": _data_uri,
    }
    environment.globals |= {
        "roles": plots.ROLES,
        "error_kinds": ERROR_KINDS,
        "min_photos": MIN_RELIABLE_PHOTOS,
        "max_rows": MAX_ROWS,
        "max_folded": MAX_FOLDED,
        "shown_crops": sections.SHOWN_CROPS,
    }
    return environment.get_template("report.html")


def _shown(value: Any) -> Any:
    """Make names from other people's data printable before they are escaped; a number stays with its % sign."""
    return wording.printable(value).replace(" %", "\N{NO-BREAK SPACE}%") if type(value) is str else value


def _data_uri(jpeg: bytes) -> Markup:
    return Markup("data:image/jpeg;base64,") + b64encode(jpeg).decode()
