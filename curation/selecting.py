"""Which photos of a pool people should label next: one selection, read from top to bottom."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from curation.acquisition import PoolTable, Target
from curation.champion import base_of
from curation.desk import Desk, Frozen, findings_of
from curation.imports import imports_of, placed, refused_of
from curation.judging import Studied
from curation.likeness import CLUSTERS, LOOK_COLUMNS, MIN_SCORE, Known, expected_objects
from curation.records import Action, Briefs, Condition, Finding, Findings, Measured, Shortage
from curation.scouting import exclude, photo_vectors, prelabels_of, scout
from curation.select import Choice, select
from curation.selection import Pick, Selection
from curation.selections import keep_picks, keep_selection, keep_tables, picks_of, selections_of
from training.boxes import BoxTable, Floats, ImageTable
from training.errors import CurateError, DataError, UsageError
from training.files import digest_of, link_or_copy
from training.records import Evaluation, ImageSet, ModelVersion
from training.source import FoundPhoto, photo_path, printable
from training.unlabelled import Unlabelled

MIN_WEIGHT = 0.01
"""Mean AP that a finding counts for at least: a shortage of which val shows nothing gains nothing there."""


@dataclass(frozen=True)
class Standing:
    """What a selection stands on: the last round that was analysed, and the champion of now."""

    studied: Studied
    sought: tuple[Finding | Shortage, ...]
    """What is acted on, by pictures or by labels."""
    champion: ModelVersion
    judged: ModelVersion
    """The champion of that round, which the findings are about."""


def choose_photos(desk: Desk, found: Unlabelled, *, pool: str, count: int) -> Selection:
    """Select `count` photos of a pool and keep them in the workspace; raises `DataError` where none is left to label.

    Raises `UsageError` where no round was analysed: there are no findings, and nothing is known of train.
    """
    standing, root, earlier = _standing(desk), desk.ledger.root, selections_of(desk.ledger.root)
    photos, excluded = _left(found, root, earlier, pool)
    known = Known.of(standing.studied.study)
    sought, notes = _servable(standing, known.column_names())
    targets = [Target(each.finding_id, each.words, max(each.gain, MIN_WEIGHT)) for each in sought]
    conditions = [each.conditions for each in sought]
    folder, question = root / "scratch" / "pool", _question(desk, standing, conditions)
    match = _matcher(desk, standing, known, conditions)
    table = scout(photos, root=root, folder=folder, view=desk, match=match, name_of=found.name_of, **question)
    images = standing.studied.frozen.images
    train = photo_vectors(desk, standing.champion, images, images.rows_of("train"), folder=folder)
    number = len(earlier) + 1
    choices = select(table, targets, count=count, train_vectors=train, rng=np.random.default_rng(number))
    chosen = _chosen(photos, table, choices)
    for photo in chosen:
        link_or_copy(photo.path, root / photo_path(photo))
    seen = prelabels_of(folder, [photo.photo_id for photo in chosen], **question)
    images_ref, prelabels_ref = keep_tables(root, number, _table_of(chosen), seen)
    selection = Selection(
        number=number,
        round=standing.studied.frozen.folder.number,
        model_id=standing.champion.model_id,
        pool=pool,
        asked=count,
        seen=found.seen_count,
        excluded=excluded,
        refused=tuple(refused_of(each) for each in found.refusals),
        classes=standing.studied.frozen.image_set.classes,
        picks=keep_picks(root, number, tuple(map(partial(_pick, table), choices, chosen))),
        images=images_ref,
        prelabels=prelabels_ref,
        shares=_shares(choices, targets),
        notes=(*notes, *_short_of(count, there=len(table), picked=len(chosen))),
    )
    keep_selection(root, selection)
    return selection


def choose_after(desk: Desk, number: int) -> None:
    """Select from the configured pool once a round; where that is not possible, people are told, and no more.

    No known failure is worth the report of a round that is decided: the next run tries again, and what else is broken
    stops the step that needs it.
    """
    source = desk.config.select.pool
    if source is None or any(each.round == number and each.pool == source for each in selections_of(desk.ledger.root)):
        return
    try:
        chosen = choose_photos(desk, desk.read_pool(source), pool=source, count=desk.config.select.photos)
    except CurateError as error:
        desk.warn(f"no photos were selected for labelling: {error.message}; {error.hint}")
    else:
        count, again = sum(chosen.shares.values()), f"curate select --selection {chosen.number} --to DIR"
        desk.warn(f"photos of {source} to label next: {count}; {again}")


def sought_in(found: Findings, actions: Sequence[Action]) -> tuple[Finding | Shortage, ...]:
    """Give the findings and shortages that are acted on, by pictures or by labels."""
    acted = {action.finding_id for action in actions if action.action in ("generate", "label")}
    everything: list[Finding | Shortage] = [*found.findings, *found.shortages]
    return tuple(each for each in everything if each.finding_id in acted)


def _left(
    found: Unlabelled, root: Path, earlier: Sequence[Selection], pool: str
) -> tuple[list[FoundPhoto], dict[str, int]]:
    """Give the photos that may be selected, and how many may not, by why."""
    picks = [pick for each in earlier for pick in picks_of(root, each)]
    photos, excluded = exclude(
        found.photos,
        placed=placed(root, imports_of(root)),
        before={pick.photo_id for pick in picks},
        drawn={pick.photo_id for pick in picks if pick.kind == "random"},
    )
    if not photos:
        why = ", ".join(f"{number} {reason}" for reason, number in excluded.items())
        raise DataError(f"{pool} holds nothing to label: {why}", hint="name another --pool, or add photos to it")
    return photos, excluded


def _standing(desk: Desk) -> Standing:
    """Give the last round that was analysed, and the champion of now."""
    folder = next((each for each in reversed(desk.ledger.rounds()) if each.finished("brief")), None)
    if folder is None:
        raise UsageError("nothing is known of the champion's weaknesses yet", hint="analyse first: curate analyze")
    images, evaluation = folder.read("freeze", ImageSet), folder.read("evaluate", Evaluation)
    measured, found, briefs = folder.read("measure", Measured), findings_of(folder), folder.read("brief", Briefs)
    judged = folder.read("champion", ModelVersion)
    assert images is not None
    assert evaluation is not None
    assert measured is not None
    assert found is not None
    assert briefs is not None
    assert judged is not None
    model_id = base_of(desk.ledger) if folder.finished("decide") else None
    return Standing(
        studied=Studied(Frozen(images, folder), evaluation, measured, desk.config.analyze.expected_columns),
        sought=sought_in(found, briefs.actions),
        champion=desk.registry.get(model_id) if model_id else judged,
        judged=judged,
    )


def _servable(standing: Standing, columns: Collection[str]) -> tuple[list[Finding | Shortage], list[str]]:
    """Give the findings that predicted objects can match, and a sentence for each of the others."""
    servable, notes = [], []
    for each in standing.sought:
        unknown = [one.column for one in each.conditions if one.column not in columns]
        if each.label and each.label not in standing.champion.classes:
            notes.append(f"{each.words}: the champion does not know the class {each.label}")
        elif unknown:
            notes.append(f"{each.words}: unlabelled photos do not say their {', '.join(unknown)}")
        else:
            servable.append(each)
    return servable, notes


def _matcher(
    desk: Desk, standing: Standing, known: Known, conditions: Sequence[Sequence[Condition]]
) -> Callable[[ImageTable, BoxTable], Floats]:
    """Give what counts predicted objects of findings' slices; pixels are read only where a finding needs them."""
    columns = {condition.column for each in conditions for condition in each}

    def match(images: ImageTable, boxes: BoxTable) -> Floats:
        boxes = boxes.take(boxes.score >= MIN_SCORE)
        looks = desk.look_at(images, boxes) if columns & LOOK_COLUMNS and len(boxes) else None
        crops = desk.embed(standing.judged, images, boxes) if CLUSTERS in columns and len(boxes) else None
        coded = known.code(images, boxes, looks, crops) if conditions else []
        return expected_objects(conditions, coded, boxes, image_count=len(images))

    return match


