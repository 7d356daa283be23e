"""What may be looked at: never test, never the other half, and nothing of a hidden class."""

import numpy as np
import pytest

from curation.material import SHEETS, Material
from tests.curation.small_val import images, labels, material
from training.errors import ConfigError


def rows_of(made: Material, group: str) -> np.ndarray:
    return np.concatenate([rows for name, rows in made.evidence(seed=0) if name == group])


def test_each_object_of_the_error_table_is_its_own_label() -> None:
    made = material()
    assert made.labels.id[made.val_rows].tolist() == made.table.id.tolist()


def test_evidence_is_of_the_discover_half_and_of_train_alone() -> None:
    made = material()
    discover = set(made.table.id[made.discover].tolist())
    found = dict(zip(made.table.id.tolist(), made.table.found.tolist(), strict=True))
    for group, is_found in (("missed", False), ("found", True)):
        ids = made.labels.id[rows_of(made, group)].tolist()
        assert ids
        assert set(ids) <= discover
        assert {found[label_id] for label_id in ids} == {is_found}
    train = made.images.split[made.labels.image[rows_of(made, "train")]]
    assert set(train.tolist()) == {"train"}


def test_no_crop_is_shown_twice_and_no_sheet_is_too_full() -> None:
    sheets = material().evidence(seed=0)
    rows = np.concatenate([rows for _, rows in sheets])
    assert len(set(rows.tolist())) == len(rows)
    assert all(1 <= len(rows) <= 16 for _, rows in sheets)
    assert [group for group, _ in sheets][:3] == list(SHEETS[:3]), "half of the sheets shows all groups"


def test_sheets_that_would_be_empty_are_left_out() -> None:
    made = material()
    all_found = made.table.take(np.arange(len(made.table)))
    object.__setattr__(all_found, "found", np.ones(len(all_found), bool))
    groups = {group for group, _ in material(table=all_found).evidence(seed=0)}
    assert groups == {"found", "train"}


def test_crops_to_be_tagged_are_of_the_other_half_and_of_the_class() -> None:
    made = material()
    rows = made.unseen(name="state", label="person", max_count=1000, seed=0)
    confirm = made.table.id[~made.discover & (made.table.label == 1)]
    assert sorted(made.labels.id[rows].tolist()) == sorted(confirm.tolist())
    assert len(made.unseen(name="state", label=None, max_count=1000, seed=0)) == (~made.discover).sum()


def test_the_choice_of_crops_does_not_look_at_what_was_found() -> None:
    made = material()
    flipped = made.table.take(np.arange(len(made.table)))
    object.__setattr__(flipped, "found", ~made.table.found)
    shuffled = np.random.default_rng(0).permutation(len(made.table))
    for other in (material(table=flipped), material(table=made.table.take(shuffled), discover=made.discover[shuffled])):
        assert (
            made.unseen(name="state", label=None, max_count=20, seed=3).tolist()
            == other.unseen(name="state", label=None, max_count=20, seed=3).tolist()
        )


def test_another_attribute_or_seed_takes_other_crops_and_the_same_takes_the_same() -> None:
    def chosen(name: str, seed: int) -> list[int]:
        return list(material().unseen(name=name, label=None, max_count=20, seed=seed).tolist())

    assert chosen("state", 0) == chosen("state", 0)
    assert chosen("state", 0) != chosen("pose", 0)
    assert chosen("state", 0) != chosen("state", 1)


def test_hidden_are_labels_and_predictions_of_the_class_on_the_photo() -> None:
    predictions = labels().take(np.array([30, 32]))
    made = material(blur_classes=("person",), predictions=predictions)  # of photo 10: a cone and a person
    assert len(made.hidden_on(10)) == 2
    assert len(made.hidden_on(11)) == 1
    assert len(material().hidden_on(10)) == 0
    assert len(material(blur_classes=("person", "cone")).hidden_on(10)) == 3


def test_a_class_to_hide_that_does_not_exist_is_refused_not_ignored() -> None:
    with pytest.raises(ConfigError, match="'persn'") as refused:
        material(blur_classes=("persn",))
    assert refused.value.hint == "did you mean 'person'?"


@pytest.mark.parametrize("split", ["test", "train"])
def test_an_object_that_is_not_of_val_is_refused(split: str) -> None:
    table = images()
    table.split[table.rows_of("val")[0]] = split
    with pytest.raises(ValueError, match="of val alone"):
        material(images=table)


def test_halves_that_share_a_photo_are_refused() -> None:
    discover = material().discover.copy()
    discover[0] = ~discover[0]
    with pytest.raises(ValueError, match="one half"):
        material(discover=discover)
