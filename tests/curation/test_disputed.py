import numpy as np
import pytest

from curation.disputed import count_disputed, holds_missed, tables_of
from curation.records import Disputed
from generation.records import PictureLabel, SyntheticImage
from training.boxes import BoxTable

CLASSES = ("cone", "hat")
LEFT, RIGHT = (0.1, 0.1, 0.4, 0.4), (0.6, 0.6, 0.9, 0.9)


def picture(name: str, *labels: tuple[str, tuple[float, ...], bool]) -> SyntheticImage:
    return SyntheticImage(
        request_id=name, brief_id="b", finding_id="f", backend="gligen", digest="d", path=f"pictures/{name}.jpg",
        width_px=64, height_px=64, source_ids=(), look="0" * 16, verified="judged",
        labels=tuple(
            PictureLabel.model_validate(
                {"label": label, "xyxy": box, "visible_share": 1, "source_id": "", "added": added}
            )
            for label, box, added in labels
        ),
    )  # fmt: skip


def boxes(*found: tuple[int, int, tuple[float, ...], float]) -> BoxTable:
    return BoxTable(
        id=np.array([f"{row:024d}" for row in range(len(found))], "<U24"),
        image=np.array([image for image, *_ in found], np.int64),
        label=np.array([label for _, label, *_ in found], np.int64),
        xyxy=np.array([box for *_, box, _ in found], np.float64).reshape(-1, 4),
        score=np.array([score for *_, score in found], np.float64),
    )


PICTURES = [
    picture("a", ("cone", LEFT, True), ("hat", RIGHT, True)),
    picture("b", ("cone", LEFT, True), ("hat", RIGHT, False)),
]
FOUND_ALL = [(0, 0, LEFT, 0.9), (0, 1, RIGHT, 0.9), (1, 0, LEFT, 0.9)]
PREDICTIONS = {
    "all are found": (FOUND_ALL, [False, False]),
    "nothing is found": ([], [True, True]),
    "one of two is not": (FOUND_ALL[1:], [True, False]),
    "found with too low a score": ([*FOUND_ALL[:2], (1, 0, LEFT, 0.2)], [False, True]),
    "found as another class": ([*FOUND_ALL[:2], (1, 1, LEFT, 0.9)], [False, True]),
    "found beside it": ([*FOUND_ALL[:2], (1, 0, RIGHT, 0.9)], [False, True]),
}


@pytest.mark.parametrize("name", PREDICTIONS)
def test_a_picture_is_disputed_where_an_added_object_is_not_found(name: str) -> None:
    found, disputed = PREDICTIONS[name]
    images, labels = tables_of(PICTURES, CLASSES)
    assert images.id.tolist() == ["a", "b"]
    assert holds_missed(labels, boxes(*found), image_count=2, min_score=0.25).tolist() == disputed


def test_people_decide_how_right_the_judge_is() -> None:
    decided = {"a": True, "b": False, "d": True, "elsewhere": True}
    assert count_disputed(("a", "b", "c", "d"), decided) == Disputed(pictures=4, reviewed=3, right=2)
