"""What both arms of a round show, across rounds and seeds, and what is kept of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.ablation import leave_out
from curation.ledger import RoundFolder
from curation.records import Batch, Decision, Payoffs, Pool, Review, TrainedArms
from tests.curation.test_loop import COUNTS, MACHINE, SMALL, World
from training.errors import UsageError
from training.files import digest_of
from training.records import TrainingFile, TrainingMix


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world in which every arm finds what the champion finds."""
    world = World(tmp_path)
    world.finds_squares = "none"
    return world


def played(world: World, config: dict[str, Any] | None = None, *, seeds: int = 1) -> RoundFolder:
    from curation.loop import play

    profile = MACHINE.model_copy(update={"seeds": seeds})
    return play(world.desk(SMALL | (config or {}), profile), "decide", may_review=True)


def record(folder: RoundFolder, step: str, kind: Any) -> Any:
    found = folder.read(step, kind)
    assert found is not None, step
    return found


def shown(folder: RoundFolder, arm: str) -> set[str]:
    """Give the ids of the synthetic pictures in an arm's list."""
    mixed = record(folder, "mix", TrainingMix)
    return {file.picture_id for file in folder.load_lines(getattr(mixed, arm).files, TrainingFile) if file.synthetic}


# --- seeds


def test_each_arm_is_trained_with_every_seed_the_first_pair_first(world: World) -> None:
    folder = played(world, {"training": {"seed": 7}}, seeds=3)
    trained = [(arm.name, settings.seed) for arm, _, settings, _ in world.trained]
    assert trained == [(name, seed) for seed in (7, 8, 9) for name in ("control", "candidate")]
    arms = record(folder, "train", TrainedArms)
    assert (len(arms.control), len(arms.candidate), arms.settings.seed) == (3, 3, 7)
    decision = record(folder, "decide", Decision)
    assert decision.seeds == 3
    assert decision.attributed == "the pictures did not do it", "control and candidate agree on every photo"


def test_with_one_seed_nothing_is_said_to_be_the_pictures_doing(world: World) -> None:
    world.finds_squares = "candidate"
    decision = record(played(world), "decide", Decision)
    assert decision.outcome == "promoted"
    assert decision.attributed == "cannot tell"
    assert "one seed" in decision.attribution


def test_with_several_seeds_that_agree_the_pictures_did_it(world: World) -> None:
    world.finds_squares = "candidate"
    assert record(played(world, seeds=3), "decide", Decision).attributed == "the pictures did it"


# --- pictures of earlier rounds


def test_pictures_of_an_earlier_round_stay_in_both_arms(world: World) -> None:
    first, second = played(world), played(world)
    accepted = shown(first, "candidate")
    assert accepted
    assert shown(first, "control") == set()
    assert shown(second, "control") == accepted
    assert shown(second, "candidate") > accepted
    assert record(second, "pool", Pool).withdrawn == {}
    mixed = record(second, "mix", TrainingMix)
    assert mixed.control.length == mixed.candidate.length
    assert mixed.new_count == len(shown(second, "candidate") - accepted)


def test_a_picture_that_somebody_rejected_since_is_used_no_longer(world: World) -> None:
    first = played(world)
    gone = min(shown(first, "candidate"))
    world.board.decided = {gone: False}
    second = played(world)
    assert gone not in shown(second, "control")
    assert record(second, "pool", Pool).withdrawn == {"rejected by hand since": 1}


def test_a_picture_made_from_labels_that_were_edited_is_used_no_longer(world: World) -> None:
    first = played(world)
    pictures = len(shown(first, "candidate"))
    read = world.board.read
    edited = read.labels.xyxy.copy()
    edited[:, 3] -= 0.001
    world.board.read = replace(
        read,
        labels=replace(read.labels, xyxy=edited, id=np.array([digest_of(["edited", n]) for n in range(len(edited))])),
    )
    assert record(played(world), "pool", Pool).withdrawn == {"labels edited since": pictures}


