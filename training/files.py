"""The one writer: everything that the workspace keeps is written here, whole or not at all.

A file is written under a temporary name beside its target, synced, and moved into place; the folder is synced last.
So a reader sees the old file or the new one, and a file that is there is finished.
"""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from training.errors import CurateError, DamagedFile

TEMPORARY_PREFIX = ".writing-"


def canonical_json(value: Any) -> str:
    """Give the one text of a JSON value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: Any) -> str:
    """Give the first 24 hex digits of the SHA-256 of bytes, or of the canonical JSON of anything else.

    24 digits are 96 bits: enough to tell a billion things apart, and the length of a database id.
    """
    data = value if isinstance(value, bytes) else canonical_json(value).encode()
    return hashlib.sha256(data).hexdigest()[:24]


def digest_of_file(path: Path) -> str:
    """Give the digest of a file's bytes, as `digest_of` does, without holding the file in memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:24]


def refuse_changed(path: Path, digest: str, *, hint: str) -> None:
    """Raise `DamagedFile` where a file is missing, or its bytes are not those of the digest."""
    try:
        whole = digest_of_file(path) == digest
    except FileNotFoundError:
        whole = False
    if not whole:
        raise DamagedFile(f"{path} is missing or has changed", hint=hint)


def write_with(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Let `fill` write a file's bytes, then move it into place.

    Raises `CurateError` when the disk is full or cannot be written; what was there before stays.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        with temporary.open("xb") as file:  # unlike tempfile's, with the rights that the user's umask gives
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        _move(temporary, path)
    except OSError as error:
        raise writing_failed(path, error) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):  # moved, or on a disk that takes nothing any more: `sweep` gets it
                temporary.unlink()


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes, whole or not at all."""
    write_with(path, lambda file: file.write(data))


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON value for people to read: sorted keys, two spaces, a final newline."""
    write_text(path, json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file at `target` without touching `source`: a hard link, or a copy where links do not reach.

    A hard link is safe against writers that replace the file, as ours and ultralytics do. Of a symbolic link the file
    behind it is taken. What is at `target` already stays.
    """
    if target.exists():
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source.resolve(), target)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT):
            raise writing_failed(target, error) from error
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    try:
        bytes_in = source.open("rb")
    except OSError as error:
        raise CurateError(f"cannot read {source}: {_reason(error)}", hint="put it back, or make it readable") from error
    with bytes_in:
        write_with(target, lambda file: shutil.copyfileobj(bytes_in, file))


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there; raises `CurateError` where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_failed(folder, error) from error


def sweep(folder: Path) -> None:
    """Remove what an interrupted writer left under its temporary name, here and below."""
    for leftover in folder.rglob(f"{TEMPORARY_PREFIX}*"):
        leftover.unlink(missing_ok=True)


def sweep_old(folder: Path, *, before_s: float) -> None:
    """Remove what was left in this very folder and last written before a time, in seconds since 1970.

    For a folder that others may be writing into at this moment.
    """
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):  # moved into place meanwhile
            if leftover.stat().st_mtime < before_s:
                leftover.unlink()


def writing_failed(path: Path, error: OSError) -> CurateError:
    """Say in one sentence why a file could not be written."""
    hints = {
        errno.ENOSPC: "free some space and run the command again; finished work is kept",
        errno.EDQUOT: "your quota is used up: free some space and run the command again",
        errno.EROFS: "the disk is mounted read-only: use another folder with -C",
        errno.EACCES: "change the folder's permissions, or use another folder with -C",
    }
    return CurateError(f"cannot write {path}: {_reason(error)}", hint=hints.get(error.errno or 0, "look at the disk"))


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _move(temporary: Path, path: Path) -> None:
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
