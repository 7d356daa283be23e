"""The configuration: every problem at once, with its dotted key; nothing of YAML's magic gets in."""

from pathlib import Path

import pytest
import yaml

from curation.config import Config, load_config, parse_config
from training.errors import ConfigError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "curate.yaml"


def problems(text: str, path: Path) -> list[str]:
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.exit_code == 2
    assert caught.value.hint
    first, *rest = caught.value.message.splitlines()
    assert str(path) in first
    return [line.strip() for line in rest] or [first]


def test_five_mistakes_are_reported_at_once(path: Path) -> None:
    found = problems(
        """
        evaluate: {min_scoer: 0.3, replicates: 5}
        trainign: {batch: 8}
        training: {batch: many}
        mix: {max_synthetic_share: 1.5}
        """,
        path,
    )
    assert sorted(found) == [
        "evaluate.replicates: input should be greater than or equal to 100, got 5",
        "mix.max_synthetic_share: input should be less than 1, got 1.5",
        "training.batch: input should be a valid integer, unable to parse string as an integer, got 'many'",
        "unknown key 'evaluate.min_scoer' (did you mean 'min_score'?)",
        "unknown key 'trainign' (did you mean 'training'?)",
    ]


def test_one_mistake_is_not_called_problems(path: Path) -> None:
    path.write_text("evaluate: {min_score: 2}")
    with pytest.raises(ConfigError, match=r"^1 problem in "):
        load_config(path)


MISTAKES = {
    # what: text, what is said
    "section misspelt": ("Generat: {}", "unknown key 'Generat' (did you mean 'generate'?)"),
    "nothing like it": ("zzz: {}", "unknown key 'zzz'"),
    "nothing like it in the section": ("training: {zzz: 1}", "unknown key 'training.zzz'"),
    "text for a number": (
        "analyze: {max_q: low}",
        "analyze.max_q: input should be a valid number, unable to parse string as a number, got 'low'",
    ),
    "list for a number": ("analyze: {max_q: [0.1]}", "analyze.max_q: input should be a valid number, got [0.1]"),
    "half a picture": (
        "generate: {pictures: 1.5}",
        "generate.pictures: input should be a valid integer, got a number with a fractional part, got 1.5",
    ),
    "not a number": ("evaluate: {min_score: .nan}", "evaluate.min_score: input should be a finite number, got nan"),
    "endless": ("training: {lr0: .inf}", "training.lr0: input should be a finite number, got inf"),
    "number for a section": ("training: 5", "training: should be a section of keys, got 5"),
    "list for a section": ("training: [batch]", "training: should be a section of keys, got ['batch']"),
    "a key that is a number": ("5: {}", "5: keys should be strings, got 5"),
    "unknown device": (
        "training: {device: gpu}", "training.device: string should match pattern '^(auto|cpu|[0-9]+)$', got 'gpu'",
    ),
    "a setting of ultralytics that is none": (
        "training: {overrides: {mosiac: 0.5}}",
        "training.overrides.mosiac: no such setting (did you mean 'mosaic'?)",
    ),
    "a setting of ultralytics that has a place of its own": (
        "training: {overrides: {lr0: 0.5}}", "training.overrides.lr0: set training.lr0 instead",
    ),
    "word for a switch": (
        "run: {wait_for_review: perhaps}",
        "run.wait_for_review: input should be a valid boolean, unable to interpret input, got 'perhaps'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_dotted_key(path: Path, name: str) -> None:
    text, said = MISTAKES[name]
    assert problems(text, path) == [said]


BROKEN = {
    "a list": ("- evaluate\n- analyze", "must hold sections of keys, got list"),
    "a word": ("evaluate", "must hold sections of keys, got str"),
    "a switch": ("false", "must hold sections of keys, got bool"),
    "an empty list": ("[]", "must hold sections of keys, got list"),
    "an open bracket": ("evaluate:\n  min_score: [1", "is not YAML: line 2: expected ',' or ']'"),
    "a tab": ("evaluate:\n\tmin_score: 1", "is not YAML: line 2: found character '\\t'"),
    "a section that stands twice": ("mix: {}\nrun: {}\nmix: {}", "is not YAML: line 3: 'mix' stands twice"),
    "a key that stands twice": ("mix:\n  max_synthetic_share: 1\n  max_synthetic_share: 2", "line 3: 'max_synth"),
    "a list as a key": ("? [1]\n: 2", "is not YAML: line 1: found unhashable key"),
    "a control character": ("mix: \x07", "is not YAML: unacceptable character"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_configuration_is_told_with_its_line(path: Path, name: str) -> None:
    text, said = BROKEN[name]
    (found,) = problems(text, path)
    assert said in found


def test_bytes_that_are_no_text_are_refused(path: Path) -> None:
    path.write_bytes(b"evaluate: \xff\xfe")
    with pytest.raises(ConfigError, match="is not YAML"):
        load_config(path)


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.mkdir ['made']", "!!python/name:os.system", "!!python/object/new:os.system [true]"],
)
def test_yaml_that_would_run_code_is_refused_and_does_not_run(
    path: Path, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    (found,) = problems(f"evaluate: {tag}", path)
    assert "could not determine a constructor" in found
    assert not (path.parent / "made").exists()


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "{}", "evaluate:\n# min_score: 0.3\nrun:\n"])
def test_what_is_not_set_has_its_default(path: Path, text: str) -> None:
    path.write_text(text)
    assert load_config(path) == Config()


def test_set_values_arrive_and_the_rest_keeps_its_default(path: Path) -> None:
    path.write_text("evaluate: {min_score: 1e-1}\ndatabase: {uri: 'mongodb://127.0.0.1'}\ntraining: {device: 0}\n")
    config = load_config(path)
    assert (config.evaluate.min_score, config.database.uri, config.training.device) == (0.1, "mongodb://127.0.0.1", "0")
    assert config.evaluate.replicates == Config().evaluate.replicates
    assert config.analyze == Config().analyze


def test_a_configuration_written_out_reads_back(path: Path) -> None:
    path.write_text(yaml.safe_dump(Config().plain()))
    assert load_config(path) == Config()


def test_a_missing_file_says_what_makes_one(path: Path) -> None:
    with pytest.raises(ConfigError, match="is missing") as caught:
        load_config(path)
    assert "curate init" in caught.value.hint


def test_a_folder_in_its_place_is_an_error_with_a_hint(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load_config(path)
    assert caught.value.hint


def test_the_name_of_the_file_is_in_the_message() -> None:
    with pytest.raises(ConfigError, match=r"1 problem in demo\.yaml"):
        parse_config({"zzz": 1}, name="demo.yaml")
