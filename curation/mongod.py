"""Door to the database process: a mongod of the workspace's own, journalled, on the loopback, gone with its parent.

db/
├── data/          what mongod writes
├── lib/           OpenSSL 1.1 under its plain names, where the system has none
├── mongod.log     what mongod says
└── server.json    process id and port, there while it serves
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient, WriteConcern
from pymongo.errors import PyMongoError

from curation.connection import MIN_VERSION, reason_of
from curation.mongod_program import ELSEWHERE, FOLDER_TAKEN, environment_of, find_program, not_started
from training.errors import DatabaseError
from training.files import write_json, writing_failed

MAX_LOG_BYTES = 10_000_000
PORT_TAKEN = 48  # mongod's own exit code

# The starter asks for SIGTERM at its parent's death and becomes mongod. It stands in for `preexec_fn`, which is not
# safe in a process with threads. That the parent died before it asked is seen by its changed parent.
STARTER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Check:
    """What was found out about one thing, and what to do where it is not well."""

    what: str
    ok: bool
    detail: str
    hint: str = ""


@contextlib.contextmanager
def running(folder: Path, *, patience_s: float = 60.0) -> Iterator[str]:
    """Serve a database folder for the length of the block and give the URI; writes are acknowledged once journalled.

    Where a mongod already serves the folder it is joined, and left running at the end. One that is started here also
    ends when the calling *thread* does, however that ends: call from the main thread. After an unclean end the counts
    are repaired. Raises `DatabaseError` when mongod is missing, cannot start, or does not answer within `patience_s`.
    """
    deadline = time.monotonic() + patience_s
    while (uri := _joined(folder)) is None:
        started = _start(folder, deadline)
        if started is not None:
            with _ending(folder, *started) as own:
                yield own
            return
        time.sleep(0.1)  # another command is starting one for the same folder
    yield uri


def check(uri: str | None = None) -> tuple[Check, ...]:
    """Say whether a server, or without `uri` our own mongod, is there, new enough, and takes a journalled write."""
    if uri is not None:
        return _check_server(uri, what="database")
    with tempfile.TemporaryDirectory() as folder:
        try:
            with running(Path(folder)) as own:
                return _check_server(own, what="mongod")
        except DatabaseError as error:
            return (Check("mongod", ok=False, detail=error.message, hint=error.hint),)


def _check_server(uri: str, *, what: str) -> tuple[Check, ...]:
    try:
        with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=5000) as client:
            found = client.server_info()
            probe = client["curate_doctor"].get_collection("probe", write_concern=WriteConcern(w=1, j=True))
            probe.insert_one({})
            client.drop_database("curate_doctor")
    except PyMongoError as error:
        return (Check(what, ok=False, detail=f"does not serve: {reason_of(error)}", hint=f"start it, {ELSEWHERE}"),)
    new_enough = tuple(found["versionArray"][:2]) >= MIN_VERSION
    version = Check(what, new_enough, f"version {found['version']}", "" if new_enough else "MongoDB 6.0 is needed")
    return (version, Check(f"{what} writes", ok=True, detail="a journalled write was acknowledged"))


def _joined(folder: Path) -> str | None:
    """Give the URI of the mongod that serves the folder, None where none does."""
    try:
        note = json.loads((folder / "server.json").read_text(encoding="utf-8"))
        pid, uri = int(note["pid"]), _uri(int(note["port"]))
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
    return uri if _serves(uri, pid) else None


def _serves(uri: str, pid: int, *, timeout_ms: int = 2000) -> bool:
    """Say whether this very process serves there: after a crash the port may be another's."""
    try:
        os.kill(pid, 0)
        with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=timeout_ms) as client:
            return int(client.admin.command("serverStatus")["pid"]) == pid
    except (ProcessLookupError, PermissionError, PyMongoError):
        return False


def _uri(port: int) -> str:
    # journal=true: without it killing mongod lost acknowledged writes in eight of eight tries, with it in none.
    return f"mongodb://127.0.0.1:{port}/?w=1&journal=true&serverSelectionTimeoutMS=5000&connectTimeoutMS=5000"


def _start(folder: Path, deadline: float) -> tuple[subprocess.Popen[bytes], int] | None:
    """Start mongod and wait until it serves; give it with its port, None where another one holds the folder."""
    program, data = find_program(), folder.resolve() / "data"
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_failed(data, error) from error
    crashed = _ended_uncleanly(data)
    environment = environment_of(program, lib=folder.resolve() / "lib")
    while True:
        process, port, log_start = _launch(program, data, environment, folder / "mongod.log")
        code = _wait_until_it_serves(process, port, deadline)
        if code is None:
            if crashed:
                _repair_counts(_uri(port))
            return process, port
        in_time = time.monotonic() < deadline
        if code == FOLDER_TAKEN and in_time:
            return None
        if code != PORT_TAKEN or not in_time:
            raise not_started(code, _read_from(folder / "mongod.log", log_start), folder)


@contextlib.contextmanager
def _ending(folder: Path, process: subprocess.Popen[bytes], port: int) -> Iterator[str]:
    """Tell others of a mongod for the length of the block, and end it cleanly then."""
    note = folder / "server.json"
    try:
        write_json(note, {"pid": process.pid, "port": port})
        yield _uri(port)
    finally:
        note.unlink(missing_ok=True)
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _launch(
    program: Path, data: Path, environment: dict[str, str], log_path: Path
) -> tuple[subprocess.Popen[bytes], int, int]:
    """Start mongod; give it, its port, and where its words begin in the log."""
    port = _free_port()
    arguments = [
        *("--dbpath", str(data), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"),
        *("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=8MB)"),  # 9 MB on disk instead of 300
        *("--wiredTigerCacheSizeGB", "1"),  # by default half of the memory, which training needs
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    ]
    mode = "wb" if log_path.exists() and log_path.stat().st_size > MAX_LOG_BYTES else "ab"
    with log_path.open(mode) as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", STARTER, str(os.getpid()), str(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,  # Ctrl-C at the terminal is for us; the database ends after our last write
        )
        return process, port, log.tell()


def _wait_until_it_serves(process: subprocess.Popen[bytes], port: int, deadline: float) -> int | None:
    """Give the exit code of a mongod that ended, None for one that serves; one that does neither in time is stopped."""
    with contextlib.ExitStack() as unless_it_serves:
        unless_it_serves.callback(_stop, process)
        while process.poll() is None:
            if _serves(_uri(port), process.pid, timeout_ms=200):
                unless_it_serves.pop_all()
                return None
            if time.monotonic() > deadline:
                raise DatabaseError("mongod started but does not answer", hint=f"try again, {ELSEWHERE}")
    return process.returncode


def _read_from(path: Path, start: int) -> str:
    with path.open("rb") as log:
        log.seek(start)
        return log.read(20_000).decode(errors="replace")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ended_uncleanly(data: Path) -> bool:
    """Say whether the last mongod left its lock behind; it empties that file on a clean end."""
    lock = data / "mongod.lock"
    return lock.exists() and lock.stat().st_size > 0


def _repair_counts(uri: str) -> None:
    """Bring the stored counts right: after a kill FiftyOne's `len(dataset)` was 0 with all documents there."""
    with MongoClient[dict[str, Any]](uri) as client:
        for name in client.list_database_names():
            if name not in ("admin", "config", "local"):
                for collection in client[name].list_collection_names(filter={"type": "collection"}):
                    client[name].command("validate", collection)
