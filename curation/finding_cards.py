"""Findings as people review them: a card each with the test's figures, the photos of the evidence, and their stories.

Shown are the findings that somebody could act on: confirmed ones, shortages, what the language model claimed, and open
ones that would gain something; in the order of the findings' table, at most `MAX_CARDS`. Test photos are never shown.
"""

from dataclasses import dataclass
from typing import Any

from curation.finding_lines import in_order
from curation.plugin.markdown import plain_text
from curation.records import Action, Briefs, Finding, Findings, Shortage
from curation.wording import number_text, q_words, score_text
from training.boxes import BoxTable, ImageTable

MAX_CARDS = 60


@dataclass(frozen=True)
class FindingQueue:
    """What a session on findings shows."""

    photo_ids: tuple[str, ...]
    """The photos that hold evidence, those of the first finding first."""
    stories: dict[str, str]
    """Markdown by photo: which findings it is evidence for."""
    cards: tuple[dict[str, Any], ...]
    """Plain documents, one a finding: `finding_id`, `title` and `text` in Markdown, `action`, `pictures` and `why` as
    planned, `view`, `photo_ids` and `label_ids` of the evidence."""


def finding_queue(findings: Findings, briefs: Briefs | None, *, images: ImageTable, labels: BoxTable) -> FindingQueue:
    """Give what people are shown of findings; `briefs` are what is planned so far, where something is.

    `images` and `labels` are those of the round; evidence that they do not hold is passed over.
    """
    photo_of = _photos_of(images, labels)
    planned = {action.finding_id: action for action in briefs.actions} if briefs else {}
    cards = []
    told: dict[str, list[str]] = {}
    for each in [each for each in in_order(findings) if _is_worth_a_look(each)][:MAX_CARDS]:
        label_ids = [label_id for label_id in each.evidence if label_id in photo_of]
        held = [photo_of[label_id] for label_id in label_ids]
        for photo_id in dict.fromkeys(held):
            told.setdefault(photo_id, []).append(_evidence_text(each, held.count(photo_id)))
        shown = {"photo_ids": list(dict.fromkeys(held)), "label_ids": label_ids}
        cards.append(_card(each, planned.get(each.finding_id)) | shown)
    stories = {photo_id: "**Evidence for**\n\n" + "\n".join(lines) for photo_id, lines in told.items()}
    return FindingQueue(photo_ids=tuple(told), stories=stories, cards=tuple(cards))


def figures_of(each: Finding | Shortage) -> str:
    """Give what the test found, with its interval and counts, in Markdown."""
    if isinstance(each, Shortage):
        recall = (
            f"recall on val {number_text(each.recall, digits=2)}, n = {each.val_objects} on {each.val_photos} photos"
        )
        return f"{plain_text(each.why)}  \n{recall}  \nfinding them would return {_gain(each)}"
    count = f"n = {each.objects} on {each.photos} photos"
    return (
        f"recall **{each.recall:.2f}** against {each.recall_rest:.2f} of {plain_text(each.versus)}  \n"
        f"effect {score_text(each.effect, digits=2)}, {count}, {q_words(each.q)}  \n"
        f"finding them would return {_gain(each)}"
    )


def _gain(each: Finding | Shortage) -> str:
    return f"{number_text(each.gain, signed=True)} AP50"


def _photos_of(images: ImageTable, labels: BoxTable) -> dict[str, str]:
    """Give the photo of each label that is not of test, by id."""
    shown = images.split[labels.image] != "test"
    return dict(zip(labels.id[shown].tolist(), images.id[labels.image[shown]].tolist(), strict=True))


def _is_worth_a_look(each: Finding | Shortage) -> bool:
    return isinstance(each, Shortage) or each.is_shown or (each.status == "open" and each.gain > 0)


def _status(each: Finding | Shortage) -> str:
    if isinstance(each, Shortage):
        return "rare in train"
    explained = f", explained by the finding {each.explained_by[:4]}" if each.explained_by else ""
    settle = f"; about {each.objects_to_settle:,} objects would settle it" if each.objects_to_settle else ""
    return each.status + explained + settle


def _card(each: Finding | Shortage, action: Action | None) -> dict[str, Any]:
    claim = each.claim if isinstance(each, Finding) else ""
    said = f"\n\nThe language model: *{plain_text(claim)}*" if claim else ""
    return {
        "finding_id": each.finding_id,
        "title": plain_text(each.words),
        "text": f"**{plain_text(_status(each))}**\n\n{figures_of(each)}{said}",
        "action": action.action if action else "nothing",
        "pictures": action.pictures if action else 0,
        "why": plain_text(action.reason) if action else "",
        "view": each.view,
    }


def _evidence_text(each: Finding | Shortage, count: int) -> str:
    if isinstance(each, Shortage):
        figures = f"recall {number_text(each.recall, digits=2)}, n = {each.val_objects}; {count} here"
    else:
        figures = (
            f"recall {each.recall:.2f} against {each.recall_rest:.2f}, effect {score_text(each.effect, digits=2)}, "
            f"n = {each.objects}, {q_words(each.q)}; {count} missed here"
        )
    return f"- **{plain_text(each.words)}** ({plain_text(_status(each))}): {figures}"
