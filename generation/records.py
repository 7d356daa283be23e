"""What generation writes down: what is wanted, what was asked for, what came back, and what it was judged to be."""

from typing import Annotated, Literal, TypeVar

from pydantic import Field, TypeAdapter

from training.files import digest_of
from training.records import Record

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2 as fractions 0–1 of the picture."""
SizeBin = Literal["small", "medium", "large"]
Backend = Literal["paste", "gligen", "gligen-inpaint"]
DrawBackend = Literal["gligen", "gligen-inpaint"]
Verified = Literal["by construction", "judged", "unverified"]
"""Why a picture's labels may be believed: the object was pasted there, a judge saw it there, or not at all."""


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
    backend: Backend | None = None
    """What makes the pictures; None for a brief to label."""
    wanted: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Values of the vocabulary that the pictures are limited to, as in `DrawRequest.attributes`."""
    phrases: tuple[str, ...] = ()
    """Noun phrases for the object, of whoever proposed the finding; empty for those of the vocabulary."""
    scene_words: tuple[str, ...] = ()
    """What the scene may be like, of the same; one of them is said beside what the vocabulary varies."""


class PasteObject(Record):
    """One object to be pasted: which cut-out, where, and how it is changed."""

    label: str
    source_id: str
    """Id of the train label that the cut-out was made from."""
    xyxy: Corners
    """Where the label's box goes after turning, before anything covers it; the soft edge reaches a little beyond."""
    spare: tuple[Corners, ...] = ()
    """Other places of the same size: the painter takes that one of all whose ground is most like the source's."""
    angle_deg: float
    flip: bool
    gain: float = Field(gt=0)
    """Factor on brightness."""
    tint: tuple[float, float, float]
    """Factors on blue, green and red."""


class PasteRequest(Record):
    """One picture to be pasted. `request_id` is the digest of all the rest, so equal wishes have equal ids."""

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


class DrawObject(Record):
    """One object that a generator is to draw: what, and where."""

    label: str
    phrase: str = Field(min_length=1)
    """Short noun phrase: `a yellow hard hat`."""
    xyxy: Corners


class DrawRequest(Record):
    """One picture to be drawn by a generator. `request_id` is the digest of all the rest."""

    request_id: str
    brief_id: str = ""
    finding_id: str = ""
    backend: DrawBackend
    """`gligen` draws the whole picture, `gligen-inpaint` paints `objects` into the photo `background_id`."""
    generator: str = ""
    """What draws: digest of the weights' name and of all settings that decide a picture."""
    seed: int = Field(ge=0, lt=2**63)
    prompt: str = Field(min_length=1)
    """Names every object, then the scene."""
    negative_prompt: str = ""
    background_id: str = ""
    """Id of the train photo that is painted into, or whose layout was varied; empty where there was none."""
    labels_digest: str = ""
    """Digest of that photo's labels, empty where there was none: an edited label is a new request."""
    objects: tuple[DrawObject, ...]
    bare: tuple[Corners, ...] = ()
    """Parts of the photo that are painted anew without an object, so that a seam is no sign of one."""
    attributes: dict[str, str] = Field(default_factory=dict)
    """What was planned for the picture: `{"light": "dusk", "vest.colour": "orange"}`."""


Request = TypeVar("Request", PasteRequest, DrawRequest)


def identified(request: Request) -> Request:
    """Give a request with the digest of all the rest as its id."""
    rest = request.model_dump(mode="json", exclude={"request_id"})
    return request.model_copy(update={"request_id": digest_of(rest)})


GenerationRequest = PasteRequest | DrawRequest
GENERATION_REQUEST: TypeAdapter[GenerationRequest] = TypeAdapter(
    Annotated[PasteRequest | DrawRequest, Field(discriminator="backend")]
)


ObjectVerdict = Literal["found", "moved", "missing", "wrong class", "unjudged"]


class ObjectCheck(Record):
    """What the judge says of one requested object; `unjudged` where it cannot see the class."""

    label: str
    xyxy: Corners
    """Where it was requested."""
    verdict: ObjectVerdict
    score: float | None
    """The judge's, of what it saw there; None where it saw nothing."""
    seen: Corners | None
    """Where the judge sees it."""
    seen_label: str
    """What the judge sees there; empty where nothing."""


class PictureLabel(Record):
    """One labelled object of a synthetic picture.

    The box is the visible extent, with the air that people left around the object when they labelled it in its photo.
    """

    label: str
    xyxy: Corners
    visible_share: float = Field(ge=0, le=1)
    """Share of the pasted object's pixels that nothing covers; 1 for all others."""
    source_id: str
    """Id of the train label that it shows; empty for an object that was drawn."""
    added: bool
    """It was put there, and is no object of the background photo."""
    score: float | None = None
    """The judge's; None where nothing was judged."""


class SyntheticImage(Record):
    """A finished picture with its labels and where all of it came from."""

    request_id: str
    brief_id: str
    finding_id: str
    backend: Backend
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
    verified: Verified = "by construction"
    checks: tuple[ObjectCheck, ...] = ()
    """One a requested object that was drawn, where a judge looked."""
    repairs: tuple[str, ...] = ()
    """What was done about what the judge saw, in words."""
    attempts: int = Field(1, ge=1)
    """Seeds that were tried, the one that gave the picture included."""


class Failure(Record):
    """A request that gave no picture, and why."""

    request_id: str
    reason: str
    refused: bool = False
    """It was painted, and the judge did not find in it what was asked for."""


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
    """Smallest visible share of each added object."""
    min_side_px: float = Field(8, ge=1)
    """Smallest shorter side of each added object's box, in pixels of the picture."""
    max_look_bits: int = Field(2, ge=0, le=64)
    """Pictures with objects in like places are near-duplicates when at most so many bits of 64-bit hashes differ."""
