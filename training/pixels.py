"""DOOR disk: pictures as arrays, the way ultralytics will see them: 8-bit BGR, upright."""

import io
import struct
import warnings
import zlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from training.errors import DataError
from training.source import BadItem

Pixels = NDArray[np.uint8]

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
MAX_PIXELS = 64_000_000
MIN_SIDE_PX = 10  # ultralytics refuses smaller pictures
MAX_PHOTO_BYTES = 512 * 2**20
# Held on to: where ultralytics is imported, it puts another in its place, which would install packages for a bad photo.
_open = Image.open
# Named, because Pillow would try every format that it knows, and some of them start programs.
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
# What Pillow's decoders raise on damaged files; its documentation promises no narrower family.
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a photo tells."""

    width_px: int
    """Of the upright picture."""
    height_px: int
    orientation: int
    """EXIF orientation 1–8 that turns the stored pixels upright; from 5 on, width and height change places."""
    look: int
    """64-bit difference hash of the upright picture."""


def look_at(data: bytes) -> Seen:
    """Decode a photo once and say what it is.

    Raises `BadItem` for what cannot be decoded to its end, is larger than 64 megapixels (before it is decoded), is
    smaller than 10 px, or is a turned TIFF, which ultralytics would read unturned.
    """
    width_px, height_px, orientation = _verified(data)
    pixels = _decoded(data)
    if pixels is None:
        raise BadItem("unreadable picture: OpenCV cannot decode it")
    upright = (height_px, width_px) if orientation < 5 else (width_px, height_px)
    if pixels.shape[:2] != upright:
        raise BadItem(
            f"unreadable picture: decoded to {pixels.shape[1]} × {pixels.shape[0]} px, not as its header says"
        )
    return Seen(width_px=upright[1], height_px=upright[0], orientation=orientation, look=difference_hash(pixels))


def read_pixels(path: Path) -> Pixels:
    """Read a picture as (height, width, 3) BGR, upright.

    Raises `DataError` when it is missing, damaged or larger than 64 megapixels.
    """
    try:
        data = path.read_bytes()
        with _quiet(), _open(io.BytesIO(data), formats=_FORMATS) as picture:
            size = picture.size
    except _DAMAGED as error:
        raise DataError(f"cannot read the picture {path}: {error}", hint="restore the file") from error
    if size[0] * size[1] > MAX_PIXELS:
        raise DataError(f"{path} has {size[0]} × {size[1]} px, more than 64 megapixels", hint="make it smaller")
    pixels = _decoded(data)
    if pixels is None:
        raise DataError(f"cannot decode the picture {path}", hint="restore the file")
    return pixels


def encode_jpeg(pixels: Pixels, quality: int = 95) -> bytes:
    """Give BGR pixels as a JPEG file: the same bytes for the same pixels and the same OpenCV; quality 0–100."""
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"cannot encode pixels of shape {pixels.shape} and type {pixels.dtype} as JPEG")
    return bytes(data)


def difference_hash(pixels: Pixels) -> int:
    """Give 64 bits that say where a picture, shrunk to 9 × 8 grey cells, gets lighter from left to right.

    Takes (h, w) grey or (h, w, 3) BGR. Pictures that look alike differ in few bits; the first bit is the highest.
    (dHash, N. Krawetz 2013.)
    """
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    while min(grey.shape) >= 128:  # halving first: six times as fast
        grey = cv2.resize(grey, (grey.shape[1] // 2, grey.shape[0] // 2), interpolation=cv2.INTER_AREA)
    cells = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.packbits(cells[:, 1:] > cells[:, :-1])
    return int.from_bytes(bits.tobytes(), "big")


def _verified(data: bytes) -> tuple[int, int, int]:
    """Give stored width, stored height and orientation, after decoding to the end.

    Pillow says what is cut off or damaged; OpenCV may hand out grey areas instead.
    """
    try:
        with _quiet(), _open(io.BytesIO(data), formats=_FORMATS) as picture:
            width_px, height_px = picture.size
            if width_px * height_px > MAX_PIXELS:
                raise BadItem(f"picture larger than 64 megapixels: {width_px} × {height_px} px")
            if min(width_px, height_px) < MIN_SIDE_PX:
                raise BadItem(f"picture smaller than {MIN_SIDE_PX} px: {width_px} × {height_px} px")
            orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
            orientation = orientation if orientation in range(1, 9) else 1
            if picture.format == "TIFF" and orientation != 1:
                raise BadItem(f"turned TIFF: orientation {orientation}; store it upright")
            picture.draft(
                "L", (1, 1)
            )  # a JPEG is read to its end, but only its coarse part is computed: 3 times as fast
            picture.load()
    except Image.DecompressionBombError as error:
        raise BadItem("picture larger than 64 megapixels: it was not decoded") from error
    except _DAMAGED as error:
        raise BadItem(f"unreadable picture: {_first_line(error)}") from error
    return width_px, height_px, int(orientation)


def _decoded(data: bytes) -> Pixels | None:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if pixels is None else np.asarray(pixels, np.uint8)


def _quiet() -> AbstractContextManager[object]:
    """Keep Pillow's remarks on odd metadata off the terminal; what matters is raised."""
    return warnings.catch_warnings(action="ignore")


def _first_line(error: BaseException) -> str:
    text = str(error).partition("\n")[0].partition(" <")[0]  # without addresses of objects
    return text[:100] or type(error).__name__
