"""Tables on disk: one `.npz` a table, nothing pickled, the same bytes for the same content."""

from dataclasses import fields
from pathlib import Path
from typing import TypeVar

import numpy as np

from training.boxes import Table
from training.errors import DamagedFile
from training.files import digest_of_file, write_with
from training.records import FileRef

T = TypeVar("T", bound=Table)


def save_table(path: Path, table: Table) -> FileRef:
    """Write a table and give its reference."""
    columns = {field.name: np.ascontiguousarray(getattr(table, field.name)) for field in fields(table)}
    write_with(path, lambda file: np.savez(file, **columns))  # type: ignore[arg-type]  # numpy's stub misses **kwds
    return FileRef(name=path.name, digest=digest_of_file(path))


def load_table(path: Path, kind: type[T], ref: FileRef) -> T:
    """Read a table back; raises `DamagedFile` where it is not the file that the reference names, or no such table."""
    check_digest(path, ref)
    try:
        with np.load(path, allow_pickle=False) as stored:
            return kind(**{field.name: stored[field.name] for field in fields(kind)})
    except (KeyError, ValueError, TypeError) as error:
        raise DamagedFile(
            f"{path} does not hold a {kind.__name__}: {error}",
            hint="it may be from another version: redo its step with --redo",
        ) from error


def check_digest(path: Path, ref: FileRef) -> None:
    """Raise `DamagedFile` unless the file is there with the bytes that the reference names."""
    if not path.is_file():
        raise DamagedFile(f"{path} is missing", hint="restore it from a backup, or redo its step with --redo")
    if digest_of_file(path) != ref.digest:
        raise DamagedFile(f"{path} has changed since it was written", hint="restore it, or redo its step with --redo")
