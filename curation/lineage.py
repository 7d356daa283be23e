"""Who came from what, both ways: finding → brief → request → seed → picture → verdict → reviewer → arm → metric."""

from collections.abc import Callable, Iterable, Iterator

from curation.history import History, Played, SubjectKind
from curation.links import (
    Link,
    action_links,
    brief_links,
    evidence_links,
    finding_links,
    ground_links,
    label_links,
    photo_links,
    photo_row,
    picture_links,
    pictures_links,
    request_links,
    showing_links,
    verdict_links,
)
from curation.model_links import children_links, judged_links, learned_links, model_link, taught_links
from training.files import digest_of
from training.records import Record


class Lineage(Record):
    """Where one thing came from, what it is, and what it led to; newer rounds come first where it is in several."""

    kind: SubjectKind
    subject_id: str
    remark: str
    """What is odd about the file that was asked about, empty for nothing."""
    came_from: tuple[Link, ...]
    itself: tuple[Link, ...]
    led_to: tuple[Link, ...]


Way = Iterator[tuple[list[Link], list[Link], list[Link]]]
"""Where it came from, what it is, what it led to: round by round."""


def lineage_of(history: History, kind: SubjectKind, subject_id: str, *, remark: str = "") -> Lineage:
    """Follow a thing that the history holds both ways."""
    parts = list(_WAYS[kind](history, subject_id))
    came_from, itself, led_to = (_once(link for part in parts for link in part[place]) for place in range(3))
    return Lineage(kind=kind, subject_id=subject_id, remark=remark, came_from=came_from, itself=itself, led_to=led_to)


def _once(links: Iterable[Link]) -> tuple[Link, ...]:
    """Leave out photos and labels that a newer round has told of: every round freezes them again."""
    kept: dict[str, Link] = {}
    for number, link in enumerate(links):
        same = link.facts if link.kind in ("photo", "label") else number
        kept.setdefault(digest_of([link.kind, link.ids, same]), link)
    return tuple(kept.values())


def _picture(history: History, request_id: str) -> Way:
    played, request = history.request(request_id)
    came_from = [*finding_links(played, request.finding_id), *brief_links(played, request.brief_id)]
    came_from += request_links(played, request)
    came_from += ground_links(played, request, played.pictures.get(request_id))
    led_to = verdict_links(played, request_id) + learned_links(history, {request_id}, {request.finding_id})
    yield came_from, picture_links(played, request_id), led_to


def _finding(history: History, finding_id: str) -> Way:
    for played in _newest_first(history):
        if found := finding_links(played, finding_id):
            ids = {each.request_id for each in played.requests.values() if each.finding_id == finding_id}
            led_to = action_links(played, finding_id) + pictures_links(played, ids)
            yield evidence_links(played, finding_id), found, led_to + learned_links(history, ids, {finding_id})


def _brief(history: History, brief_id: str) -> Way:
    for played in _newest_first(history):
        if brief := played.brief(brief_id):
            ids = {each.request_id for each in played.requests.values() if each.brief_id == brief_id}
            led_to = pictures_links(played, ids) + learned_links(history, ids, {brief.finding_id})
            yield finding_links(played, brief.finding_id), brief_links(played, brief_id), led_to


def _photo(history: History, photo_id: str) -> Way:
    for played in _newest_first(history):
        row = photo_row(played, photo_id)
        if row is None or played.labels is None:
            continue
        label_ids = set(played.labels.id[played.labels.image == row].tolist())
        asked = {each.request_id for each in played.requests.values() if each.background_id == photo_id}
        made = {each.request_id for each in played.pictures.values() if photo_id in each.source_ids}
        led_to = showing_links(played, label_ids) + pictures_links(played, asked | made)
        yield [], photo_links(played, photo_id), led_to + learned_links(History((played,), {}), {photo_id})


def _label(history: History, label_id: str) -> Way:
    for played in _newest_first(history):
        if itself := label_links(played, label_id):
            shown = {
                each.request_id
                for each in played.pictures.values()
                if label_id in {label.source_id for label in each.labels}
            }
            led_to = showing_links(played, {label_id}) + pictures_links(played, shown)
            yield photo_links(played, str(itself[0].facts["photo_id"])), itself, led_to


def _model(history: History, model_id: str) -> Way:
    model = history.models[model_id]
    parent = history.models.get(model.parent or "")
    came_from = [*([model_link(parent)] if parent else []), *taught_links(history, model)]
    judged = [link for played in _newest_first(history) for link in judged_links(played, model_id)]
    yield came_from, [model_link(model)], judged + children_links(history, model_id)


def _newest_first(history: History) -> Iterator[Played]:
    yield from reversed(history.rounds)


_WAYS: dict[SubjectKind, Callable[[History, str], Way]] = {
    "picture": _picture,
    "finding": _finding,
    "brief": _brief,
    "photo": _photo,
    "label": _label,
    "model": _model,
}
