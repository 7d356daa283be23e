"""DOOR disk: a folder of unknown origin, read without ever leaving it.

Names that come from data are checked before they are used; links are followed only where they stay inside; what is not
an ordinary file is never opened.
"""

import errno
import os
import posixpath
import re
import stat
from pathlib import Path, PurePosixPath

from training.source import BadItem, Refusal, printable

MAX_NAME_BYTES = 4096
_WEB_OR_DRIVE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[A-Za-z]:/|(?:file|data|http|https):", re.IGNORECASE)


def inside(root: Path, name: str, *, base: str = "") -> str:
    """Give a name from data as a plain path relative to `root`, "" for `root` itself.

    `base` is the folder, relative to `root`, that the name is meant from. Backslashes count as slashes. Raises
    `BadItem` for addresses, `~`, names that are none, and paths that lead out; whether the file exists is not asked.
    """
    text = name.replace("\\", "/")
    if not text.strip() or "\0" in text or len(text) > MAX_NAME_BYTES or not _encodable(text):
        raise BadItem(f"not a file name: {printable(name[:200])!r}")
    if _WEB_OR_DRIVE.match(text) or text.startswith("~"):
        raise _leaves(name)
    if text.startswith("/"):
        base, text = "", posixpath.relpath(text, root.as_posix())
    joined = posixpath.normpath(posixpath.join(base, text))
    if joined == ".." or joined.startswith("../"):
        raise _leaves(name)
    return "" if joined == "." else joined


def list_files(root: Path) -> tuple[list[str], list[Refusal]]:
    """Give the names of all files under `root`, sorted, and the folders that were not entered.

    Names are relative, with forward slashes. Hidden files and folders are left out. A link to a folder is followed
    where it stays inside, and once; one that leads back to a folder above it is not.
    """
    names: list[str] = []
    refusals: list[Refusal] = []
    followed: set[str] = set()
    waiting: list[tuple[str, frozenset[str]]] = [("", frozenset({str(root)}))]
    while waiting:
        folder, above = waiting.pop()
        try:
            entries = _entries(root / folder)
        except OSError as error:
            refusals.append(Refusal(printable(folder or "."), None, f"folder cannot be listed: {_why(error)}", "photo"))
            continue
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            try:
                inner = _folder_behind(root, entry, above=above, followed=followed)
            except BadItem as bad:
                refusals.append(Refusal(printable(name), None, bad.reason, "photo"))
                continue
            if inner is None:
                names.append(name)
            else:
                waiting.append((name, above | {inner}))
    return sorted(names), refusals


def read_inside(root: Path, name: str, *, max_bytes: int) -> tuple[Path, bytes]:
    """Read an ordinary file inside `root`; give its real path and its bytes.

    Raises `BadItem` when it is missing, too large, not an ordinary file, a link that leads out, or cannot be read.
    """
    try:
        path = _real_file(root, name)
        # not blocking, so that a pipe put there since cannot hang us
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            size = os.fstat(handle).st_size
            if size > max_bytes:
                raise BadItem(f"file too large: {size} bytes, at most {max_bytes} are read")
            return path, file.read(max_bytes)
    except OSError as error:
        raise BadItem(f"cannot be read: {_why(error)}") from error


def read_text_inside(root: Path, name: str, *, max_bytes: int) -> str:
    """Read a UTF-8 text inside `root`, as `read_inside` does; raises `BadItem` where it is not UTF-8."""
    _, data = read_inside(root, name, max_bytes=max_bytes)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadItem(f"not UTF-8 text: byte {error.start}") from error


def suffix_of(name: str) -> str:
    """Give a name's suffix in small letters, with its dot."""
    return posixpath.splitext(name)[1].lower()


def parents_of(names: list[str]) -> frozenset[str]:
    """Give every folder that holds one of the files, directly or further down; "" is the root."""
    found: set[str] = {""}
    for name in names:
        folder = posixpath.dirname(name)
        while folder not in found:
            found.add(folder)
            folder = posixpath.dirname(folder)
    return frozenset(found)


def replace_last(name: str, old: frozenset[str], new: str) -> str | None:
    """Put `new` in the place of the last folder that is called one of `old`; None where there is none."""
    parts = list(PurePosixPath(name).parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] in old:
            parts[index] = new
            return "/".join(part for part in parts if part)
    return None


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        shown = [entry for entry in entries if not entry.name.startswith((".", "__MACOSX"))]
    return sorted(shown, key=lambda entry: entry.name)


def _folder_behind(root: Path, entry: os.DirEntry[str], *, above: frozenset[str], followed: set[str]) -> str | None:
    """Give the real path of a folder to enter, None for a file; raises `BadItem` for a link that is not followed."""
    if not entry.is_symlink():
        return entry.path if entry.is_dir() else None
    try:
        real = Path(entry.path).resolve(strict=True)
    except (OSError, RuntimeError):
        return None  # leads nowhere: listed when somebody wants to read it
    if not real.is_dir():
        return None
    if not real.is_relative_to(root):
        raise BadItem("link that leads out of the dataset folder: it was not followed")
    # followed once, so that a few folders full of links to each other do not become millions
    if str(real) in above or str(real) in followed:
        raise BadItem("link to a folder that is read already: it was not followed")
    followed.add(str(real))
    return str(real)


def _real_file(root: Path, name: str) -> Path:
    try:
        path = (root / name).resolve(strict=True)
    except RuntimeError as error:  # what Python before 3.13 makes of a loop
        raise BadItem("link that leads to itself: it was not opened") from error
    if not path.is_relative_to(root):
        raise BadItem("link that leads out of the dataset folder: it was not opened")
    if not stat.S_ISREG(path.stat().st_mode):
        raise BadItem("not an ordinary file: it was not opened")
    return path


def _leaves(name: str) -> BadItem:
    return BadItem(f"path that leaves the dataset folder: {printable(name[:200])!r}")


def _encodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _why(error: OSError) -> str:
    known = {errno.ENOENT: "it is not there", errno.ELOOP: "a link that leads to itself"}
    return known.get(error.errno or 0) or (os.strerror(error.errno).lower() if error.errno else str(error))
