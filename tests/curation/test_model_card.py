"""What a model card says, and what it must not leave out."""

from dataclasses import replace
from pathlib import Path

import pytest

from curation.card_facts import CardFacts, facts_of
from curation.model_card import WITH_GLIGEN, WITH_ULTRALYTICS, card_of
from curation.traces import history_of
from tests.curation.small_rounds import GIVEN, SmallRounds, finding
from training.records import ModelVersion


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallRounds:
    monkeypatch.setattr("os.fsync", lambda _: None)
    return SmallRounds(tmp_path)


def facts(world: SmallRounds, version: ModelVersion, *, drawn: bool = False, source: str = "yard") -> CardFacts:
    return facts_of(history_of(world.ledger), version, source=source, drawn=drawn)


def section(card: str, title: str) -> str:
    return card.split(f"## {title}\n")[1].split("\n## ", maxsplit=1)[0]


def test_a_candidate_tells_what_it_learned_from_by_class_and_how_it_was_verified(world: SmallRounds) -> None:
    candidate = world.play()
    card = card_of(facts(world, candidate))
    assert str(candidate.trained_on) in card
    told = section(card, "What it learned from")
    assert "3 real photos and 2 synthetic pictures, in a list of 5 entries." in told
    assert "| disc | 3 | 3 | 0 | 0 |" in told
    assert "| square | 3 | 3 | 2 | 2 |" in told
    assert "2 (100%) right by construction" in told
    assert "accepted by people: 1; by rule, without a look: 1" in told
    assert f"{GIVEN.model_id[:12]}, given: what it learned from is not known here" in told
    assert "| lr0 | 0.001 |" in section(card, "How it was trained")


def test_a_control_learned_from_repeated_photos_alone(world: SmallRounds) -> None:
    world.play()
    control = next(each for each in history_of(world.ledger).models.values() if each.origin == "control")
    told = section(card_of(facts(world, control)), "What it learned from")
    assert "3 real photos and 0 synthetic pictures, in a list of 5 entries." in told
    assert "Labels of the synthetic pictures" not in told


def test_how_it_was_judged_holds_intervals_openings_verdict_and_attribution(world: SmallRounds) -> None:
    told = section(card_of(facts(world, world.play())), "How it was judged")
    for part in (
        "on test: **0.500 [0.450, 0.550]** with its 95 % interval, over 60 photos",
        "| square | 12 | 12 | 0.500 [0.450, 0.550] |",
        "where it was the candidate: **promoted**",
        "whether the pictures did it: **cannot tell**",
        "opened 2 times",
        "each arm was trained with 2 seeds",
    ):
        assert part in told


def test_weak_findings_are_those_of_the_round_that_began_with_it(world: SmallRounds) -> None:
    candidate = world.play()
    assert "Nobody has looked yet" in section(card_of(facts(world, candidate)), "Known weak findings")
    world.begin(candidate)
    told = section(card_of(facts(world, candidate)), "Known weak findings")
    assert "Confirmed on val in round 2" in told
    assert "**square**: recall 0.46 against 0.84 of other classes, gap +0.38 [+0.33, +0.43]" in told
    assert "small square" not in told, "a simpler finding explains it"
    assert "disc" not in told, "it is open"


def test_none_found_is_not_none_there(world: SmallRounds) -> None:
    told = card_of(replace(facts(world, world.play()), weak_round=2, weak=()))
    assert "That does not mean that there are none." in told


def test_many_weak_findings_are_counted(world: SmallRounds) -> None:
    many = tuple(finding(str(number), gain=number / 100) for number in range(30))
    told = section(card_of(replace(facts(world, world.play()), weak_round=2, weak=many)), "Known weak findings")
    assert "* and 10 more" in told


def test_a_brought_model_says_that_its_past_and_its_terms_are_not_known(world: SmallRounds) -> None:
    card = card_of(facts(world, GIVEN))
    assert "what it learned from is not known here" in card
    assert "First weights: to be stated by you" in card
    assert "nothing here says how good it is" in section(card, "How it was judged")
    assert "It was not judged on test" in section(card, "Limits")


def test_a_model_that_only_val_knows_says_that_test_has_not_seen_it(world: SmallRounds) -> None:
    world.begin(GIVEN)
    told = section(card_of(facts(world, GIVEN)), "How it was judged")
    assert "it was not judged on test" in told
    assert "on val: **0.400" in told


def test_licences_name_the_generator_where_it_or_an_ancestor_learned_from_drawn_pictures(world: SmallRounds) -> None:
    candidate = world.play()
    known = facts(world, candidate)
    assert known.learned is not None
    assert WITH_ULTRALYTICS in card_of(known)
    assert WITH_GLIGEN not in card_of(known)
    drawn = replace(known.learned, backends={"gligen-inpaint": 2})
    assert WITH_GLIGEN in card_of(replace(known, learned=drawn))
    assert WITH_GLIGEN in card_of(replace(known, ancestors=((GIVEN, drawn),)))


LIMITS = {
    # name: what differs, what is said
    "few photos": ({}, "On fewer than 50 test photos, so the interval is unreliable: square."),
    "drawn photos": ({"drawn": True}, "not verified on real photos"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_told_where_they_hold(world: SmallRounds, name: str) -> None:
    changes, said = LIMITS[name]
    told = card_of(replace(facts(world, world.play()), **changes))
    assert said in section(told, "Limits")


def test_real_photos_are_not_called_drawn_and_a_promoted_model_not_refused(world: SmallRounds) -> None:
    card = card_of(facts(world, world.play()))
    assert "not verified on real photos" not in card.lower()
    assert "did not promote" not in card


def test_what_its_round_did_not_promote_says_so(world: SmallRounds) -> None:
    card = card_of(facts(world, world.play(promoted=False)))
    assert "Its round did not promote it: the verdict was inconclusive." in section(card, "Limits")


def test_unverified_pictures_and_a_single_seed_are_limits(world: SmallRounds) -> None:
    known = facts(world, world.play())
    assert known.learned is not None
    assert known.decision is not None
    worse = replace(
        known,
        learned=replace(known.learned, verified={"judged": 1, "unverified": 1}),
        decision=known.decision.model_copy(update={"seeds": 1}),
    )
    card = card_of(worse)
    assert "1 (50%) unverified: nobody has checked that the labels are right" in card
    assert "1 synthetic picture with labels that nobody has checked" in section(card, "Limits")
    assert "With one seed" in section(card, "Limits")


def test_names_cannot_become_markdown_or_another_line(world: SmallRounds) -> None:
    nasty = "a|b\n# c <script> [x](y) `z`"
    known = facts(world, world.play(), source=nasty)
    model = known.model.model_copy(update={"classes": (nasty,)})
    weak = (finding(words=nasty, versus=nasty),)
    card = card_of(replace(known, model=model, weak_round=2, weak=weak))
    assert nasty not in card
    assert "<script>" not in card.replace("\\<script\\>", "")
    assert "a\\|b \\# c" in card
    assert not any(line.startswith("# c") for line in card.splitlines())
