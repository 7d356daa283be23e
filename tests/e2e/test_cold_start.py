"""From no photos to a first model, command by command; weights are tiny and random, so this is plumbing."""

import json
import re
from pathlib import Path

import pytest
import yaml
from tokenizers import Tokenizer, models, trainers
from transformers import CLIPTokenizer

from tests.e2e.conftest import curate
from tests.generation import tiny_judge, tiny_pipeline

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = """
generator: {{model: {weights}, steps: 2, batch_count: 4}}
verify: {{{verify}}}
training: {{model: tiny, imgsz: 64, scratch_updates: 10, batch: 4, device: cpu}}
"""
COUNT = 12


def tokenizer_of(words: list[str]) -> CLIPTokenizer:
    """Make a tokenizer that knows each word whole, as the real one knows most: prompts are as long as they would be."""
    taught = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    taught.train_from_iterator(words, trainers.BpeTrainer(vocab_size=20_000, end_of_word_suffix="</w>"))
    merges = [tuple(pair) for pair in json.loads(taught.to_str())["model"]["merges"]]
    letters = [character for word in words for character in word] + list(",.-0123456789")
    tokens = sorted({*letters, *(f"{letter}</w>" for letter in letters)}) + ["".join(pair) for pair in merges]
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    vocab = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=77)


def cold_folder(folder: Path, config: str, monkeypatch: pytest.MonkeyPatch, verify: str = "backend: none") -> Path:
    """Start from a shipped configuration, with weights that know its words and settings that are quick."""
    said = {"photo", "of", "lowres", "worst", "quality", "low"}
    words = sorted(said | set(re.findall(r"[a-z]+", (CONFIGS / config).read_text().lower())))
    for module in (tiny_pipeline, tiny_judge):
        monkeypatch.setattr(module, "tokenizer", lambda: tokenizer_of(words))
    weights = tiny_pipeline.save(folder / "gligen")
    said = curate("init", folder / "ws", "--cold-start", CONFIGS / config)
    assert said.splitlines()[-1] == f"next: curate generate -C {folder / 'ws'} --images 75000 --dry-run"
    with (folder / "ws" / "curate.yaml").open("a") as file:
        file.write(SMALL.format(weights=weights, verify=verify))
    return folder / "ws"


def test_a_first_model_is_trained_from_a_vocabulary_alone(
    tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = cold_folder(tmp_path, "ppe.yaml", monkeypatch)
    said = curate("generate", "--images", COUNT, "--dry-run", "-C", ws)
    assert "h on one H200" in said
    assert not (ws / "cold" / "images").exists()
    requests = (ws / "cold" / "requests.jsonl").read_bytes()
    assert len(requests.splitlines()) == COUNT

    other = tmp_path / "other"
    part = json.loads(
        curate(
            "generate",
            "-C",
            ws,
            "--requests",
            ws / "cold" / "requests.jsonl",
            "--out",
            other,
            "--shard",
            "1/2",
            "--json",
        )
    )
    assert (part["lines"], part["pictures"], part["errors"]) == (6, 6, 0)

    came = json.loads(curate("generate", "--images", COUNT, "-C", ws, "--json"))
    assert (came["pictures"], came["errors"], came["verified"]) == (COUNT, 0, {"unverified": COUNT})
    assert (ws / "cold" / "requests.jsonl").read_bytes() == requests
    pictures = {path: path.stat().st_mtime_ns for path in (ws / "cold").glob("images/*/*.jpg")}
    shared = {path.name: path.read_bytes() for path in other.glob("images/*/*.jpg")}
    assert len(shared) == COUNT // 2
    assert shared.items() <= {path.name: path.read_bytes() for path in pictures}.items(), "wherever they are drawn"
    curate("generate", "--images", COUNT, "-C", ws)
    assert pictures == {path: path.stat().st_mtime_ns for path in (ws / "cold").glob("images/*/*.jpg")}
    said = curate("generate", "--images", COUNT + 1, "-C", ws, expect=4)
    assert "pictures of another plan" in said

    said = curate("retrain", "-C", ws)
    assert "not verified on real photos" in said
    weights = ws / "cold" / "model.pt"
    assert said.splitlines()[-1] == f"next: curate init WS --from YOUR_PHOTOS --model {weights}"
    model = json.loads((ws / "cold" / "model.json").read_text())
    assert (model["pictures"], model["note"]) == (COUNT, "not verified on real photos")
    state = json.loads(curate("status", "-C", ws, "--json"))["cold"]
    assert (state["planned"], state["drawn"], state["model"]) == (COUNT, COUNT, model["model_id"])
    assert [(row["label"], row["val"], row["test"]) for row in state["label_first"]] == [
        (label, 50, 50) for label in ("person", "hard_hat", "safety_vest")
    ]
    assert "not verified on real photos" in curate("status", "-C", ws)
    said = curate("analyze", "-C", ws, expect=2)
    assert "cold start without photos" in said
    brought = json.loads(curate("init", tmp_path / "real", "--from", drawn, "--model", weights, "--json"))
    assert brought["model_id"] == model["model_id"]


def test_a_judge_refuses_noise_and_without_one_the_other_configuration_gives_a_model_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = tmp_path / "judge"
    ws = cold_folder(tmp_path, "housekeeping.yaml", monkeypatch, f"model: {judge}, max_tries: 1, min_score: 0.95")
    plan = json.loads(curate("generate", "--images", COUNT, "--dry-run", "-C", ws, "--json"))
    classes = list(yaml.safe_load((CONFIGS / "housekeeping.yaml").read_text())["vocabulary"]["classes"])
    assert plan["classes"] == classes
    assert sorted(plan["pictures"].values()) == [1, 1, 1, 1, 2, 2, 2, 2]
    assert not (ws / "cold" / "images").exists()

    tiny_judge.save_judge(judge)
    said = curate("generate", "--images", COUNT, "-C", ws, expect=4)
    assert "12 of 12 pictures were refused" in said
    assert "12 refused by the judge" in curate("status", "-C", ws)
    assert "no picture to learn from" in curate("retrain", "-C", ws, expect=4)

    settings = (ws / "curate.yaml").read_text()
    (ws / "curate.yaml").write_text(settings.replace(f"model: {judge}, max_tries: 1, min_score: 0.95", "backend: none"))
    assert "8 pictures unverified" in curate("generate", "--images", len(classes), "-C", ws)
    assert "not verified on real photos" in curate("retrain", "-C", ws)
