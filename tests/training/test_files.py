"""The one writer: whole or absent, whatever happens; links that leave the source alone; stable digests."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import CurateError, DamagedFile
from training.files import (
    TEMPORARY_PREFIX,
    canonical_json,
    digest_of,
    digest_of_file,
    link_or_copy,
    make_folder,
    refuse_changed,
    sweep,
    sweep_old,
    write_bytes,
    write_json,
    write_text,
    write_with,
)

# Writes "new" to a file and dies before or after the k-th operation that reaches the disk.
DYING_WRITER = """
import os, sys
from pathlib import Path
from training.files import write_text

fatal, when, done = int(sys.argv[2]), sys.argv[3], 0

def counted(operation):
    def wrapped(*args, **kwargs):
        global done
        done += 1
        mine = done
        if mine == fatal and when == "before":
            os._exit(9)
        result = operation(*args, **kwargs)
        if mine == fatal:
            os._exit(9)
        return result
    return wrapped

Path.open, os.fsync, os.replace = counted(Path.open), counted(os.fsync), counted(os.replace)
write_text(Path(sys.argv[1]), "new" * 10_000)
"""


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob(f"{TEMPORARY_PREFIX}*"))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("old", [None, "old"])
def test_a_crash_at_any_operation_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, when: str, old: str | None
) -> None:
    path, found = tmp_path / "folder" / "record.json", []
    for fatal in range(1, 20):
        sweep(tmp_path)
        path.unlink(missing_ok=True)
        if old is not None:
            write_text(path, old)
        ended = subprocess.run([sys.executable, "-c", DYING_WRITER, path, str(fatal), when], check=False)
        found.append(path.read_text() if path.exists() else None)
        if ended.returncode == 0:
            break
        assert ended.returncode == 9
        sweep(tmp_path)
        assert leftovers(tmp_path) == []
    new = "new" * 10_000
    moved = 2 if when == "after" else 3  # made, synced, moved, folder synced
    assert found == [old] * moved + [new] * (5 - moved)


HINTS = {errno.ENOSPC: "free some space", errno.EDQUOT: "quota", errno.EROFS: "read-only", errno.EACCES: "permissions"}


@pytest.mark.parametrize("code", HINTS)
@pytest.mark.parametrize(("place", "name"), [(Path, "open"), (os, "fsync"), (os, "replace"), (Path, "mkdir")])
def test_a_disk_that_refuses_is_one_sentence_with_a_remedy_and_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: object, name: str, code: int
) -> None:
    path = tmp_path / "record.json"
    write_text(path, "old")

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(place, name, refuse)
    with pytest.raises(CurateError, match=f"^cannot write {path}: {os.strerror(code).lower()}$") as caught:
        write_text(path, "new")
    monkeypatch.undo()
    assert HINTS[code] in caught.value.hint
    assert caught.value.exit_code == 4
    assert path.read_text() == "old"
    assert leftovers(tmp_path) == []


def test_a_disk_that_is_full_half_way_leaves_no_half_file(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    with (
        pytest.raises(CurateError, match="no space left"),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        write_with(path, lambda file: (file.write(b"half"), full.write(b"rest")))
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_an_error_with_a_hint(tmp_path: Path) -> None:
    write_text(tmp_path / "rounds", "a file")
    with pytest.raises(CurateError, match="cannot write") as caught:
        write_text(tmp_path / "rounds" / "001" / "freeze.json", "x")
    assert caught.value.hint


def test_an_interruption_while_filling_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(file: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_with(tmp_path / "a", interrupted)
    assert list(tmp_path.iterdir()) == []


def test_sweep_removes_temporaries_in_all_folders_and_nothing_else(tmp_path: Path) -> None:
    kept = [tmp_path / "a.json", tmp_path / "deep" / "writing-b", tmp_path / "deep" / ".hidden"]
    for path in [*kept, tmp_path / f"{TEMPORARY_PREFIX}x", tmp_path / "deep" / f"{TEMPORARY_PREFIX}y"]:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    sweep(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
    sweep(tmp_path / "not there")


def test_json_for_people_is_sorted_utf8_and_refuses_what_json_lacks(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": "Straße", "a": [1, 2.5]})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "a": [\n    1,\n    2.5\n  ],\n  "b": "Straße"\n}\n'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert (tmp_path / "a.json").exists()


def test_a_link_shares_the_bytes_and_leaves_the_source_as_it_was(tmp_path: Path) -> None:
    source, target = tmp_path / "source.jpg", tmp_path / "data" / "deep" / "photo.jpg"
    source.write_bytes(b"photo")
    before = source.stat()
    link_or_copy(source, target)
    link_or_copy(source, target)
    assert target.samefile(source)
    assert (source.read_bytes(), source.stat().st_mtime_ns) == (b"photo", before.st_mtime_ns)


@pytest.mark.parametrize("can_link", [True, False])
def test_replacing_one_end_leaves_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_link: bool) -> None:
    source, target = tmp_path / "source.jpg", tmp_path / "target.jpg"
    source.write_bytes(b"photo")
    if not can_link:
        refuse_links(monkeypatch, errno.EXDEV)
    link_or_copy(source, target)
    write_bytes(target, b"repaired by a library")
    assert source.read_bytes() == b"photo"
    target.unlink()
    link_or_copy(source, target)
    write_bytes(source, b"edited by its owner")
    assert target.read_bytes() == b"photo"


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP])
def test_where_links_do_not_reach_it_is_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    source, target = tmp_path / "source.jpg", tmp_path / "target.jpg"
    source.write_bytes(b"photo")
    refuse_links(monkeypatch, code)
    link_or_copy(source, target)
    assert target.read_bytes() == b"photo"
    assert not target.samefile(source)


@pytest.mark.parametrize("code", HINTS)
def test_a_link_on_a_disk_that_refuses_is_an_error_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    (tmp_path / "source.jpg").touch()
    refuse_links(monkeypatch, code)
    with pytest.raises(CurateError, match="cannot write") as caught:
        link_or_copy(tmp_path / "source.jpg", tmp_path / "target.jpg")
    assert HINTS[code] in caught.value.hint
    assert not (tmp_path / "target.jpg").exists()


def test_what_is_at_the_target_already_stays(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"new")
    (tmp_path / "target").write_bytes(b"old")
    link_or_copy(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"old"


def test_of_a_symbolic_link_the_file_behind_it_is_taken(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"photo")
    (tmp_path / "link.jpg").symlink_to("photo.jpg")
    link_or_copy(tmp_path / "link.jpg", tmp_path / "elsewhere" / "target.jpg")
    assert not (tmp_path / "elsewhere" / "target.jpg").is_symlink()
    assert (tmp_path / "elsewhere" / "target.jpg").read_bytes() == b"photo"


def test_a_source_that_vanished_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match=r"cannot read .*gone\.jpg: no such file") as caught:
        link_or_copy(tmp_path / "gone.jpg", tmp_path / "target.jpg")
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("aß\u2028"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), json_values, max_size=5))
def test_the_order_of_keys_does_not_change_a_digest(value: dict[str, object]) -> None:
    turned = dict(reversed(value.items()))
    assert canonical_json(turned) == canonical_json(value)
    assert digest_of(turned) == digest_of(value)
    assert "\n" not in canonical_json(value)


def test_digests_are_the_same_today_as_in_the_workspaces_that_exist() -> None:
    assert canonical_json({"b": [1.5, "é", None], "a": True}) == '{"a":true,"b":[1.5,"é",null]}'
    assert digest_of({"b": [1.5, "é", None], "a": True}) == "1246285512a7ed884cd24a21"
    assert digest_of(b"photo") == "55c64d0fcd6f9d5f7c828093"
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest_of(float("inf"))


@given(st.binary(max_size=100))
def test_a_file_has_the_digest_of_its_bytes(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_bytes(Path(folder) / "a", data)
        assert digest_of_file(Path(folder) / "a") == digest_of(data)


def refuse_links(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.parametrize("now", [None, b"", b"other"])
def test_a_file_that_is_not_what_its_digest_says_is_damaged(tmp_path: Path, now: bytes | None) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"pixels")
    refuse_changed(path, digest_of(b"pixels"), hint="")
    path.unlink()
    if now is not None:
        path.write_bytes(now)
    with pytest.raises(DamagedFile, match="is missing or has changed") as caught:
        refuse_changed(path, digest_of(b"pixels"), hint="bring it again")
    assert str(path) in caught.value.message
    assert caught.value.hint == "bring it again"


def test_sweeping_the_old_leaves_the_new_the_finished_and_what_lies_deeper(tmp_path: Path) -> None:
    names = (f"{TEMPORARY_PREFIX}old", f"{TEMPORARY_PREFIX}new", "finished", f"deep/{TEMPORARY_PREFIX}old")
    for name, written_s in zip(names, (100, 300, 100, 100), strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (written_s, written_s))
    sweep_old(tmp_path, before_s=200)
    assert [name for name in names if (tmp_path / name).exists()] == list(names[1:])


def test_a_folder_that_cannot_be_made_is_an_error_with_a_hint(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    with pytest.raises(CurateError, match="cannot write") as caught:
        make_folder(tmp_path / "file" / "below")
    assert caught.value.hint
