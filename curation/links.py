"""What is told of each thing that a round wrote down, when somebody asks where another came from."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

import numpy as np

from curation.history import Played
from curation.records import Finding
from generation.records import GenerationRequest, PasteRequest, SyntheticImage
from training.records import Interval, Record

LinkKind = Literal[
    "finding", "labels", "action", "brief", "request", "seed", "photo", "picture", "failure", "pictures", "verdict",
    "arm", "model", "recall", "val", "test", "decision", "label",
]  # fmt: skip
Fact = bool | int | float | str | None


class Link(Record):
    """A thing that a round wrote down, or several alike."""

    kind: LinkKind
    round: int | None
    """None for what belongs to no round."""
    ids: tuple[str, ...]
    facts: dict[str, Fact]
    """Texts and figures; scores are shares 0–1, and `low` and `high` bound a 95 % interval."""


def link(kind: LinkKind, played: Played, ids: Iterable[str] = (), **facts: Fact) -> Link:
    """Give a link of a round."""
    return Link(kind=kind, round=played.number, ids=tuple(ids), facts=facts)


def finding_links(played: Played, finding_id: str) -> list[Link]:
    """Give a finding with what was measured, or a shortage with its counts; nothing where the round has neither."""
    found = played.finding(finding_id)
    if found is None:
        return []
    if not isinstance(found, Finding):
        return [link("finding", played, [finding_id], words=found.words, status="rare", why=found.why)]
    facts: dict[str, Fact] = {"words": found.words, "status": found.status, "origin": found.origin}
    facts |= {"recall": found.recall, "recall_rest": found.recall_rest, "versus": found.versus}
    facts |= bounds("effect", found.effect) | {"objects": found.objects}
    return [link("finding", played, [finding_id], **facts)]


def evidence_links(played: Played, finding_id: str) -> list[Link]:
    """Give the model that a finding was made about, and the labels that show it."""
    found, judged = played.finding(finding_id), played.evaluation
    links = [link("val", played, [judged.model_id], **bounds("mean_ap", judged.mean_ap))] if judged else []
    return links + ([link("labels", played, found.evidence)] if found and found.evidence else [])


def showing_links(played: Played, label_ids: Collection[str]) -> list[Link]:
    """Give the findings that some labels are evidence of."""
    shown = [each for each in played.all_findings() if not set(each.evidence).isdisjoint(label_ids)]
    return [each for finding in shown for each in finding_links(played, finding.finding_id)]


def action_links(played: Played, finding_id: str) -> list[Link]:
    """Give what is done about a finding, and its briefs."""
    action = played.action(finding_id)
    links = [link("action", played, action=action.action, reason=action.reason)] if action else []
    briefs = [brief.brief_id for brief in played.all_briefs() if brief.finding_id == finding_id]
    return links + [each for brief_id in briefs for each in brief_links(played, brief_id)]


def brief_links(played: Played, brief_id: str) -> list[Link]:
    """Give a brief; nothing where the round has no such."""
    brief = played.brief(brief_id)
    if brief is None:
        return []
    facts: dict[str, Fact] = {"action": brief.action, "label": brief.label, "size": brief.size}
    return [link("brief", played, [brief_id], **facts, pictures=brief.pictures, backend=brief.backend)]


def request_links(played: Played, request: GenerationRequest) -> list[Link]:
    """Give a request and its seed."""
    counts = Counter(wish.label for wish in request.objects)
    facts: dict[str, Fact] = {"backend": request.backend}
    facts |= {"objects": ", ".join(f"{label} {count}" for label, count in counts.items())}
    facts |= {} if isinstance(request, PasteRequest) else {"prompt": request.prompt}
    asked = link("request", played, [request.request_id], **facts)
    return [asked, link("seed", played, value=str(request.seed))]  # 63 bits are too many for a reader of JSON


def ground_links(played: Played, request: GenerationRequest, picture: SyntheticImage | None) -> list[Link]:
    """Give the train photo that is painted on, the others that a picture stands on, and the labels that it shows."""
    links = photo_links(played, request.background_id, painted_on=True)
    others = [photo_id for photo_id in (picture.source_ids if picture else ()) if photo_id != request.background_id]
    links += _as_one([each for photo_id in others for each in photo_links(played, photo_id)])
    cut = sorted({wish.source_id for wish in request.objects}) if isinstance(request, PasteRequest) else []
    return links + _as_one([each for label_id in cut for each in label_links(played, label_id)])


def _as_one(links: Sequence[Link]) -> list[Link]:
    """Give links of one kind as a single one, with the facts of the first."""
    ids = tuple(link_id for each in links for link_id in each.ids)
    return [links[0].model_copy(update={"ids": ids})] if links else []


def photo_links(played: Played, photo_id: str, *, painted_on: bool = False) -> list[Link]:
    """Give a photo as the round froze it; nothing where it did not."""
    row = photo_row(played, photo_id)
    if played.images is None or row is None:
        return []
    path, split = str(played.images.path[row]), str(played.images.split[row])
    return [link("photo", played, [photo_id], path=path, split=split, painted_on=painted_on)]


def photo_row(played: Played, photo_id: str) -> int | None:
    """Give the row of a photo among those of a round."""
    if played.images is None:
        return None
    rows = np.flatnonzero(played.images.id == photo_id)
    return int(rows[0]) if len(rows) else None


def label_links(played: Played, label_id: str) -> list[Link]:
    """Give a label as the round froze it, with its photo; nothing where it did not."""
    if played.images is None or played.labels is None:
        return []
    rows = np.flatnonzero(played.labels.id == label_id)
    if not len(rows):
        return []
    name, photo = played.classes[played.labels.label[rows[0]]], str(played.images.id[played.labels.image[rows[0]]])
    return [link("label", played, [label_id], label=name, photo_id=photo)]


def picture_links(played: Played, request_id: str) -> list[Link]:
    """Give what came of a request: its picture, or why there is none."""
    picture, failure = played.pictures.get(request_id), played.failures.get(request_id)
    if picture:
        facts: dict[str, Fact] = {"path": picture.path, "verified": picture.verified, "attempts": picture.attempts}
        return [link("picture", played, [request_id], **facts, repairs="; ".join(picture.repairs))]
    return [link("failure", played, [request_id], reason=failure.reason, refused=failure.refused)] if failure else []


def verdict_links(played: Played, request_id: str) -> list[Link]:
    """Give what was decided about a picture, and by whom."""
    verdict = played.verdicts.get(request_id)
    if verdict is None:
        return []
    return [link("verdict", played, accepted=verdict.accepted, reason=verdict.reason, reviewer=verdict.reviewer)]


def pictures_links(played: Played, request_ids: Collection[str]) -> list[Link]:
    """Count what came of some requests; nothing for none."""
    if not request_ids:
        return []
    ids = sorted(request_ids)
    verdicts = [played.verdicts[each].accepted for each in ids if each in played.verdicts]
    made = sum(each in played.pictures for each in ids)
    facts: dict[str, Fact] = {
        "requested": len(ids),
        "made": made,
        "failed": sum(each in played.failures for each in ids),
    }
    facts |= {"accepted": sum(verdicts), "rejected": len(verdicts) - sum(verdicts)}
    return [link("pictures", played, ids, **facts, by_people=_by_people(played, ids))]


def _by_people(played: Played, request_ids: Sequence[str]) -> int:
    return sum(played.verdicts[each].reviewer != "rule" for each in request_ids if each in played.verdicts)


def bounds(name: str, score: Interval) -> dict[str, Fact]:
    """Give a score under a name, with its interval and the photos that it rests on."""
    return {name: score.value, "low": score.low, "high": score.high, "photos": score.photos}
