"""What is to be painted and where: layouts, the rules that a GLIGEN model sets them, and its slots.

GLIGEN: Li et al., "GLIGEN: open-set grounded text-to-image generation" (CVPR 2023).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from training.boxes import Bools, Floats, area
from training.records import Record

Pixels = NDArray[np.uint8]
Singles = NDArray[np.float32]

SLOTS = 30
"""Objects that a released model takes; unused slots hold a learned null and count, so there are never fewer."""
MIN_BOX_SHARE = 0.01
"""Boxes below this share of the picture were left out of the training of the released weights."""
MAX_TOKENS = 77
"""Tokens that CLIP reads of a text, its two end marks included."""


class PaintSettings(Record):
    """How pictures are painted; part of what decides a picture, but for `batch_count` and `compile`."""

    steps: int = Field(20, ge=1, le=1000)
    """Steps of DPM-Solver++; 20 to 25 are enough."""
    guidance: float = Field(7.5, ge=1)
    """How far the prompt is followed; 1 is without guidance, in half the time."""
    grounded_share: float = Field(1.0, ge=0, le=1)
    """Share of the steps, from the first, that see the boxes: fewer look more natural and fit less tightly."""
    precision: Literal["float16", "bfloat16", "float32"] | None = None
    """Number format of the arithmetic; empty: float16 on a GPU, float32 on a CPU. Boxes are always in float32."""
    batch_count: int = Field(16, ge=1)
    """Pictures painted at once, halved whenever memory does not suffice."""
    compile: bool = False
    """Compile the model on its first batch: minutes, repaid after some thousand pictures on a GPU."""


@dataclass(frozen=True, eq=False)
class Layout:
    """One picture to be made: a prompt, and where each object goes."""

    prompt: str
    """Names every object: one that it does not name is drawn less often."""
    phrases: tuple[str, ...]
    """One short noun phrase an object."""
    boxes: Floats
    """(k, 4) corners as fractions 0–1, in the order of `phrases`."""
    seed: int
    negative_prompt: str = ""

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        if self.boxes.shape != (len(self.phrases), 4):
            raise ValueError(f"{len(self.phrases)} phrases want boxes ({len(self.phrases)}, 4), got {self.boxes.shape}")
        check_corners(self.boxes)
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"a seed lies within 0 and 2**63, got {self.seed}")


@dataclass(frozen=True, eq=False)
class Repaint:
    """One photo to be painted into."""

    photo: Pixels
    """(h, w, 3) blue, green, red, upright; it is not changed."""
    layout: Layout
    """Its boxes are fractions of the photo; without any, `regions` are painted and nothing in them is labelled."""
    regions: Floats = field(default_factory=lambda: np.zeros((0, 4)))
    """(r, 4) what is painted anew where the layout is empty."""

    def __post_init__(self) -> None:
        """Check that there is something to paint, and only one statement of where."""
        if self.photo.ndim != 3 or self.photo.shape[2] != 3 or self.photo.dtype != np.uint8 or not self.photo.size:
            raise ValueError(f"a photo is (h, w, 3) of uint8, got {self.photo.shape} of {self.photo.dtype}")
        if bool(len(self.regions)) == bool(len(self.layout.boxes)):
            raise ValueError("a repaint wants either a layout with boxes or regions for an empty one")
        check_corners(self.regions)

    @property
    def boxes_px(self) -> Floats:
        """What is painted anew, in pixels of the photo: (k, 4)."""
        height, width = self.photo.shape[:2]
        boxes = self.layout.boxes if len(self.layout.boxes) else self.regions
        return np.asarray(boxes * [width, height, width, height], np.float64)


@dataclass(frozen=True)
class PaintFailure:
    """A picture that was not made, and why."""

    reason: str


@dataclass(frozen=True)
class Slots:
    """The layouts of a batch as a model takes them."""

    boxes: Singles
    """(n, 30, 4) corners, zeros where unused."""
    used: Bools
    """(n, 30)"""
    phrases: tuple[str, ...]
    """Of the used slots, row by row."""


def check_corners(boxes: Floats) -> None:
    """Raise `ValueError` unless boxes (k, 4) lie within 0–1 and have a positive area."""
    inside = boxes.ndim == 2 and boxes.shape[1] == 4 and (boxes >= 0).all() and (boxes <= 1).all()
    if not (inside and (boxes[:, :2] < boxes[:, 2:]).all()):
        raise ValueError("boxes must be (k, 4), lie within 0–1 and have a positive area")


def refusal(layout: Layout, count_tokens: Callable[[str], int]) -> str | None:
    """Say why a layout cannot be painted as a whole picture; None where it can.

    * An empty layout: what the prompt alone brings would be in the picture and have no label.
    * More than 30 objects, and texts of more than 77 tokens: the model would cut them.
    * A box below 1 % of the picture: the model was never shown one. `gligen_inpaint` paints it through a window.
    """
    if not layout.phrases:
        return "its layout is empty, and what the prompt brings would have no label"
    if small := np.flatnonzero(area(layout.boxes) < MIN_BOX_SHARE).tolist():
        share = area(layout.boxes)[small[0]]
        return (
            f"the box of {layout.phrases[small[0]]!r} covers {share:.2%} of the picture and the model draws none "
            f"below {MIN_BOX_SHARE:.0%}: paint it into a photo"
        )
    return text_refusal(layout, count_tokens)


def text_refusal(layout: Layout, count_tokens: Callable[[str], int]) -> str | None:
    """Say why a layout cannot be painted at all; None where it can."""
    if len(layout.phrases) > SLOTS:
        return f"it has {len(layout.phrases)} objects and the model takes {SLOTS}"
    if not all(phrase.strip() for phrase in layout.phrases):
        return "one of its phrases is blank"
    texts = {"prompt": layout.prompt, "negative prompt": layout.negative_prompt}
    texts |= {f"phrase {phrase[:40]!r}": phrase for phrase in layout.phrases}
    for name, text in texts.items():
        if (count := count_tokens(text)) > MAX_TOKENS:
            return f"its {name} has {count} tokens and would be cut at {MAX_TOKENS}"
    return None


def fill_slots(layouts: Sequence[Layout]) -> Slots:
    """Put layouts of at most 30 objects each into slots; raises `ValueError` for more."""
    counts = np.array([len(layout.phrases) for layout in layouts], np.int64)
    if len(counts) and counts.max() > SLOTS:
        raise ValueError(f"a layout has {counts.max()} objects, there are {SLOTS} slots")
    used = np.arange(SLOTS) < counts[:, None]
    boxes = np.zeros((len(layouts), SLOTS, 4), np.float32)
    boxes[used] = np.concatenate([layout.boxes for layout in layouts]) if len(layouts) else np.zeros((0, 4))
    return Slots(boxes=boxes, used=used, phrases=tuple(phrase for layout in layouts for phrase in layout.phrases))
