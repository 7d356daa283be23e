"""What a person reads after `curate analyze`."""

from typing import Any

import pytest

from curation.finding_lines import findings_lines
from curation.records import Action, Briefs, Finding, Findings, KindGain, Shortage, Suspects
from curation.wording import cells_of
from training.records import FileRef, Interval


def finding(number: int = 1, words: str = "small cone", status: str = "confirmed", **changes: Any) -> Finding:
    given: dict[str, Any] = {
        "finding_id": f"f{number}", "conditions": (), "origin": "pre-specified", "tested_on": "val", "label": "cone",
        "size": "small", "words": words, "versus": "other cone", "status": status, "objects": 76, "photos": 54,
        "recall": 0.46, "recall_rest": 0.84, "effect": Interval(value=0.38, low=0.26, high=0.48, photos=54),
        "p": 0.0001, "q": 0.0123, "gain": 0.081, "missed": {"cone": 41},
        "objects_to_settle": 140 if status == "open" else None, "evidence": (), "view": f"view of f{number}",
    }  # fmt: skip
    return Finding.model_validate(given | changes)


def shortage(**changes: Any) -> Shortage:
    given: dict[str, Any] = {
        "finding_id": "s1", "conditions": (), "label": "vest", "size": None, "words": "vest, colour: pink",
        "why": "few", "train_objects": 3, "val_objects": 12, "val_photos": 9, "recall": 0.25, "gain": 0.02,
        "evidence": (), "view": "view of s1",
    }  # fmt: skip
    return Shortage.model_validate(given | changes)


def findings(*found: Finding, **more: Any) -> Findings:
    return Findings(findings=found, split="val", min_effect=0.1, max_q=0.05, **more)


def briefs(finding_id: str = "f1", action: str = "generate", pictures: int = 60, share: float = 0.6) -> Briefs:
    taken = Action(finding_id=finding_id, action=action, pictures=pictures, share=share, reason="")  # type: ignore[arg-type]
    return Briefs(actions=(taken,), briefs=(), note="")


def rows(lines: list[str]) -> list[str]:
    """Give the lines of the table without its heading, spaces folded."""
    start = next(number for number, line in enumerate(lines) if line.startswith("status"))
    end = next(number for number, line in enumerate(lines) if line.startswith("AP50"))
    return [" ".join(line.split()) for line in lines[start + 1 : end]]


def test_a_confirmed_finding_shows_its_numbers_what_is_done_and_its_share() -> None:
    lines = findings_lines(findings(finding()), briefs(), 100)
    assert lines[0] == "1 slice tested on val: 1 confirmed, 0 open, 0 refuted"
    assert rows(lines) == ["confirmed small cone 0.46/0.84 0.38 ± 0.12 76/54 0.012 generate 60 60%"]
    assert "1 saved view in FiftyOne, the first: view of f1" in lines


def test_what_matters_stands_first_and_the_models_proposals_are_marked() -> None:
    found = findings(
        finding(1, "refuted one", "refuted"),
        finding(2, "open one", "open"),
        finding(3, "explained one", explained_by="f5"),
        finding(4, "proposed one", "refuted", origin="llm", claim="it may be hard"),
        finding(5, "small gain"),
        finding(6, "large gain", gain=0.2),
        shortages=(shortage(),),
    )
    starts = [row.split(" 0.")[0] for row in rows(findings_lines(found, None, 120))]
    assert starts == [
        "confirmed large gain",
        "confirmed small gain",
        "rare vest, colour: pink",
        "refuted LLM: proposed one",
        "explained explained one",
        "open open one",
        "refuted refuted one",
    ]


ACTIONS = {
    "generate": ("confirmed", briefs(), "generate 60 60%"),
    "label": ("confirmed", briefs(action="label", pictures=0, share=0), "label photos –"),
    "fix labels": ("confirmed", briefs(action="fix labels", pictures=0, share=0), "fix labels –"),
    "nothing": ("confirmed", briefs(action="nothing", pictures=0, share=0), "nothing –"),
    "not planned yet": ("confirmed", None, "– –"),
    "open": ("open", None, "needs ~140 –"),
}


@pytest.mark.parametrize(("state", "made", "text"), ACTIONS.values(), ids=ACTIONS.keys())
def test_a_finding_shows_what_is_done_about_it(state: str, made: Briefs | None, text: str) -> None:
    (row,) = rows(findings_lines(findings(finding(status=state)), made, 100))
    assert row.endswith(text)


def test_error_kinds_suspects_and_notes_are_told() -> None:
    ref = FileRef(name="table.npz", digest="0" * 24)
    found = findings(
        finding(),
        kinds=(
            KindGain(kind="missed", label=None, count=41, ap_gain=0.12),
            KindGain(kind="both", label=None, count=1, ap_gain=0.0),
            KindGain(kind="missed", label="cone", count=41, ap_gain=0.3),
        ),
        suspects=Suspects(table=ref, counts={"train": {"duplicate label": 7}, "val": {}}, view="round 1: suspects"),
        note="val is small",
    )
    text = "\n".join(findings_lines(found, None, 120))
    assert "AP50 that mending each kind of error would return: missed +0.120 (41)\n" in text
    assert "suspected labels, to be looked at: 7 duplicate label on train (view: round 1: suspects)" in text
    assert "val is small" in text


@pytest.mark.parametrize("width", [80, 100, 120])
def test_long_names_never_cost_status_recall_or_action(width: int) -> None:
    long = finding(words="medium hard hat, photo brightness: low (< 0.31), camera: the one above the gate")
    lines = findings_lines(findings(long, shortages=(shortage(),)), briefs(), width)
    assert max(map(cells_of, lines)) <= width
    first = rows(lines)[0]
    assert first.startswith("confirmed medium")
    assert "0.46/0.84" in first
    assert "generate 60" in first
