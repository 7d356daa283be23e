"""A small dataset for the analyst's tests: grey photos with coloured objects, and a reader that remembers."""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.analyst import Lens
from curation.diagnose import Column, ErrorTable
from curation.evidence import Pixels
from curation.material import Material
from training.boxes import BoxTable, ImageTable

CLASSES = ("cone", "person")
SPLITS = ["train"] * 8 + ["val"] * 40 + ["test"] * 4
WIDTH_PX, HEIGHT_PX = 120, 100
PER_PHOTO = 3
CANARY = "canary-name"


@dataclass
class Photos:
    """Draws the photo of a row: grey, with noise where the labels are; remembers which rows were read."""

    labels: BoxTable
    read: list[int] = field(default_factory=list)

    def __call__(self, row: int) -> Pixels:
        self.read.append(row)
        photo = np.full((HEIGHT_PX, WIDTH_PX, 3), 128, np.uint8)
        for number in np.flatnonzero(self.labels.image == row):
            x1, y1, x2, y2 = (self.labels.xyxy[number] * ([WIDTH_PX, HEIGHT_PX] * 2)).astype(int)
            noise = np.random.default_rng(int(number)).integers(0, 2, (y2 - y1, x2 - x1, 3))
            photo[y1:y2, x1:x2] = noise * 255
        return photo


def images() -> ImageTable:
    count = len(SPLITS)
    return ImageTable(
        id=np.array([f"photo{row}" for row in range(count)]),
        path=np.array([f"data/{CANARY}-{row}.jpg" for row in range(count)]),
        width_px=np.full(count, WIDTH_PX),
        height_px=np.full(count, HEIGHT_PX),
        split=np.array(SPLITS),
    )


def labels() -> BoxTable:
    """Three objects a photo: two cones and a person, side by side."""
    count = len(SPLITS) * PER_PHOTO
    place = np.arange(count) % PER_PHOTO
    left = 0.08 + 0.3 * place
    return BoxTable(
        id=np.array([f"label{row:03d}" for row in range(count)]),
        image=np.arange(count) // PER_PHOTO,
        label=(place == PER_PHOTO - 1).astype(np.int64),
        xyxy=np.stack([left, np.full(count, 0.3), left + 0.2, np.full(count, 0.7)], axis=1),
        score=np.ones(count),
    )


def material(*, light: tuple[str, str] = ("day", "night"), **changes: object) -> Material:
    """Val in two halves by photo; at night, two of three objects are missed."""
    boxes, table = labels(), images()
    val = np.flatnonzero(table.split[boxes.image] == "val")[::-1]  # not in the order of the labels
    photo, label = boxes.image[val], boxes.label[val]
    codes = (photo % 4 >= 2).astype(np.int16)
    columns = (
        Column("class", CLASSES, label.astype(np.int16), "label"),
        Column("size", ("small", "medium", "large"), np.ones(len(val), np.int16), "label"),
        Column("light", light, codes, "field"),
    )
    found = (codes == 0) | (val % PER_PHOTO == 0)
    errors = ErrorTable(id=boxes.id[val], photo=photo, label=label, found=found, columns=columns)
    made = Material(classes=CLASSES, table=errors, discover=photo % 2 == 0, images=table, labels=boxes)
    return replace(made, **changes)  # type: ignore[arg-type]


def lens(made: Material | None = None) -> Lens:
    made = made or material()
    return Lens(made, Photos(made.labels), jpeg)


def jpeg(pixels: Pixels) -> bytes:
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1])


def decoded(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)
