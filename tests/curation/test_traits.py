"""Columns of the objects that were added to pictures."""

import numpy as np
import pytest

from curation.precision import added_classes
from curation.traits import FEATURES, added_objects, features_of
from tests.curation.small_pictures import label, picture


def test_only_added_objects_are_read_by_picture() -> None:
    pictures = [
        picture("a", label("hat", score=0.3), label("vest", added=False), label("cone", visible_share=0.5)),
        picture("b", label("vest", added=False)),
        picture("c", label(xyxy=(0, 0, 0.5, 0.25)), height_px=320),
    ]
    added = added_objects(pictures)
    assert added.picture.tolist() == [0, 0, 2]
    assert added.label.tolist() == ["hat", "cone", "cone"]
    assert added.side_px.tolist() == pytest.approx([64, 64, 80])
    assert added.visible_share.tolist() == [1, 0.5, 1]
    assert np.isnan(added.score).tolist() == [False, True, True]
    assert added.of("cone").picture.tolist() == [0, 2]
    assert added_classes(pictures[0]) == ("cone", "hat")
    assert added_classes(pictures[1]) == ()


def test_the_lowest_and_highest_of_a_picture_leave_out_what_is_unknown() -> None:
    pictures = [
        picture("a", label(score=0.4), label(), label(score=0.6)),
        picture("b"),
        picture("c", label(added=False)),
    ]
    added = added_objects(pictures)
    assert np.nan_to_num(added.lowest(added.score, 3), nan=-1).tolist() == [0.4, -1, -1]
    assert np.nan_to_num(added.highest(added.score, 3), nan=-1).tolist() == [0.6, -1, -1]


def test_features_are_of_the_objects_of_one_class() -> None:
    both = picture("a", label(score=0.7), label(score=0.5, visible_share=0.8), label("hat", score=0.1), backend="paste")
    drawn = picture("b", label(), label("hat", xyxy=(0, 0, 0.01, 0.01), score=0.1), label("vest", added=False))
    rows = [dict(zip(FEATURES, row, strict=True)) for row in features_of([both, drawn], "cone").tolist()]
    assert rows[0] == pytest.approx(
        {"lowest score": 0.5, "judged": 1, "lowest visible share": 0.8, "log2 of shortest side": 6,
         "log2 of objects": np.log2(3), "paste": 1, "gligen": 0, "gligen-inpaint": 0}
    )  # fmt: skip
    assert np.isnan(rows[1]["lowest score"])
    assert (rows[1]["judged"], rows[1]["log2 of shortest side"], rows[1]["gligen"]) == pytest.approx((0, 6, 1))
    assert features_of([], "cone").shape == (0, len(FEATURES))


OUTSIDE = {
    "to the left": (-0.01, 0.1, 0.2, 0.2),
    "below": (0.1, 0.1, 0.2, 1.01),
    "no width": (0.1, 0.1, 0.1, 0.2),
    "upside down": (0.1, 0.3, 0.2, 0.2),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_box_beyond_the_picture_or_without_extent_is_not_inside(name: str) -> None:
    added = added_objects([picture("a", label(xyxy=OUTSIDE[name])), picture("b", label(xyxy=(0, 0, 1, 1)))])
    assert added.inside.tolist() == [False, True]
    assert (added.side_px > 0).all()


def test_no_pictures_have_no_objects() -> None:
    assert len(added_objects([]).picture) == 0
