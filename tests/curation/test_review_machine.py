"""A review as a state machine: whatever happens in whatever order, nothing is lost, resurrected or applied twice.

The truth that the journal is compared with is kept here, as plain stacks: a decision is pushed, an undo takes the
reviewer's last one off. The boards keep something else: lists that are only appended to, tags and verdicts.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from curation.decisions import Journal, take_over
from curation.journal import NAME, read_journal, write_journal
from curation.reviewing import _override
from generation.records import Verdict
from tests.curation.review_boards import DECIDED, Board, Box, ModelBoard, RealBoard, Seen, boxes_of, picture_of
from tests.curation.review_boards import real_board as serve

IDS = [f"d{number:023x}" for number in range(2)]  # few, so that much happens to each
PICTURES = [picture_of(each, [("cone", 0.1), ("vest", 0.6)]) for each in IDS]
BY_ID = {each.request_id: each for each in PICTURES}
ANN, BOB = "ann", "$bob"  # a name that a database could take for an expression
ID, WORD, REVIEWER = st.sampled_from(IDS), st.sampled_from(DECIDED), st.sampled_from([ANN, BOB])
Said = tuple[str, str]
"""Verdict and reviewer."""
RULE, TAG = "rule", "tag"
STEPS_A_START = 6
"""A database is killed after so many steps at the earliest: to start a real one takes as long as a hundred others."""


@dataclass
class Truth:
    """What is so of one picture, whatever the board makes of it."""

    boxes: list[Box]
    stack: list[Said] = field(default_factory=list)
    """The decisions that stand."""
    tagged: list[str] = field(default_factory=list)
    """Tags that somebody set by hand and the verdict does not say, the later last."""
    shown: Said | None = None
    ruled: Said | None = None
    """What was shown before anybody decided."""

    @property
    def by_tag(self) -> list[Said]:
        """Give the decision that the later tag is."""
        return [(verdict, TAG) for verdict in self.tagged[-1:]]

    @property
    def here(self) -> list[Said]:
        """Give all decisions that stand, tags too."""
        return [*self.stack, *self.by_tag]

    @property
    def counts(self) -> Said | None:
        """Give the decision that the journal must hold."""
        return self.here[-1] if self.here else None

    @property
    def tags(self) -> frozenset[str]:
        """Give our tags."""
        return frozenset([*self.tagged, *([self.shown[0]] if self.shown else [])])

    @property
    def seen(self) -> Seen:
        """Give what people must see."""
        verdict, reviewer = self.shown or (None, None)
        return Seen(self.tags, verdict, reviewer)

    def take_in(self) -> None:
        """Push what was decided by tag."""
        if not self.stack:
            self.ruled = self.shown
        self.stack += self.by_tag
        self.tagged.clear()

    def show(self) -> None:
        """Show the last decision."""
        self.shown = self.stack[-1] if self.stack else self.ruled

    def publish(self, said: Said) -> None:
        """Show a verdict where nobody has done anything since."""
        if self.tagged and [said] == self.by_tag:
            self.take_in()
            self.show()
        elif not self.here and said[1] == RULE:
            self.shown = said

    def anew(self, boxes: list[Box]) -> "Truth":
        """Give what is left when the database is made anew: of each reviewer the last decision, the very last last.

        The others come in the order of their names: the journal has no times of theirs.
        """
        each = {who: (verdict, who) for verdict, who in self.here}
        others = [each[who] for who in sorted(each) if each[who] != self.counts]
        return Truth(boxes, [*others, self.counts] if self.counts else [], shown=self.counts)


@dataclass(frozen=True)
class Collected:
    """What a review goes by that has collected and not yet published."""

    journal: Journal
    counts: dict[str, Said | None]


class ReviewMachine(RuleBasedStateMachine):
    """People, the program and accidents, on one board."""

    def __init__(self, board: Board) -> None:
        super().__init__()
        self.board, self.root = board, Path(tempfile.mkdtemp())
        self.drawn_count = self.steps_since_start = 0
        board.begin()
        board.publish_pictures(PICTURES, Journal(said={}, boxes={}))
        self.truth = {each.request_id: Truth(boxes_of(each)) for each in PICTURES}
        self.collected: Collected | None = None

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    # --- people ---

    @rule(picture=ID, verdict=WORD, reviewer=REVIEWER, collected=st.booleans())
    def decide(self, picture: str, verdict: str, reviewer: str, collected: bool) -> None:
        self.board.decide(picture, verdict, reviewer=reviewer)
        truth = self.truth[picture]
        truth.take_in()
        truth.stack.append((verdict, reviewer))
        truth.show()
        if collected:
            self.collect()

    @rule(picture=ID, reviewer=REVIEWER)
    def undo(self, picture: str, reviewer: str) -> None:
        self.board.undo(picture, reviewer=reviewer)
        truth = self.truth[picture]
        truth.take_in()
        if mine := [place for place, (_, by) in enumerate(truth.stack) if by == reviewer]:
            del truth.stack[mine[-1]]
        truth.show()

    @rule(picture=ID, verdict=WORD)
    def tag_by_hand(self, picture: str, verdict: str) -> None:
        """Tag a picture, or tag it the other way, too; a tag that is there already says nothing."""
        self.board.tag(picture, verdict)
        truth = self.truth[picture]
        if verdict not in truth.tags:
            truth.tagged.append(verdict)

    @rule(
        picture=ID, name=st.sampled_from(["cone", "vest"]), left=st.sampled_from([0.1, 0.3]), place=st.integers(-1, 2)
    )
    def correct_boxes(self, picture: str, name: str, left: float, place: int) -> None:
        """Change a box; where there is none at that place, draw one; at −1, delete the last."""
        boxes = self.truth[picture].boxes
        if place < 0:
            del boxes[-1:]
        elif place < len(boxes):
            boxes[place] = Box(boxes[place].id, name, left)
        else:
            self.drawn_count += 1
            boxes.append(Box(f"e{self.drawn_count:023x}", name, left))
        self.board.leave(picture, boxes)

    # --- the program ---

    @rule()
    def collect(self) -> None:
        """Write the journal, twice: the second time changes nothing."""
        files = []
        for _ in range(2):
            write_journal(self.root, self.taken_over())
            files.append((self.root / NAME).read_bytes() if (self.root / NAME).exists() else b"")
        assert files[0] == files[1]

    @rule()
    def publish_pictures_again(self) -> None:
        assert self.board.publish_pictures(PICTURES, read_journal(self.root)) == 0

    @rule()
    def collect_for_a_review(self) -> None:
        """Begin the end of a review: what people do from here on, it does not know."""
        self.collect()
        counts = {key: truth.counts for key, truth in self.truth.items()}
        self.collected = Collected(read_journal(self.root), counts)

    @precondition(lambda self: self.collected is not None)
    @rule(ruled=st.lists(st.booleans(), min_size=len(IDS), max_size=len(IDS)))
    def publish_what_was_collected(self, ruled: list[bool]) -> None:
        """End a review: publish people's verdicts as they were collected, and the rule's on the rest."""
        assert self.collected is not None
        verdicts = [_override(each, self.collected.journal.said) for each in by_rule(ruled)]
        self.board.publish_verdicts(verdicts)
        for verdict in verdicts:
            was_said = self.collected.counts[verdict.request_id]
            self.truth[verdict.request_id].publish(was_said or (DECIDED[not verdict.accepted], RULE))

    @rule(ruled=st.lists(st.booleans(), min_size=len(IDS), max_size=len(IDS)))
    def review(self, ruled: list[bool]) -> None:
        """End a review while nobody is there."""
        self.collect_for_a_review()
        self.publish_what_was_collected(ruled)

    @rule(ruled=st.lists(st.booleans(), min_size=len(IDS), max_size=len(IDS)))
    def publish_what_the_rule_said_before_people_came(self, ruled: list[bool]) -> None:
        self.board.publish_verdicts(by_rule(ruled))
        for verdict in by_rule(ruled):
            self.truth[verdict.request_id].publish((DECIDED[not verdict.accepted], RULE))

    # --- accidents ---

    @rule(is_writing=st.booleans())
    def kill_the_collecting_command(self, is_writing: bool) -> None:
        """Kill it between reading and writing, or where the new file is there but not yet in its place."""
        before, journal = read_journal(self.root), self.taken_over()
        if is_writing:
            with (
                mock.patch.object(Path, "replace", side_effect=KeyboardInterrupt),
                contextlib.suppress(KeyboardInterrupt),
            ):
                write_journal(self.root, journal)
        assert read_journal(self.root) == before

    @precondition(lambda self: self.steps_since_start >= STEPS_A_START)
    @rule()
    def restart_the_database(self) -> None:
        self.board.restart()
        self.steps_since_start = 0

    @rule()
    def make_the_database_anew(self) -> None:
        """Drop all samples after a last collecting, and publish the pictures as people left them."""
        self.collect()
        journal = read_journal(self.root)
        self.board.drop()
        self.board.publish_pictures(PICTURES, journal)
        for key, truth in self.truth.items():
            self.truth[key] = truth.anew(boxes_of(BY_ID[key], journal.boxes.get(key)))
        self.collected = None

    # --- what always holds ---

    def taken_over(self) -> Journal:
        return take_over(read_journal(self.root), self.board.collect(PICTURES), PICTURES)

    @invariant()
    def time_passes(self) -> None:
        self.steps_since_start += 1

    @invariant()
    def the_journal_would_hold_all_that_stands_and_nothing_else(self) -> None:
        found = self.taken_over()
        said = {key: (DECIDED[not each.accepted], each.reviewer) for key, each in found.said.items()}
        assert said == {key: truth.counts for key, truth in self.truth.items() if truth.counts}
        boxes = {key: [(label.label, round(label.xyxy[0], 9)) for label in each] for key, each in found.boxes.items()}
        left = {key: truth.boxes for key, truth in self.truth.items() if truth.boxes != boxes_of(BY_ID[key])}
        assert boxes == {key: [(box.name, box.left) for box in each] for key, each in left.items()}

    @invariant()
    def what_stands_is_applied_once(self) -> None:
        found = self.board.collect(PICTURES).decisions
        for picture, truth in self.truth.items():
            rows = found.take(found.stands & (found.sample_id == picture))
            assert list(zip(rows.verdict.tolist(), rows.reviewer.tolist(), strict=True)) == truth.here

    @invariant()
    def people_see_their_own_decisions_before_the_rules(self) -> None:
        assert {each: self.board.seen(each) for each in IDS} == {key: truth.seen for key, truth in self.truth.items()}


def by_rule(accepted: list[bool]) -> list[Verdict]:
    rows = zip(IDS, accepted, strict=True)
    return [Verdict(request_id=each, accepted=ok, reason="" if ok else "$small", reviewer="rule") for each, ok in rows]


def play(board: Callable[[], Board], *, cases: int, steps: int, phases: tuple[Phase, ...] = tuple(Phase)) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    asked = settings(
        max_examples=cases, stateful_step_count=steps, deadline=None, suppress_health_check=checks, phases=phases
    )
    run_state_machine_as_test(lambda: ReviewMachine(board()), settings=asked)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def real_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBoard]:
    yield from serve(tmp_path_factory.mktemp("machine"))


def test_whatever_happens_to_a_model_of_the_database_nothing_is_lost_or_comes_back() -> None:
    play(ModelBoard, cases=200, steps=20)


def test_whatever_happens_to_a_real_database_nothing_is_lost_or_comes_back(real_board: RealBoard) -> None:
    play(lambda: real_board, cases=10, steps=30, phases=(Phase.generate,))  # without shrinking, which takes minutes
