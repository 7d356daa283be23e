"""The model card in Markdown: what a model learned from, how it was judged, what it is weak on, what nobody knows.

Names come from other people's data, so nothing in them can become Markdown, and no path of this machine is told.
"""

from collections.abc import Iterable, Mapping, Sequence

from curation.card_facts import CardFacts, Learned
from curation.records import MIN_RELIABLE_PHOTOS, Decision, Finding
from curation.wording import NOTHING, count_text, full_sentence, number_text, printable, score_text, short
from training.records import Evaluation, FitSettings, ModelVersion

MARKS = "\\`*_[]<>|#&!~"
MAX_WEAK = 20
ORIGINS = {
    "given": "It was brought to the workspace, so what it learned from is not known here.",
    "first": "It is the first model of the workspace, trained on its train photos alone.",
    "control": "It is a control: it learned from photos repeated, and from no new synthetic picture of its round.",
    "candidate": "It is a candidate: it learned from photos and from synthetic pictures made for its round's findings.",
}
VERIFIED = {
    "by construction": "right by construction: the object was pasted there",
    "judged": "judged: a zero-shot detector saw the object there",
    "unverified": "unverified: nobody has checked that the labels are right",
}
WITH_ULTRALYTICS = (
    "**Weights: AGPL-3.0, by the terms of ultralytics.** They were made with ultralytics, which is AGPL-3.0, and its "
    "makers hold that models trained with it fall under the same licence. Whoever passes them on, or offers them to "
    "others over a network, alone or built into something, must then offer the whole source under AGPL-3.0, unless "
    "they hold an ultralytics Enterprise licence."
)
WITH_GLIGEN = (
    "**Generator: to be stated by you.** Pictures were drawn with GLIGEN. The weights that Curate names by default are "
    "under CreativeML OpenRAIL-M, whose restrictions of use hold for what they paint, too; of other weights state the "
    "licence here."
)


def card_of(facts: CardFacts) -> str:
    """Give the whole card, sections in a fixed order."""
    sections = [
        _head(facts),
        _section("What it learned from", _learned(facts)),
        _section("How it was trained", _settings(facts.model.settings)),
        _section("How it was judged", _judged(facts)),
        _section("Known weak findings", _weak(facts)),
        _section("Licences", _licences(facts)),
        _section("Limits", [f"* {limit}" for limit in _limits(facts)]),
    ]
    return "\n\n".join(sections) + "\n"


def _head(facts: CardFacts) -> str:
    model = facts.model
    made = "brought" if model.origin == "given" else f"{model.origin} of round {model.round}"
    lines = [
        f"# Model {short(model.model_id)}",
        "",
        *(
            ["**Not verified on real photos:** the program drew the photos that it was judged on.", ""]
            if facts.drawn
            else []
        ),
        *_table(
            ["", ""],
            [
                ["id, the digest of its tensors", model.model_id],
                ["origin", made],
                ["started from", model.parent or ("not known" if model.origin == "given" else "no weights")],
                ["digest of the list that it learned from", model.trained_on or NOTHING],
                ["classes, in the order of its outputs", ", ".join(map(_plain, model.classes))],
            ],
        ),
        "",
        "`weights.pt` is a checkpoint of ultralytics: `YOLO('weights.pt')`. `data.yaml` names its classes.",
    ]
    return "\n".join(lines)


def _learned(facts: CardFacts) -> list[str]:
    lines = [f"{ORIGINS[facts.model.origin]} The photos come from '{_plain(facts.source)}'.", ""]
    if facts.learned:
        lines += _list_lines(facts.learned, facts.model.classes)
    elif facts.model.origin != "given":
        lines += ["No finished round keeps the list that it learned from, so its pictures cannot be counted here.", ""]
    if facts.ancestors:
        lines += ["It started from weights that had learned before:", ""]
        lines += [f"* {_ancestor(model, learned)}" for model, learned in facts.ancestors]
    return lines


def _list_lines(learned: Learned, classes: Sequence[str]) -> list[str]:
    left = f" {count_text(learned.left_out, 'photo')} with a suspected label left out." if learned.left_out else ""
    rows = [
        [_plain(name), *(f"{counts.get(name, 0):,}" for counts in _by_class(learned))]
        for name in dict.fromkeys([*classes, *learned.photos_of, *learned.pictures_of])
    ]
    photos, pictures = count_text(learned.photos, "real photo"), count_text(learned.pictures, "synthetic picture")
    lines = [
        f"{photos} and {pictures}, in a list of {learned.entries:,} entries.{left}",
        "",
        *_table(["class", "real photos", "objects there", "synthetic pictures", "objects there"], rows),
        "",
    ]
    if learned.pictures:
        lines += ["Labels of the synthetic pictures:", "", *_verified_lines(learned), ""]
    return lines


def _by_class(learned: Learned) -> tuple[Mapping[str, int], ...]:
    return learned.photos_of, learned.objects_of, learned.pictures_of, learned.drawn_objects_of


def _verified_lines(learned: Learned) -> list[str]:
    total = learned.pictures
    by_rule = total - learned.reviewed_by_people
    lines = [f"* {count:,} ({count / total:.0%}) {VERIFIED[how]}" for how, count in sorted(learned.verified.items())]
    return [*lines, f"* accepted by people: {learned.reviewed_by_people:,}; by rule, without a look: {by_rule:,}"]


def _ancestor(model: ModelVersion, learned: Learned | None) -> str:
    told = f"{short(model.model_id)}, {model.origin}" + (f" of round {model.round}" if model.round else "")
    if learned is None:
        return f"{told}: what it learned from is not known here"
    photos, pictures = count_text(learned.photos, "real photo"), count_text(learned.pictures, "synthetic picture")
    return f"{told}: {photos} and {pictures}, list {model.trained_on}"


