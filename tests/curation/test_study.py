"""What a study says of suspects, kinds and clusters is what its tables hold."""

from dataclasses import replace

import numpy as np

from curation.appearance import Looks
from curation.halves import halves
from curation.records import Condition, Finding, Findings
from curation.study import Detected, Embedded, Study, missed_marks, to_embed
from tests.curation.simulated import CLASSES
from tests.curation.test_findings import find
from training.boxes import BoxTable, ImageTable
from training.files import digest_of
from training.matching import error_kinds, match
from training.records import ERROR_KINDS

PHOTOS, EACH = 80, 4


def images() -> ImageTable:
    split = np.where(np.arange(PHOTOS) < PHOTOS // 2, "train", "val")
    id_ = np.array([digest_of(["photo", number]) for number in range(PHOTOS)])
    size = np.full(PHOTOS, 640)
    return ImageTable(id=id_, path=id_, width_px=size, height_px=size, split=split)


def labels_of(photos: np.ndarray, *, prefix: str, score: float = 1.0) -> BoxTable:
    """Give objects side by side, the classes taking turns."""
    image, place = np.repeat(photos, EACH), np.tile(np.arange(EACH), len(photos))
    left = 0.02 + 0.24 * place
    return BoxTable(
        id=np.array([f"{prefix}{row:023x}" for row in image * EACH + place]),
        image=image,
        label=place % len(CLASSES),
        xyxy=np.stack([left, np.full(len(image), 0.2), left + 0.2, np.full(len(image), 0.5)], axis=1),
        score=np.full(len(image), score),
    )


def detected(photos: np.ndarray, *, twin: bool = False) -> Detected:
    """Find all but every fifth object; with a `twin`, the first object of the first photo is labelled twice."""
    labels = labels_of(photos, prefix="a")
    predictions = labels_of(photos, prefix="b", score=0.8)
    predictions = predictions.take(np.arange(len(labels)) % 5 > 0)
    if twin:
        rows = np.r_[0, np.arange(len(labels))]
        labels = labels.take(rows)
        labels = replace(labels, id=np.concatenate([["a" + "f" * 23], labels.id[1:]]))
    matches = match(predictions, labels)
    return Detected(labels, predictions, matches, error_kinds(predictions, labels, matches, min_score=0.25))


def study(*, sampled: np.ndarray | None = None, vectors: np.ndarray | None = None, twin: bool = False) -> Study:
    """Give a study of all objects, each embedded."""
    made, halfway = images(), PHOTOS // 2
    train, val = detected(np.arange(halfway), twin=twin), detected(np.arange(halfway, PHOTOS))
    labels = BoxTable(
        *(np.concatenate([vars(side.labels)[name] for side in (train, val)]) for name in vars(val.labels))
    )
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(labels), 8)).astype(np.float32)
    embedded = Embedded(
        row=np.arange(len(labels)),
        sampled=np.ones(len(labels), bool) if sampled is None else sampled,
        vector=noise if vectors is None else vectors,
    )
    names = [name for name in Looks.__dataclass_fields__ if name != "colour"]
    looks = Looks(colour=np.zeros(len(labels), int), **{name: rng.random(len(labels)) for name in names})
    return Study(CLASSES, made, labels, looks, {}, embedded, train, val)


def test_all_that_is_missed_on_val_is_embedded_and_counts_only_where_it_was_drawn() -> None:
    made = study()
    missed = made.val.labels.id[~made.val.errors.label_found]
    rows, sampled = to_embed(made.labels, made.images, missed, np.random.default_rng(0))
    assert rows.tolist() == list(range(len(made.labels)))
    assert sampled.all()


def test_objects_beside_the_sample_have_no_cluster() -> None:
    fair = np.arange(PHOTOS * EACH) % 3 > 0
    look = study(sampled=fair).objects.column("look")
    assert ((look.codes >= 0) == fair).all()


def test_clusters_are_made_from_errors_beside_the_sample_but_not_from_those_of_the_confirm_half() -> None:
    photo = np.repeat(np.arange(PHOTOS), EACH)
    discover = halves(images().id).discover[photo]
    vectors = np.random.default_rng(1).normal(size=(len(photo), 8)).astype(np.float32)
    for half, matters in ((~discover, False), (discover, True)):
        beside = half & (photo >= PHOTOS // 2) & (np.arange(len(photo)) % 4 == 0)
        moved = np.where(beside[:, None], np.float32(9), vectors)
        columns = [study(sampled=~beside, vectors=each).objects.column("look") for each in (vectors, moved)]
        differ = columns[0].values != columns[1].values or (columns[0].codes != columns[1].codes).any()
        assert differ == matters


def test_kinds_of_error_come_overall_and_then_by_class_by_what_mending_them_gains() -> None:
    told = study().kind_gains
    assert [each.label is None for each in told] == sorted((each.label is None for each in told), reverse=True)
    assert {each.kind for each in told if each.label is None} == set(ERROR_KINDS)
    for labelled in (False, True):
        gains = [each.ap_gain for each in told if (each.label is not None) is labelled]
        assert gains == sorted(gains, reverse=True)
    missed = {each.label: each.count for each in told if each.kind == "missed"}
    assert missed.pop(None) == sum(missed.values()) == PHOTOS // 2 * EACH // 5


def test_suspects_of_both_splits_are_one_table_with_their_counts_and_photos() -> None:
    made = study(twin=True)
    assert made.suspect_counts["train"]["duplicate label"] == 1
    assert len(made.all_suspects) == sum(sum(kinds.values()) for kinds in made.suspect_counts.values())
    assert str(made.images.id[0]) in made.suspected_photo_ids
    assert len(set(made.suspected_photo_ids)) == len(made.suspected_photo_ids)


def test_a_missed_object_is_marked_with_every_finding_that_it_belongs_to() -> None:
    made = study()
    found: Findings = find(made.tested, photo_ids=made.images.id)
    cone: Finding = next(
        each for each in found.findings if each.conditions == (Condition(column="class", value="cone"),)
    )
    marks = missed_marks(made.tested, found.findings)
    assert set(marks) <= set(made.tested.id[~made.tested.found].tolist())
    marked = {label_id for label_id, ids in marks.items() if cone.finding_id in ids}
    assert len(marked) == sum(cone.missed.values())


def test_what_people_kept_is_suspected_no_more_and_rests_in_the_tests_again() -> None:
    made = study(twin=True)
    (row,) = made.suspects["train"].rows_of("duplicate label")
    kept_id = str(made.train.labels.id[row])
    after = replace(made, kept_ids=[kept_id, "f" * 24])
    assert len(after.all_suspects) == len(made.all_suspects) - 1
    assert kept_id not in after.all_suspects.id
    assert len(after.learned) == len(made.learned) + 1
