import numpy as np
import pytest

from curation.diagnose import Column, ErrorTable
from curation.records import Condition
from curation.serving import Means, means_for

CLASSES = ("cone", "hat")
COLUMNS = {
    # name: values, source, codes of twelve objects on six photos
    "class": (CLASSES, "label", [0, 1] * 6),
    "size": (("small", "large"), "label", [0] * 12),
    "light": (("dark", "bright"), "photo", [0] * 6 + [1] * 4 + [-1] * 2),
    "camera": (("gate", "yard"), "field", [0] * 2 + [1] * 10),
    "colour": (("red", "blue"), "object", [0] * 6 + [1] * 2 + [0] * 4),
    "position": (("left", "right"), "object", [0] * 12),
    "crop cluster": (("cluster 1",), "cluster", [0] * 12),
}  # fmt: skip


def train() -> ErrorTable:
    columns = tuple(
        Column(name, values, np.array(codes, np.int16), source)  # type: ignore[arg-type]
        for name, (values, source, codes) in COLUMNS.items()
    )
    ids = np.array([f"label {row:02d}" for row in range(12)])
    return ErrorTable(ids, np.repeat(np.arange(6), 2), np.array([0, 1] * 6), np.zeros(12, bool), columns)


def means(label: str = "cone", **wanted: str) -> Means | str:
    photo_ids = np.repeat([f"photo {row}" for row in range(6)], 2)
    conditions = [Condition(column=column.replace("_", " "), value=value) for column, value in wanted.items()]
    return means_for(conditions, label, train=train(), photo_ids=photo_ids)


SERVED: dict[str, tuple[dict[str, str], Means]] = {
    "class and size are said by the brief": ({"class": "cone", "size": "small"}, Means()),
    "light is a kind of photo": ({"light": "dark"}, Means(background_ids=("photo 0", "photo 1", "photo 2"))),
    "colour is a look": (
        {"class": "cone", "colour": "red"},
        Means(source_ids=("label 00", "label 02", "label 04", "label 08", "label 10")),
    ),
    "both": (
        {"light": "dark", "colour": "red"},
        Means(
            background_ids=("photo 0", "photo 1", "photo 2"),
            source_ids=("label 00", "label 02", "label 04", "label 08", "label 10"),
        ),
    ),
}


@pytest.mark.parametrize("name", SERVED)
def test_what_pasting_can_vary_becomes_photos_and_objects_to_use(name: str) -> None:
    wanted, served = SERVED[name]
    assert means(**wanted) == served


LEFT_TO_PEOPLE = {
    "a place": ({"position": "left"}, "pasting cannot vary position: left"),
    "an attribute, which train has no column for": ({"dirt": "muddy"}, "pasting cannot vary dirt: muddy"),
    "a cluster": ({"crop_cluster": "cluster 1"}, "pasting cannot vary crop cluster: cluster 1"),
    "too few photos": ({"camera": "gate"}, "train has 1 photos with camera: gate, and 3 are needed to paint on"),
    "too few objects": ({"colour": "blue"}, "train has 1 of cone with colour: blue, and 3 are needed to cut out"),
}


@pytest.mark.parametrize("name", LEFT_TO_PEOPLE)
def test_what_pasting_cannot_vary_is_said(name: str) -> None:
    wanted, reason = LEFT_TO_PEOPLE[name]
    assert means(**wanted) == reason
