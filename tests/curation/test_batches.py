"""A file of requests on the command line: classes, settings, and what is said where nothing came of it."""

import json
from pathlib import Path

import pytest
import yaml

from curation.batches import config_in, draw_file
from curation.config import Config, parse_config
from curation.painters import Permissions
from training.errors import CurateError, DataError, UsageError

INTO_A_PHOTO = {"backend": "gligen-inpaint", "seed": 0, "prompt": "p", "objects": [], "background_id": "b"}
WORDS = parse_config({"vocabulary": {"classes": {"vest": {}, "cone": {}}}}, name="it")


def file_of(folder: Path, *lines: dict) -> Path:
    path = folder / "requests.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def draw(path: Path, out: Path, config: Config = WORDS, shard: tuple[int, int] = (1, 1)):
    return draw_file(path, out, config=config, allowed=Permissions(), shard=shard)


def test_a_file_that_gives_no_picture_is_an_error_that_says_why_and_the_manifest_stays(tmp_path: Path) -> None:
    path = file_of(tmp_path, INTO_A_PHOTO, {})
    with pytest.raises(CurateError, match=r"none of 2 lines .* the first because: needs a workspace") as caught:
        draw(path, tmp_path / "out")
    assert caught.value.exit_code == 4
    assert len((tmp_path / "out" / "manifest.jsonl").read_text().splitlines()) == 2


def test_classes_are_those_of_the_vocabulary_and_a_folder_is_found_again_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = file_of(tmp_path, {})
    for _ in range(2):  # the second one reads the data.yaml of the first
        with pytest.raises(CurateError, match="none of 1 lines"):
            draw(path, Path("out"))
    assert yaml.safe_load(Path("out/data.yaml").read_text())["names"] == {0: "vest", 1: "cone"}


def test_a_shard_without_lines_is_no_error(tmp_path: Path) -> None:
    result = draw(file_of(tmp_path, {}), tmp_path / "out", shard=(2, 2))
    assert (result.lines, result.manifest) == (0, "manifest-2-of-2.jsonl")


def test_what_cannot_be_meant_is_said_before_anything_is_written(tmp_path: Path) -> None:
    path = file_of(tmp_path, {})
    with pytest.raises(UsageError, match="no shard 3 of 2"):
        draw(path, tmp_path / "out", shard=(3, 2))
    with pytest.raises(DataError, match="cannot read"):
        draw(tmp_path / "nothing", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_settings_are_those_of_the_folder_or_the_defaults(tmp_path: Path) -> None:
    assert config_in(tmp_path) == Config()
    (tmp_path / "curate.yaml").write_text("generator: {steps: 7}\n")
    assert config_in(tmp_path).generator.steps == 7