def _question(desk: Desk, standing: Standing, conditions: Sequence[Sequence[Condition]]) -> dict[str, Any]:
    """Give what the answers about a photo hang on, as `scout` and `prelabels_of` take it."""
    studied, wanted = standing.studied, [[condition.plain() for condition in each] for each in conditions]
    known_by = [studied.frozen.image_set.fingerprint(), studied.measured.fingerprint(), sorted(studied.wanted)]
    return {
        "model": standing.champion,
        "classes": studied.frozen.image_set.classes,
        "min_score": desk.config.evaluate.min_score,
        "key": digest_of([*known_by, standing.judged.model_id, wanted, desk.sight.plain()]),
    }


def _chosen(photos: Sequence[FoundPhoto], table: PoolTable, choices: Sequence[Choice]) -> list[FoundPhoto]:
    by_id = {photo.photo_id: photo for photo in photos}
    return [by_id[str(table.id[choice.row])] for choice in choices]


def _short_of(asked: int, *, there: int, picked: int) -> list[str]:
    if picked == asked:
        return []
    copies = "the others are copies of photos drawn at random"  # all that `select` ever leaves
    why = f"; {picked} were picked: {copies}" if picked < there else ""
    return [f"{asked} photos were asked for, the pool has {there} to label{why}"]


def _table_of(photos: Sequence[FoundPhoto]) -> ImageTable:
    """Give photos of a pool as a table, where the workspace keeps them; they have no split."""
    return ImageTable(
        id=np.array([photo.photo_id for photo in photos], "<U24"),
        path=np.array([photo_path(photo) for photo in photos], np.str_),
        width_px=np.array([photo.width_px for photo in photos], np.int64),
        height_px=np.array([photo.height_px for photo in photos], np.int64),
        split=np.full(len(photos), "", "<U5"),
    )


def _pick(table: PoolTable, choice: Choice, photo: FoundPhoto) -> Pick:
    return Pick(
        photo_id=photo.photo_id,
        path=photo_path(photo),
        name=printable(str(table.name[choice.row]), 300),
        kind=choice.kind,
        finding_id=choice.finding_id,
        reason=choice.reason,
    )


def _shares(choices: Sequence[Choice], targets: Sequence[Target]) -> dict[str, int]:
    words = {target.finding_id: target.words for target in targets}
    return dict(Counter(words[each.finding_id] if each.finding_id else each.kind for each in choices))
