"""What a model card is made of: what a model and its ancestors learned from, and how it was judged."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from curation.history import History, Played, Shown
from curation.records import Decision, Finding
from generation.records import Backend, SyntheticImage, Verified
from training.records import Evaluation, ModelVersion


@dataclass(frozen=True)
class Learned:
    """What a list taught; every picture counts once, however often the list repeats it."""

    photos: int
    pictures: int
    entries: int
    photos_of: dict[str, int]
    pictures_of: dict[str, int]
    """Photos and synthetic pictures that hold each class."""
    objects_of: dict[str, int]
    drawn_objects_of: dict[str, int]
    """Labelled objects of each class, in photos and in synthetic pictures."""
    verified: dict[Verified, int]
    backends: dict[Backend, int]
    reviewed_by_people: int
    """Synthetic pictures that a person accepted; the others were accepted by rule."""
    left_out: int
    """Train photos that were left out for a suspected label."""


@dataclass(frozen=True)
class CardFacts:
    """All that a model card says."""

    model: ModelVersion
    source: str
    """Name of the folder that the photos came from."""
    drawn: bool
    """Whether the program drew the photos, too."""
    learned: Learned | None
    """None where no round keeps its list."""
    ancestors: tuple[tuple[ModelVersion, Learned | None], ...]
    """Whose weights it started from, nearest first; empty for a model that was brought or made from scratch."""
    judged: Evaluation | None
    """On test by the first round that did, else on val."""
    decision: Decision | None
    """Of that round, where it judged the model on test."""
    role: str
    """What the model was there: champion, control or candidate."""
    weak_round: int | None
    """The last round that began with it and looked for what it is weak on."""
    weak: tuple[Finding, ...]
    """What was confirmed there, and nothing simpler explains."""


def facts_of(history: History, model: ModelVersion, *, source: str, drawn: bool) -> CardFacts:
    """Gather what a model's card says."""
    on_test, on_val = history.on_test(model.model_id), history.on_val(model.model_id)
    judged = [evaluation for _, evaluation in on_test or on_val]
    decision = on_test[0][0].decision if on_test else None
    roles = [role for role, model_id in decision.models.items() if model_id == model.model_id] if decision else []
    weak_round, weak = _weak(history, model)
    return CardFacts(
        model=model,
        source=source,
        drawn=drawn,
        learned=_learned(history, model),
        ancestors=tuple((each, _learned(history, each)) for each in _ancestors(history, model)),
        judged=judged[0] if judged else None,
        decision=decision,
        role=roles[0] if roles else f"{model.origin} of another seed",
        weak_round=weak_round,
        weak=weak,
    )


def _ancestors(history: History, model: ModelVersion) -> list[ModelVersion]:
    """Give whose weights a model started from, nearest first; one that trained into itself ends the line."""
    found: list[ModelVersion] = []
    known = {model.model_id}
    parent = history.models.get(model.parent or "")
    while parent and parent.model_id not in known:
        found.append(parent)
        known.add(parent.model_id)
        parent = history.models.get(parent.parent or "")
    return found


def _weak(history: History, model: ModelVersion) -> tuple[int | None, tuple[Finding, ...]]:
    for played in reversed(history.rounds):
        if played.findings and played.champion and played.champion.model_id == model.model_id:
            confirmed = [each for each in played.findings.findings if each.status == "confirmed"]
            return played.number, tuple(each for each in confirmed if each.explained_by is None)
    return None, ()


def _learned(history: History, model: ModelVersion) -> Learned | None:
    shown = history.taught(model)
    played = next((each for each in history.rounds if each.number == model.round), None)
    if shown is None or played is None:
        return None
    made = {file.picture_id for file in shown.files if file.synthetic}
    pictures = [each for each in history.pictures() if each.request_id in made]
    accepted = [each.verdicts.get(request_id) for each in history.rounds for request_id in made]
    photos_of, objects_of = _real_counts(played, shown)
    return Learned(
        photos=len(shown.files) - len(made),
        pictures=len(made),
        entries=sum(file.times for file in shown.files),
        photos_of=photos_of,
        pictures_of=dict(Counter(label for each in pictures for label in {one.label for one in each.labels})),
        objects_of=objects_of,
        drawn_objects_of=_drawn_objects(pictures),
        verified=dict(Counter(each.verified for each in pictures)),
        backends=dict(Counter(each.backend for each in pictures)),
        reviewed_by_people=sum(verdict is not None and verdict.reviewer != "rule" for verdict in accepted),
        left_out=0 if model.origin == "first" else played.left_out,
    )


def _drawn_objects(pictures: list[SyntheticImage]) -> dict[str, int]:
    return dict(Counter(label.label for each in pictures for label in each.labels))


def _real_counts(played: Played, shown: Shown) -> tuple[dict[str, int], dict[str, int]]:
    """Count the photos that hold each class, and the objects of each class, among the photos that a list shows."""
    if played.images is None or played.labels is None:
        return {}, {}
    ids = [file.picture_id for file in shown.files if not file.synthetic]
    labels = played.labels.of_images(np.flatnonzero(np.isin(played.images.id, ids)))
    held = np.unique(np.stack([labels.image, labels.label], axis=1), axis=0)[:, 1]
    photos, objects = (np.bincount(column, minlength=len(played.classes)) for column in (held, labels.label))
    names = played.classes
    return dict(zip(names, photos.tolist(), strict=True)), dict(zip(names, objects.tolist(), strict=True))
