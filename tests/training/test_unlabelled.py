"""Photos without labels: what can be used is listed, what cannot is refused by name, what is no photo is ignored."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from photo_folders import lay_out, photo

from training import unlabelled
from training.dataset import KnownPhotos, read_paths, read_unlabelled
from training.errors import DataError
from training.files import digest_of, digest_of_file
from training.pixels import difference_hash, read_pixels
from training.tables import load_table, save_table


def test_photos_of_all_folders_are_found_and_label_files_are_passed_over(tmp_path: Path) -> None:
    files = {"b/two.PNG": photo(2, kind="PNG"), "a.jpg": photo(1), "b/two.txt": "0 0.5 0.5 0.1 0.1\n"}
    files |= {"labels.json": "{}", "a.xml": "<annotation/>", ".hidden.jpg": photo(3), ".writing-1": photo(4)}
    found = read_unlabelled(lay_out(tmp_path, files))
    assert [found.name_of(each) for each in found.photos] == ["a.jpg", "b/two.PNG"]
    assert (found.seen_count, found.refusals) == (2, ())
    first = found.photos[0]
    assert (first.boxes, first.split, first.width_px, first.height_px) == ((), None, 40, 30)
    assert (first.path, first.photo_id) == (tmp_path / "a.jpg", digest_of_file(tmp_path / "a.jpg"))
    assert first.look == difference_hash(read_pixels(tmp_path / "a.jpg"))


def test_a_photo_turned_by_exif_has_its_upright_size(tmp_path: Path) -> None:
    (found,) = read_unlabelled(lay_out(tmp_path, {"a.jpg": photo(orientation=6)})).photos
    assert (found.width_px, found.height_px) == (30, 40)


CUT: dict[str, tuple[str, float]] = {
    "a JPEG cut in half": ("JPEG", 0.5),
    "a JPEG that lacks its end": ("JPEG", 0.98),
    "a PNG cut in half": ("PNG", 0.5),
    "a PNG that lacks its end": ("PNG", 0.9),
    "a BMP cut in half": ("BMP", 0.5),
    "a WEBP cut in half": ("WEBP", 0.5),
    "a TIFF cut in half": ("TIFF", 0.5),
    "a JPEG of which nothing is there yet": ("JPEG", 0.0),
}


@pytest.mark.parametrize("name", CUT)
def test_a_photo_that_is_half_copied_is_refused_until_it_is_whole(name: str, tmp_path: Path) -> None:
    kind, share = CUT[name]
    suffix = {"JPEG": "jpg", "TIFF": "tif"}.get(kind, kind.lower())
    whole = photo(0, 400, 300, kind=kind)
    pool = lay_out(tmp_path, {f"new.{suffix}": whole[: int(share * len(whole))], "old.jpg": photo(1)})
    found = read_unlabelled(pool)
    assert [found.name_of(each) for each in found.photos] == ["old.jpg"]
    assert [(refusal.file, refusal.kind, refusal.lost) for refusal in found.refusals] == [
        (f"new.{suffix}", "unreadable picture", "photo")
    ]
    assert found.seen_count == 2
    lay_out(tmp_path, {f"new.{suffix}": whole})
    assert len(read_unlabelled(pool, known=found.known).photos) == 2


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    lay_out(tmp_path, {"pool/a.jpg": photo(1), "secret/b.jpg": photo(2)})
    (tmp_path / "pool" / "b.jpg").symlink_to(tmp_path / "secret" / "b.jpg")
    (tmp_path / "pool" / "folder").symlink_to(tmp_path / "secret")
    found = read_unlabelled(tmp_path / "pool")
    assert [found.name_of(each) for each in found.photos] == ["a.jpg"]
    assert {refusal.file for refusal in found.refusals} == {"b.jpg", "folder"}
    assert found.seen_count == 2, "what a folder that was not entered holds is not known"


def test_names_that_are_no_text_are_shown_in_letters(tmp_path: Path) -> None:
    lay_out(tmp_path, {os.fsdecode(b"n\xffew.jpg"): photo(1)})
    found = read_unlabelled(tmp_path)
    name = found.name_of(found.photos[0])
    assert name.isprintable()
    assert name.startswith("n")
    assert name.endswith("ew.jpg")
    saved = load_table(tmp_path / "known.npz", KnownPhotos, save_table(tmp_path / "known.npz", found.known))
    assert read_unlabelled(tmp_path, known=saved).photos == found.photos


EMPTY: dict[str, tuple[dict[str, bytes | str], str, str]] = {
    "no files": ({}, "holds no photos", r"\.jpg"),
    "labels alone": ({"a.txt": "0 0 0 1 1"}, "holds no photos", r"\.jpg"),
    "damaged photos alone": ({"a.jpg": b"x", "b.jpg": b"y"}, r"none of the 2 .* first a\.jpg: unreadable", "pool"),
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_pool_without_a_usable_photo_is_a_sentence(name: str, tmp_path: Path) -> None:
    files, message, hint = EMPTY[name]
    with pytest.raises(DataError, match=message) as caught:
        read_unlabelled(lay_out(tmp_path, files))
    assert caught.match(str(tmp_path))
    assert hint.strip("\\") in caught.value.hint


@pytest.mark.parametrize(("name", "said"), [("gone", "is not there"), ("a.jpg", "is not a folder")])
def test_a_pool_that_is_no_folder_is_a_sentence(name: str, said: str, tmp_path: Path) -> None:
    lay_out(tmp_path, {"a.jpg": photo()})
    with pytest.raises(DataError, match=f"{name} {said}") as caught:
        read_unlabelled(tmp_path / name)
    assert caught.value.hint


def test_progress_counts_refused_photos_too(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    pool = lay_out(tmp_path, {"a.jpg": photo(1), "b.jpg": b"", "c.txt": ""})
    read_unlabelled(pool, lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_a_file_that_did_not_change_is_not_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = lay_out(tmp_path, {f"{number}.jpg": photo(number) for number in range(4)})
    first = read_unlabelled(pool)
    decoded: list[str] = []
    opens = unlabelled.Intake.open_photo

    def noted(intake: unlabelled.Intake, name: str) -> object:
        decoded.append(name)
        return opens(intake, name)

    monkeypatch.setattr(unlabelled.Intake, "open_photo", noted)
    (pool / "1.jpg").write_bytes(photo(11))
    same_size = photo(2)[:-1] + b"\0"
    (pool / "2.jpg").write_bytes(same_size)
    os.utime(pool / "2.jpg", ns=(0, time.time_ns()))
    (pool / "3.jpg").unlink()
    (pool / "4.jpg").write_bytes(photo(4))
    again = read_unlabelled(pool, known=first.known)
    assert decoded == ["1.jpg", "2.jpg", "4.jpg"]
    assert again.photos == read_unlabelled(pool).photos
    assert again.photos[0] == first.photos[0]
    assert again.photos[2].photo_id != first.photos[2].photo_id


def test_a_known_name_that_leads_out_by_now_is_refused(tmp_path: Path) -> None:
    pool = lay_out(tmp_path / "pool", {"a.jpg": photo(1), "b.jpg": photo(2)})
    first = read_unlabelled(pool)
    (pool / "b.jpg").rename(tmp_path / "elsewhere.jpg")
    (pool / "b.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    again = read_unlabelled(pool, known=first.known)
    assert [refusal.kind for refusal in again.refusals] == ["link that leads out of the dataset folder"]
    assert again.photos == first.photos[:1]


def test_listed_paths_are_read_wherever_they_lie(tmp_path: Path) -> None:
    lay_out(tmp_path, {"x/a.jpg": photo(1), "y/b.png": photo(2, kind="PNG"), "y/clip.mp4": b"film"})
    paths = [str(tmp_path / name) for name in ("y/b.png", "x/a.jpg", "x/gone.jpg", "y/clip.mp4")]
    found = read_paths(paths)
    assert [each.path for each in found.photos] == [tmp_path / "y/b.png", tmp_path / "x/a.jpg"]
    assert [found.name_of(each) for each in found.photos] == [path.lstrip("/") for path in paths[:2]]
    assert [refusal.kind for refusal in found.refusals] == ["cannot be read", "not a photo by its suffix"]
    assert found.seen_count == 4
    assert read_paths(paths, known=found.known).photos == found.photos


def test_a_list_without_a_usable_photo_is_a_sentence() -> None:
    with pytest.raises(DataError, match="the dataset holds no photos"):
        read_paths([])


def test_names_follow_the_photos_that_are_left(tmp_path: Path) -> None:
    pool = lay_out(tmp_path, {"a.jpg": photo(1), "b.jpg": photo(2)})
    found = read_unlabelled(pool)
    left = replace(found, photos=found.photos[1:])
    assert [left.name_of(each) for each in left.photos] == ["b.jpg"]
    assert left.photos[0].photo_id == digest_of(photo(2))


def test_a_damaged_photo_is_refused_also_where_somebody_has_put_another_opener_into_pillow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def installs_packages(*_: object, **__: object) -> None:
        raise AssertionError("ultralytics' opener was called")

    monkeypatch.setattr("PIL.Image.open", installs_packages)
    found = read_unlabelled(lay_out(tmp_path, {"bad.jpg": b"no photo", "good.jpg": photo(1)}))
    assert [each.file for each in found.refusals] == ["bad.jpg"]
    assert len(found.photos) == 1
