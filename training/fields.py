"""What samples say of a photo besides its labels: simple fields and tags, as columns with one value a photo.

A field is an array of texts (empty where unknown) or of numbers (NaN where unknown); flags become the texts yes and no.
A tag is a field whose name begins with `TAG_PREFIX`: yes or no for every photo. Field names hold no space, so the two
never meet.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from training.boxes import Floats, Texts
from training.errors import DamagedFile
from training.files import digest_of_file, write_with
from training.records import FileRef
from training.tables import check_digest

Value = str | bool | int | float
Fields = Mapping[str, Texts | Floats]
TAG_PREFIX = "tag "
MAX_FIELDS, MAX_TAGS, MAX_LENGTH = 32, 32, 200
MAX_NUMBER = 2**53  # larger whole numbers are names, and would lose digits


def simple_value(value: object) -> Value | None:
    """Give a value that a column can hold: a short printable text, a flag, a finite number; None for any other."""
    if isinstance(value, bool | int):
        return value if abs(value) <= MAX_NUMBER else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        text = value.strip()
        return text if 0 < len(text) <= MAX_LENGTH and text.isprintable() else None
    return None


def fields_of(photos: Sequence[Mapping[str, Value]], tags: Sequence[Sequence[str]]) -> dict[str, Texts | Floats]:
    """Give the fields and tags of photos, one mapping and one list each, as columns by name.

    Names are identifiers that begin with no underscore; others, and tags that are no short printable text, are left
    out. Of more than `MAX_FIELDS` fields and `MAX_TAGS` tags the most frequent stay.
    """
    held = Counter(name for photo in photos for name in photo if name.isidentifier() and not name.startswith("_"))
    names = sorted(name for name, _ in held.most_common(MAX_FIELDS))
    columns = {name: _column([photo.get(name) for photo in photos]) for name in names}
    given = [{tag.strip() for tag in of_photo if simple_value(tag)} for of_photo in tags]
    counted = Counter(tag for of_photo in given for tag in sorted(of_photo))
    for tag in sorted(tag for tag, _ in counted.most_common(MAX_TAGS)):
        columns[TAG_PREFIX + tag] = np.array(["yes" if tag in of_photo else "no" for of_photo in given], np.str_)
    return columns


def take_photos(fields: Fields, rows: Sequence[int] | np.ndarray) -> dict[str, Texts | Floats]:
    """Give the fields of some photos, in the order of `rows`."""
    return {name: values[np.asarray(rows, np.int64)] for name, values in fields.items()}


def save_fields(path: Path, fields: Fields) -> FileRef:
    """Write fields as one `.npz` and give its reference."""
    numbered = {f"column-{number}": np.ascontiguousarray(values) for number, values in enumerate(fields.values())}
    names = np.array([*fields], np.str_)  # a column may be called anything, a member of the archive may not
    write_with(path, lambda file: np.savez(file, names=names, **numbered))  # type: ignore[arg-type]  # the stub
    return FileRef(name=path.name, digest=digest_of_file(path))


def load_fields(path: Path, ref: FileRef) -> dict[str, Texts | Floats]:
    """Read fields back; raises `DamagedFile` where it is not the file that the reference names."""
    check_digest(path, ref)
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[f"column-{number}"] for number, name in enumerate(stored["names"].tolist())}
    except (KeyError, ValueError) as error:
        raise DamagedFile(
            f"{path} does not hold fields: {error}", hint="it may be from another version: redo its step with --redo"
        ) from error


def _column(values: Sequence[Value | None]) -> Texts | Floats:
    """Give numbers where all known values are; else texts."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        return np.array([np.nan if value is None else float(value) for value in values])
    return np.array([_text(value) for value in values], np.str_)


def _text(value: Value | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