def _settings(settings: FitSettings | None) -> list[str]:
    if settings is None:
        return ["Not known here."]
    values = settings.model_dump(exclude={"overrides"}, exclude_none=True) | settings.overrides
    said = (
        "AdamW with a cosine schedule; the last averaged weights were taken, no checkpoint was chosen on val or test."
    )
    return [
        said,
        "",
        *_table(["setting", "value"], [[_plain(key), _plain(str(value))] for key, value in values.items()]),
    ]


def _judged(facts: CardFacts) -> list[str]:
    judged, decision = facts.judged, facts.decision
    if judged is None:
        return ["Curate has not judged it on photos of val or test: nothing here says how good it is."]
    lines = []
    if judged.split == "val":
        lines += ["Only on val, on which findings are looked for; **it was not judged on test.**", ""]
    score, photos = score_text(judged.mean_ap), count_text(judged.mean_ap.photos, "photo")
    told = f"Mean AP (IoU 0.50 to 0.95) on {judged.split}: **{score}** with its 95 % interval, over {photos}; "
    told += f"mean AP50 {number_text(judged.mean_ap50)}. Recall and precision are at score ≥ {judged.min_score:g}."
    lines += [told, "", *_class_table(judged)]
    return lines + (["", *_verdict(decision, facts.role)] if decision else [])


def _verdict(decision: Decision, role: str) -> list[str]:
    opened, seeds = count_text(decision.openings, "time"), count_text(decision.seeds, "seed")
    return [
        f"* verdict of that round, where it was the {role}: **{decision.outcome}**. {_plain(decision.sentence)}",
        f"* whether the pictures did it: **{decision.attributed}**. {_plain(full_sentence(decision.attribution))}",
        f"* these test photos had been opened {opened} by then, and each arm was trained with {seeds}",
    ]


def _class_table(judged: Evaluation) -> list[str]:
    rows = [
        [
            _plain(score.label),
            f"{score.ap.photos:,}" if score.ap else "0",
            f"{score.objects:,}",
            score_text(score.ap),
            number_text(score.recall, digits=2),
            number_text(score.precision, digits=2),
        ]
        for score in judged.classes
    ]
    return _table(["class", "photos", "objects", "AP [95 %]", "recall", "precision"], rows)


def _weak(facts: CardFacts) -> list[str]:
    if facts.weak_round is None:
        return ["Nobody has looked yet: no round has begun with this model."]
    if not facts.weak:
        return [f"Round {facts.weak_round} confirmed none on val. That does not mean that there are none."]
    lines = [f"Confirmed on val in round {facts.weak_round}, those first that cost most:", ""]
    found = sorted(facts.weak, key=lambda each: -each.gain)
    lines += [f"* {_finding(each)}" for each in found[:MAX_WEAK]]
    return lines + ([f"* and {len(found) - MAX_WEAK} more"] if len(found) > MAX_WEAK else [])


def _finding(finding: Finding) -> str:
    gap = score_text(finding.effect, digits=2, signed=True)
    return (
        f"**{_plain(finding.words)}**: recall {finding.recall:.2f} against {finding.recall_rest:.2f} of "
        f"{_plain(finding.versus)}, gap {gap}; {count_text(finding.objects, 'object')} on "
        f"{count_text(finding.photos, 'photo')}"
    )


def _licences(facts: CardFacts) -> list[str]:
    learned = [facts.learned, *(each for _, each in facts.ancestors)]
    backends = {backend for each in learned if each for backend in each.backends}
    notes = [
        WITH_ULTRALYTICS,
        "**Photos: to be stated by you.** Curate does not know under which terms they may be used.",
    ]
    if any(model.origin == "given" for model in [facts.model, *(model for model, _ in facts.ancestors)]):
        notes.append("**First weights: to be stated by you.** They were brought, and their own terms hold besides.")
    if backends - {"paste"}:
        notes.append(WITH_GLIGEN)
    return [*(f"* {note}" for note in notes), "", "This is no legal advice."]


def _limits(facts: CardFacts) -> Iterable[str]:
    judged, learned, decision = facts.judged, facts.learned, facts.decision
    if facts.drawn:
        yield "Its photos were drawn by a program: **not verified on real photos**, so nothing follows for any camera."
    yield "The figures hold for photos like those that it was judged on, not for other places, cameras or seasons."
    if judged and judged.split == "test":
        few = [_plain(each.label) for each in judged.classes if not each.ap or each.ap.photos < MIN_RELIABLE_PHOTOS]
        if few:
            yield f"On fewer than {MIN_RELIABLE_PHOTOS} test photos, so the interval is unreliable: {', '.join(few)}."
    else:
        yield "It was not judged on test, and what was measured on val is too kind to it, if anything was."
    if learned and (unverified := learned.verified.get("unverified")):
        yield f"{count_text(unverified, 'synthetic picture')} with labels that nobody has checked taught it."
    if decision and decision.models.get("candidate") == facts.model.model_id and decision.outcome != "promoted":
        yield f"Its round did not promote it: the verdict was {decision.outcome}."
    if decision and decision.seeds == 1:
        yield "With one seed it cannot be told apart whether a gain is due to the pictures or to the luck of a run."


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *lines]).rstrip()


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]


def _plain(text: str) -> str:
    """Give text that Markdown shows as it is, on one line."""
    return "".join(f"\\{mark}" if mark in MARKS else mark for mark in printable(text))
