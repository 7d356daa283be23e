"""What generation writes down: what is wanted, what was asked for, what came back, and what it was judged to be."""

from typing import Literal

from pydantic import Field

from training.records import Record

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2 as fractions 0–1 of the picture."""
SizeBin = Literal["small", "medium", "large"]


class Brief(Record):
    """What is missing, in terms that a generator understands, and how much of it."""

    brief_id: str
    finding_id: str
    """Where the wish came from; generation only carries it along."""
    action: Literal["generate", "label"]
    label: str
    """Class of the wanted objects."""
    size: SizeBin | None
    """COCO size of the wanted objects, None for any."""
    pictures: int = Field(ge=0)
    reason: str
    """Why this action and this number, in words."""
    background_ids: tuple[str, ...] = ()
    """Ids of the train photos that may be painted on, where what is missing is a kind of photo; empty for any."""
    source_ids: tuple[str, ...] = ()
    """Ids of the train labels of the class that may be shown, where it is a look; empty for any."""


class PasteObject(Record):
    """One object to be pasted: which cut-out, where, and how it is changed."""

    label: str
    source_id: str
    """Id of the train label that the cut-out was made from."""
    xyxy: Corners
    """Where the label's box goes after turning, before anything covers it; the soft edge reaches a little beyond."""
    angle_deg: float
    flip: bool
    gain: float = Field(gt=0)
    """Factor on brightness."""
    tint: tuple[float, float, float]
    """Factors on blue, green and red."""


class GenerationRequest(Record):
    """One picture to be made. `request_id` is the digest of all the rest, so equal wishes have equal ids."""

    request_id: str
    brief_id: str
    finding_id: str
    backend: Literal["paste"]
    seed: int = Field(ge=0)
    background_id: str
    """Id of the train photo that is painted on."""
    labels_digest: str
    """Digest of the labels of that photo and of those that objects are cut from: an edited label is a new request."""
    objects: tuple[PasteObject, ...] = Field(min_length=1)


class PictureLabel(Record):
    """One labelled object of a synthetic picture.

    The box is the visible extent, with the air that people left around the object when they labelled it in its photo.
    """

    label: str
    xyxy: Corners
    visible_share: float = Field(ge=0, le=1)
    """Share of the pasted object's pixels that nothing covers; 1 for objects of the background photo."""
    source_id: str
    """Id of the train label that it shows."""
    pasted: bool


class SyntheticImage(Record):
    """A finished picture with its labels and where all of it came from."""

    request_id: str
    brief_id: str
    finding_id: str
    backend: Literal["paste"]
    digest: str
    """Digest of the file's bytes."""
    path: str
    """Relative to the workspace."""
    width_px: int
    height_px: int
    labels: tuple[PictureLabel, ...]
    source_ids: tuple[str, ...]
    """Ids of all train photos that it was made from, sorted."""
    look: str
    """64-bit difference hash of the pixels, 16 hex digits."""


class Failure(Record):
    """A request that gave no picture, and why."""

    request_id: str
    reason: str


class Verdict(Record):
    """What was decided about a picture, by whom, and why."""

    request_id: str
    accepted: bool
    reason: str
    """Empty for an accepted picture."""
    reviewer: str
    """`rule`, or the name of a person."""


class ReviewSettings(Record):
    """The rule by which `curate review --auto` decides."""

    min_visible_share: float = Field(0.6, ge=0, le=1)
    """Smallest visible share of each pasted object."""
    min_side_px: float = Field(8, ge=1)
    """Smallest shorter side of each pasted object's box, in pixels of the picture."""
    max_look_bits: int = Field(2, ge=0, le=64)
    """Pictures with objects in like places are near-duplicates when at most so many bits of 64-bit hashes differ."""
