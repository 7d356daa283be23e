"""What a person reads in the terminal: fits the screen, says what the records say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.columns import Column, table
from curation.finding_lines import findings_lines
from curation.records import Action, Briefs, ClassVerdict, Decision, Difference, Finding, Findings
from curation.screen import MAX_LINES, decision_lines, evaluation_lines
from curation.status import status_lines
from curation.wording import cells_of
from training.records import ClassScore, Evaluation, FileRef, Interval

REF = FileRef(name="table.npz", digest="0" * 24)
LONG = "forklift with a raised load that hides the driver"
HOSTILE = "\x1b[31mred\x1b[0m\n\u202egnp\x07"
WIDTHS = [60, 80, 100, 140]


def interval(value: float, photos: int = 60) -> Interval:
    return Interval(value=value, low=value - 0.071, high=value + 0.064, photos=photos)


def score(label: str, ap: float | None, photos: int = 60) -> ClassScore:
    return ClassScore(
        label=label,
        ap=None if ap is None else interval(ap, photos),
        ap50=ap,
        objects=3 * photos if ap is not None else 0,
        recall=ap,
        precision=0.62 if ap is not None else None,
        errors={"missed": 9, "background": 4, "class": 0} if ap is not None else {},
    )


def evaluation(scores: list[ClassScore]) -> Evaluation:
    return Evaluation(
        model_id="abcdef012345678901234567",
        images="1" * 24,
        split="val",
        min_score=0.25,
        mean_ap=interval(0.412, 87),
        mean_ap50=0.713,
        classes=tuple(scores),
        predictions=REF,
        matches=REF,
    )


def finding(number: int = 1, words: str = "small cone", status: str = "confirmed", effect: float = 0.38) -> Finding:
    return Finding(
        conditions=(),
        origin="pre-specified",
        tested_on="val",
        finding_id=f"f{number}",
        label="cone",
        size="small",
        words=words,
        versus="other cone",
        status=status,
        objects=76,
        photos=54,
        recall=0.46,
        recall_rest=0.84,
        effect=Interval(value=effect, low=effect - 0.12, high=effect + 0.1, photos=54),
        p=0.0001,
        q=0.0123,
        gain=0.081,
        missed={"cone": 41},
        objects_to_settle=140 if status == "open" else None,
        evidence=(),
        view="view",
    )


def findings(*found: Finding) -> Findings:
    return Findings(findings=found, split="val", min_effect=0.1, max_q=0.05)


def action(finding_id: str = "f1", name: str = "generate", pictures: int = 60) -> Action:
    return Action(finding_id=finding_id, action=name, pictures=pictures, share=0.6, reason="")


def decision(
    labels: list[str], verdict: str = "cannot be shown", sentence: str = "The candidate is better."
) -> Decision:
    verdicts = [
        ClassVerdict(label=label, verdict=verdict, photos=60, champion_ap=0.311, control_ap=0.322, candidate_ap=0.433)
        for label in labels
    ]
    return Decision(
        outcome="inconclusive",
        sentence=sentence,
        better=Difference(
            of="candidate − champion", mean_ap=interval(0.047, 72), classes=dict.fromkeys(labels, interval(0.122))
        ),
        pictures_did_it=Difference(of="candidate − control", mean_ap=interval(0.022, 72), classes={}),
        attributed="cannot tell",
        attribution="Not attributable: one seed.",
        classes=tuple(verdicts),
        settle="about 200 more test photos with a cone",
        openings=2,
        champion="c" * 24,
        models={"champion": "c" * 24, "control": "d" * 24, "candidate": "e" * 24},
    )


def status(rounds: int = 2, steps: int = 4) -> dict[str, object]:
    names = [f"step{number}" for number in range(steps)]
    done = {
        "steps": dict.fromkeys(names, "done"),
        "decision": "promoted",
        "elapsed_s": dict.fromkeys(names, 61.0),
    }
    open_round = {"steps": {**dict.fromkeys(names, "done"), "review": "waiting", "mix": None}, "decision": None}
    return {
        "champion": "c" * 24,
        "rounds": [
            *({"round": number + 1, **done} for number in range(rounds - 1)),
            {"round": rounds, **open_round, "elapsed_s": dict.fromkeys(names, 2.5)},
        ],
        "waiting_for": "review",
        "to_label": [],
    }


NAMES = {
    "plain": ["person", "cone", "vest"],
    "one": ["person"],
    "none": [],
    "eighty": [f"thing {number}" for number in range(80)],
    "long": [LONG, LONG + " again", "cone"],
    "wide": ["安全帽を着用していない作業員" * 3, "пешеход", "café\u0301", "👷"],
    "hostile": [HOSTILE, "<script>alert(1)</script>", "{{ 7 * 7 }}", ""],
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES.keys())
def test_every_table_fits_the_screen_whatever_the_names(names, width):
    slices = [finding(number, name, ("confirmed", "open", "refuted")[number % 3]) for number, name in enumerate(names)]
    many_briefs = Briefs(actions=tuple(action(each.finding_id) for each in slices), briefs=(), note=LONG * 20)
    tables = [
        evaluation_lines(evaluation([score(name, 0.3, photos=12) for name in names]), width),
        findings_lines(findings(*slices), many_briefs, width),
        decision_lines(decision(names, sentence=LONG * 20), width),
        status_lines(status(rounds=1 + len(names), steps=12), width),
    ]
    for lines in tables:
        assert len(lines) <= MAX_LINES
        assert max(map(cells_of, lines)) <= width
        assert not any(character in line for line in lines for character in "\x1b\n\x07\u202e")


@given(
    cells=st.lists(st.text(max_size=60), min_size=1, max_size=6),
    widths=st.integers(min_value=30, max_value=160),
    ranks=st.lists(st.integers(min_value=0, max_value=3), min_size=3, max_size=3),
)
def test_a_table_never_exceeds_its_width(cells, widths, ranks):
    from curation.wording import printable

    clean = [printable(cell) for cell in cells]
    columns = [Column("name", clean, stretch=True), *(Column("x", clean, rank=rank) for rank in ranks)]
    lines = table(columns, width=widths)
    assert len(lines) == len(cells) + 1
    assert max(map(cells_of, lines)) <= widths


def test_an_evaluation_shows_each_class_with_n_and_interval():
    lines = evaluation_lines(evaluation([score("person", 0.8), score("cone", 0.311, photos=12)]), 100)
    row = next(line for line in lines if line.startswith("cone"))
    assert row.split() == ["cone", "36", "12*", "0.311", "[0.240,", "0.375]", "0.31", "0.62", "missed", "9"]
    assert "mean AP 0.412 [0.341, 0.476] over 87 photos" in lines[0]
    assert "abcdef012345 on val" in lines[0]


def test_the_weakest_class_comes_first_and_a_class_without_objects_last():
    scores = [score("absent", None), score("strong", 0.9), score("weak", 0.1)]
    lines = evaluation_lines(evaluation(scores), 100)
    names = [line.split()[0] for line in lines if line.split()[:1] in (["absent"], ["strong"], ["weak"])]
    assert names == ["weak", "strong", "absent"]


def test_few_photos_are_marked_only_where_there_are_few():
    assert not any("*" in line for line in evaluation_lines(evaluation([score("cone", 0.3, photos=50)]), 100))
    lines = evaluation_lines(evaluation([score("cone", 0.3, photos=49)]), 100)
    assert any("fewer than 50 photos" in line for line in lines)


def test_classes_beyond_the_screen_are_counted():
    lines = evaluation_lines(evaluation([score(f"thing{number:02d}", 0.3) for number in range(80)]), 100)
    shown = sum(line.startswith("thing") for line in lines)
    assert f"and {80 - shown} more classes in report.html" in lines
    assert shown >= 10


def test_error_kinds_are_summed_over_all_classes_also_those_not_shown():
    lines = evaluation_lines(evaluation([score(f"thing{number}", 0.3) for number in range(80)]), 100)
    assert any("missed 720, background 320" in line for line in lines)


def test_a_decision_shows_both_claims_with_intervals_and_what_would_settle_it():
    text = "\n".join(decision_lines(decision(["cone"]), 100))
    assert text.startswith("INCONCLUSIVE: The candidate is better.")
    assert "is the model better: candidate − champion +0.047 [−0.024, +0.111] mean AP on 72 test photos" in text
    assert "did the pictures do it: candidate − control +0.022 [−0.049, +0.086] mean AP on 72 test photos" in text
    assert "Not attributable: one seed." in text
    assert "about 200 more test photos with a cone" in text
    assert "opened 2 times" in text
    row = next(line for line in text.splitlines() if line.startswith("cone"))
    assert " ".join(row.split()) == "cone 60 0.311 0.322 0.433 +0.122 [+0.051, +0.186] cannot be shown"


def test_a_difference_that_the_attribution_names_is_not_said_twice():
    named = decision(["cone"]).model_copy(update={"attribution": "not attributable: one seed; it is +0.022"})
    text = "\n".join(decision_lines(named, 100))
    assert text.count("+0.022") == 1
    assert "Not attributable: one seed; it is +0.022." in text


def test_the_outcome_is_not_said_twice():
    lines = decision_lines(decision(["cone"], sentence="Inconclusive: the gain may be chance."), 100)
    assert lines[0] == "INCONCLUSIVE: The gain may be chance."


def test_classes_that_got_worse_come_first():
    worse = decision(["lamp"], "worse").classes
    both = decision(["cone"]).model_copy(update={"classes": decision(["cone"], "better").classes + worse})
    lines = decision_lines(both, 100)
    assert [line.split()[0] for line in lines if line.startswith(("cone", "lamp"))] == ["lamp", "cone"]


def test_a_decision_without_training_is_only_its_sentence_and_classes():
    bare = decision([]).model_copy(update={"better": None, "pictures_did_it": None, "settle": ""})
    text = "\n".join(decision_lines(bare, 80))
    assert "candidate −" not in text
    assert "settle" not in text


def test_status_tells_the_champion_each_round_and_the_steps_of_the_open_one():
    lines = status_lines(status(), 80)
    assert lines[0] == "champion cccccccccccc, waiting for review"
    assert " ".join(lines[1].split()) == "round 1 promoted 4 min 04 s"
    assert " ".join(lines[2].split()) == "round 2 open 10 s"
    assert " ".join(lines[3].split()) == "step0 done 2.5 s"
    assert lines[-2].split() == ["review", "waiting"]
    assert lines[-1].split() == ["mix", "–"]


def test_status_of_a_new_workspace_says_that_nothing_has_started():
    lines = status_lines({"champion": None, "rounds": [], "waiting_for": None, "to_label": []}, 80)
    assert lines == ["champion none yet", "no round has been started"]


def test_old_rounds_are_counted_where_they_do_not_fit():
    lines = status_lines(status(rounds=40), 80)
    rounds = [line for line in lines if line.startswith("round")]
    assert rounds[-1].startswith("round  40")
    assert f"{40 - len(rounds)} earlier rounds in status --json" in lines