def test_a_picture_of_a_photo_that_left_train_is_used_no_longer(world: World) -> None:
    first = played(world)
    pictures = len(shown(first, "candidate"))
    read = world.board.read
    split = np.where(read.images.split == "train", "val", np.where(np.arange(len(read.images)) < 90, "train", "test"))
    world.board.read = replace(read, images=replace(read.images, split=split))
    second = played(world)
    assert record(second, "pool", Pool).withdrawn == {"made from photos not in train": pictures}
    assert shown(second, "control") == set()


# --- suspected labels


def test_photos_with_a_suspected_label_are_left_out_of_both_arms_alike(world: World) -> None:
    read = world.board.read
    twin = read.labels.take(np.array([0]))
    twin = replace(twin, id=np.array(["f" * 24]))  # a second label in the same place
    table = {name: np.concatenate([getattr(read.labels, name), getattr(twin, name)]) for name in vars(twin)}
    world.board.read = replace(read, labels=type(twin)(**table))
    folder = played(world, {"training": {"skip_suspect": True}})
    mixed = record(folder, "mix", TrainingMix)
    assert mixed.left_out == 1
    for _, lessons, *_ in world.trained:
        real = {lesson.file.picture_id for lesson in lessons if not lesson.file.synthetic}
        assert len(real) == COUNTS["train"] - 1
        assert str(read.images.id[0]) not in real


# --- what the pictures did


def test_each_finding_is_credited_with_what_its_own_pictures_did_on_val(world: World) -> None:
    world.finds_squares = "candidate"
    folder = played(world, seeds=2)
    (payoff,) = record(folder, "payoff", Payoffs).findings
    assert payoff.words == "square"
    assert (payoff.champion, payoff.control, payoff.candidate, payoff.gain.value) == (0, 0, 1, 1)
    assert payoff.verdict == "pays"
    assert payoff.pictures == record(folder, "mix", TrainingMix).new_count


def test_a_finding_whose_pictures_did_not_pay_twice_is_left_to_people(world: World) -> None:
    reviews = [record(played(world, seeds=2), "review", Review) for _ in range(2)]
    assert all(review.accepted for review in reviews)
    third = played(world, seeds=2)
    assert record(third, "generate", Batch).made == 0
    assert "did not pay in rounds 1 and 2" in third.path.joinpath("brief.json").read_text()


# --- a candidate without a finding's pictures


def test_a_candidate_without_a_findings_pictures_is_equal_but_for_them_and_judged_on_val_alone(world: World) -> None:
    world.finds_squares = "candidate"
    folder = played(world)
    finding = record(folder, "payoff", Payoffs).findings[0].finding_id
    world.trained.clear()
    world.judged.clear()
    found = leave_out(world.desk(SMALL), finding[:6])
    ((arm, lessons, settings, _),) = world.trained
    mixed = record(folder, "mix", TrainingMix)
    assert (arm.name, arm.length, arm.synthetic_count) == ("without", mixed.candidate.length, 0)
    assert not any(lesson.file.synthetic for lesson in lessons)
    assert settings == mixed.settings
    assert {split for _, split in world.judged} == {"val"}
    assert (found.words, found.pictures) == ("square", mixed.new_count)
    assert found.payoff.gain.value == 1, "what finds squares is the candidate with the pictures"
    assert found.mean_ap.value == pytest.approx(0.5, abs=0.01), "one class of two"
    assert found.mean_ap.low > 0


@pytest.mark.parametrize(("finding", "said"), [("ffff", "no findings"), ("", r"\d+ findings")], ids=["none", "several"])
def test_a_finding_must_be_named_clearly(world: World, finding: str, said: str) -> None:
    world.finds_squares = "candidate"
    played(world)
    with pytest.raises(UsageError, match=f"{said} of round 1 begin"):
        leave_out(world.desk(SMALL), finding)


def test_nothing_can_be_left_out_before_a_candidate_was_trained(world: World) -> None:
    with pytest.raises(UsageError, match="no round has trained a candidate yet"):
        leave_out(world.desk(SMALL), "abcd")
