"""Options that do not go together are refused before anything is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from curation.batches import shard_of
from curation.cold_shell import refuse_mixed, the_one
from training.errors import UsageError

FILE, NONE = (
    Path("r.jsonl"),
    {"requests": None, "out": None, "shard": None, "images": None, "dry_run": False, "redo": None},
)
MIXED = {
    # name: options, what is said
    "requests without a place": ({"requests": FILE}, "--requests needs --out"),
    "a place alone": ({"out": Path("out")}, "--out goes with --requests"),
    "a shard alone": ({"shard": "1/8"}, "--shard goes with --requests"),
    "requests and steps": ({"requests": FILE, "out": Path("out"), "redo": "plan"}, "--redo is for the steps"),
    "images and steps": ({"images": 3, "redo": "plan"}, "--redo is for the steps"),
    "images and requests": ({"requests": FILE, "out": Path("out"), "images": 3}, "do not go together"),
    "a dry run of a round": ({"dry_run": True}, "--dry-run goes with --images"),
}
FINE = {
    "a round": {},
    "a round again": {"redo": "plan"},
    "requests": {"requests": FILE, "out": Path("out"), "shard": "1/8"},
    "images": {"images": 3, "dry_run": True},
}


@pytest.mark.parametrize("name", MIXED)
def test_options_that_do_not_go_together_are_named_with_the_way_out(name: str) -> None:
    options, said = MIXED[name]
    with pytest.raises(UsageError, match=said) as caught:
        refuse_mixed(**NONE | options)
    assert caught.value.hint


@pytest.mark.parametrize("name", FINE)
def test_options_that_go_together_pass(name: str) -> None:
    refuse_mixed(**NONE | FINE[name])


@pytest.mark.parametrize("text", ["", "1", "1/", "a/b", "1/8/2", "-1/8", "1.0/8", " 1/8"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--shard takes"):
        shard_of(text)


def test_a_shard_is_which_of_how_many() -> None:
    assert shard_of("2/8") == (2, 8)
    assert shard_of(None) == (1, 1)


@pytest.mark.parametrize("given", ["--from", "--model"])
def test_a_cold_start_brings_no_photos_and_no_model(given: str) -> None:
    with pytest.raises(UsageError, match=given):
        the_one(FILE, {"--from": None, "--model": None, given: "x"})
    with pytest.raises(UsageError, match="needs photos or a cold start"):
        the_one(None, {})
    assert the_one(FILE, {"--from": None}) == FILE


def test_status_of_a_cold_start_is_light(tmp_path: Path) -> None:
    (tmp_path / "cold").mkdir()
    (tmp_path / "curate.yaml").touch()
    (tmp_path / "cold" / "start.json").write_text('{"source": "it", "classes": ["cone"], "min_photos": 50}')
    program = (
        "import sys\nfrom curation.cli import _quick_status\n"
        f"assert _quick_status(['status', '-C', {str(tmp_path)!r}])\n"
        "assert not {'numpy', 'pydantic', 'torch'} & set(sys.modules), set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "generate -C" in done.stdout
