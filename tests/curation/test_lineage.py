"""Where things came from and what they led to, over rounds that lie in a folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from curation.history import History
from curation.lineage import Lineage, lineage_of
from curation.lineage_lines import MAX_LINES, lineage_lines
from curation.links import Link
from curation.loop import play
from curation.traces import history_of, subject_of
from curation.wording import cells_of
from generation.records import DrawObject, DrawRequest, identified
from tests.curation.small_rounds import GIVEN, LABELS, PHOTOS, RARE, WEAK, SmallRounds, brief, picture
from tests.curation.test_loop import SMALL, World
from training.errors import DamagedFile, UsageError
from training.files import digest_of


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallRounds:
    monkeypatch.setattr("os.fsync", lambda _: None)  # nothing here is about a crash, and syncing takes its time
    return SmallRounds(tmp_path)


def follow(world: SmallRounds, text: str) -> Lineage:
    history = history_of(world.ledger)
    kind, subject_id, remark = subject_of(history, world.root, text)
    return lineage_of(history, kind, subject_id, remark=remark)


def told(links: tuple[Link, ...]) -> list[str]:
    return [link.kind for link in links]


def only(links: tuple[Link, ...], kind: str) -> Link:
    (found,) = [link for link in links if link.kind == kind]
    return found


def test_a_picture_is_followed_from_its_finding_to_the_metric(world: SmallRounds) -> None:
    candidate = world.play()
    found = follow(world, world.requests[0].request_id)
    assert told(found.came_from) == ["finding", "brief", "request", "seed", "photo", "photo", "label"]
    assert told(found.itself) == ["picture"]
    assert told(found.led_to) == ["verdict", "arm", "model", "recall", "test", "decision"]
    assert only(found.came_from, "finding").ids == (WEAK,)
    assert only(found.came_from, "seed").facts == {"value": "0"}
    grounds = [(link.ids, link.facts["painted_on"]) for link in found.came_from if link.kind == "photo"]
    assert grounds == [((PHOTOS[2],), True), ((PHOTOS[0],), False)]
    assert only(found.came_from, "label").ids == (LABELS[1],)
    assert only(found.led_to, "verdict").facts == {"accepted": True, "reason": "", "reviewer": "person"}
    assert only(found.led_to, "arm").facts["arm"] == "candidate"
    assert only(found.led_to, "model").ids[0] == candidate.model_id
    assert only(found.led_to, "recall").facts["verdict"] == "pays"
    assert only(found.led_to, "test").facts["candidate"] == 0.5
    assert only(found.led_to, "decision").facts["outcome"] == "promoted"


def test_a_picture_that_a_later_round_shows_both_arms_is_followed_there_but_not_to_its_metrics(
    world: SmallRounds,
) -> None:
    candidate = world.play()
    world.learn(world.begin(candidate), candidate, both=True)
    found = follow(world, world.requests[0].request_id)
    assert [(link.facts["arm"], link.round) for link in found.led_to if link.kind == "arm"] == [
        ("candidate", 1), ("control", 2), ("candidate", 2)
    ]  # fmt: skip
    assert {link.round for link in found.led_to if link.kind in ("recall", "test", "decision")} == {1}


def test_a_drawn_picture_tells_its_prompt_and_whole_seed(world: SmallRounds) -> None:
    wish = DrawObject(label="square", phrase="a red square", xyxy=(0.1, 0.1, 0.3, 0.3))
    drawn = DrawRequest(
        request_id="", finding_id=WEAK, brief_id=brief(1).brief_id, backend="gligen", seed=2**62 + 1,
        prompt="a red square at dusk", objects=(wish,),
    )  # fmt: skip
    world.requests = (identified(drawn), *world.requests[1:])
    world.pictures = (
        picture(world.requests[0], world.root, verified="judged", repairs=("box moved",), attempts=2),
        *world.pictures[1:],
    )
    world.play()
    found = follow(world, world.requests[0].request_id)
    assert only(found.came_from, "seed").facts["value"] == str(2**62 + 1)
    text = " ".join(" ".join(lineage_lines(found, 120)).split())
    assert "gligen: square 1; a red square at dusk" in text
    assert "a judge saw its objects, attempt 2; box moved" in text
    assert "label" not in [link.kind for link in found.came_from]


ENDS = {
    # name: request, what it is, what it led to
    "accepted by rule": (1, ["picture"], ["verdict", "arm", "model", "recall", "test", "decision"]),
    "rejected": (2, ["picture"], ["verdict"]),
    "a request that failed": (3, ["failure"], []),
}


@pytest.mark.parametrize("name", ENDS)
def test_what_was_not_learned_from_leads_to_no_metric(world: SmallRounds, name: str) -> None:
    number, itself, led_to = ENDS[name]
    world.play()
    found = follow(world, world.requests[number].request_id)
    assert (told(found.itself), told(found.led_to)) == (itself, led_to)


def test_a_finding_leads_to_its_pictures_by_verdict_the_arms_the_models_and_its_payoff(world: SmallRounds) -> None:
    world.play()
    found = follow(world, WEAK)
    assert told(found.came_from) == ["val", "labels"]
    chain = ["action", "brief", "pictures", "arm", "model", "recall", "test", "decision"]
    assert told(found.led_to) == chain
    counts = {"requested": 4, "made": 3, "failed": 1, "accepted": 2, "rejected": 1, "by_people": 1}
    assert only(found.led_to, "pictures").facts == counts
    assert set(only(found.led_to, "pictures").ids) == {each.request_id for each in world.requests}
    assert told(follow(world, brief(1).brief_id).led_to) == chain[2:]


def test_a_shortage_without_pictures_leads_to_nothing(world: SmallRounds) -> None:
    world.play()
    found = follow(world, RARE)
    assert only(found.itself, "finding").facts["status"] == "rare"
    assert found.led_to == ()


def test_a_photo_leads_to_the_pictures_that_stand_on_it_and_to_both_arms(world: SmallRounds) -> None:
    world.play()
    painted, cut = follow(world, PHOTOS[2]), follow(world, PHOTOS[0])
    assert len(only(painted.led_to, "pictures").ids) == 4, "the failed request asked for it, too"
    assert len(only(cut.led_to, "pictures").ids) == 3
    arms = {str(link.facts["arm"]): link.facts["times"] for link in cut.led_to if link.kind == "arm"}
    assert arms == {"control": 3, "candidate": 1}
    assert not {"recall", "test"} & set(told(cut.led_to)), "no measurement is about a real photo that both arms saw"


def test_a_label_leads_to_what_shows_it_and_to_what_it_is_evidence_of(world: SmallRounds) -> None:
    world.play()
    shown, missed = follow(world, LABELS[1]), follow(world, LABELS[7])
    assert told(shown.led_to) == ["pictures"]
    assert next(link.ids for link in missed.led_to if link.kind == "finding") == (WEAK,)
    assert only(missed.came_from, "photo").ids == (PHOTOS[3],)


def test_a_model_tells_its_parent_its_list_its_pictures_by_finding_and_its_scores(world: SmallRounds) -> None:
    candidate = world.play()
    world.begin(candidate)
    found = follow(world, candidate.model_id)
    assert only(found.came_from, "model").ids == (GIVEN.model_id,)
    arm = only(found.came_from, "arm")
    assert arm.ids == (candidate.trained_on,)
    assert arm.facts == {"arm": "candidate", "photos": 3, "pictures": 2, "length": 5}
    by_finding = only(found.came_from, "pictures")
    assert (by_finding.facts["finding_id"], by_finding.facts["taught"]) == (WEAK, 2)
    assert [(link.kind, link.round) for link in found.led_to] == [("val", 2), ("test", 1), ("decision", 1)]
    children = [link for link in follow(world, GIVEN.model_id).led_to if link.kind == "model"]
    assert {link.facts["origin"]: len(link.ids) for link in children} == {"control": 2, "candidate": 2}


def test_what_every_round_freezes_again_is_told_once_as_it_is_now(world: SmallRounds) -> None:
    world.begin(world.play())
    assert [(link.kind, link.round) for link in follow(world, LABELS[1]).itself] == [("label", 2)]


def test_a_round_that_has_just_begun_is_followed_as_far_as_it_goes(world: SmallRounds) -> None:
    world.begin(GIVEN)
    found = follow(world, WEAK)
    assert (told(found.came_from), told(found.itself), found.led_to) == (["val", "labels"], ["finding"], ())


# --- what may be asked


def test_a_file_is_known_by_its_bytes_wherever_it_lies(world: SmallRounds, tmp_path: Path) -> None:
    candidate = world.play()
    picture = world.pictures[1]
    copy = tmp_path / "elsewhere.jpg"
    copy.write_bytes((world.root / picture.path).read_bytes())
    exported = tmp_path / "exported.pt"
    exported.write_bytes(world.registry.weights(candidate.model_id).read_bytes())
    assert follow(world, str(copy)).subject_id == picture.request_id
    assert follow(world, picture.path).subject_id == picture.request_id, "a path below the workspace"
    assert follow(world, str(exported)).subject_id == candidate.model_id
    assert follow(world, str(exported)).remark == ""


def test_a_kept_file_whose_bytes_have_changed_is_known_by_its_name_and_says_so(world: SmallRounds) -> None:
    world.play()
    picture = world.pictures[1]
    (world.root / picture.path).write_bytes(b"painted over")
    found = follow(world, str(world.root / picture.path))
    assert found.subject_id == picture.request_id
    assert found.remark == f"the bytes of {picture.path} have changed since it was made"
    photo = follow(world, f"data/photos/{PHOTOS[0][:2]}/{PHOTOS[0]}.jpg")
    assert (photo.kind, photo.subject_id) == ("photo", PHOTOS[0])


def test_a_file_that_nobody_knows_is_refused(world: SmallRounds, tmp_path: Path) -> None:
    world.play()
    stranger = tmp_path / "stranger.jpg"
    stranger.write_bytes(b"x")
    with pytest.raises(UsageError, match="no round has seen a file with these bytes") as caught:
        follow(world, str(stranger))
    assert caught.value.hint


def test_an_unambiguous_beginning_of_an_id_will_do_in_either_case(world: SmallRounds) -> None:
    world.play()
    assert follow(world, WEAK[:8]).subject_id == WEAK
    assert follow(world, WEAK[:8].upper()).kind == "finding"


REFUSED = {
    # name: what is asked, what is said
    "several photos": (PHOTOS[0][:20], "belong to 5 photos"),
    "an id of nothing": ("0badc0de", "no picture, finding, brief, photo, label or model of this workspace has an id"),
    "too few digits": (WEAK[:3], "is no file, and no id of a picture, finding, brief"),
    "no hex": ("small cone", "is no file, and no id of a picture, finding, brief"),
    "nothing": ("", "is no file, and no id"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_one_thing_is_a_sentence_with_what_it_could_be(world: SmallRounds, name: str) -> None:
    text, said = REFUSED[name]
    world.play()
    with pytest.raises(UsageError, match=said) as caught:
        follow(world, text)
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_a_beginning_that_things_of_two_kinds_share_names_both() -> None:
    given = {each: GIVEN.model_copy(update={"model_id": each}) for each in ("abcd" + "0" * 20, "abcd" + "1" * 20)}
    with pytest.raises(UsageError, match="belong to 2 models") as caught:
        History((), given).named("abcd")
    assert "abcd0" in caught.value.hint
    assert "abcd1" in caught.value.hint


def test_a_changed_list_is_refused_rather_than_believed(world: SmallRounds) -> None:
    world.play()
    (world.root / "rounds" / "001" / "review.verdicts.jsonl").write_text("")
    with pytest.raises(DamagedFile):
        follow(world, WEAK)


# --- as text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_everything_fits_a_screen(world: SmallRounds, width: int) -> None:
    world.begin(world.play())
    for text in (*(each.request_id for each in world.requests), WEAK, RARE, *PHOTOS, *LABELS, GIVEN.model_id):
        lines = lineage_lines(follow(world, text), width)
        assert len(lines) <= MAX_LINES
        assert max(map(cells_of, lines)) <= width
        assert text in lines[0] or width == 40


def test_a_picture_says_who_decided_and_what_it_was_worth(world: SmallRounds) -> None:
    world.play()
    text = " ".join(" ".join(lineage_lines(follow(world, world.requests[0].request_id), 120)).split())
    for part in (
        "square, confirmed: recall 0.46 against 0.84 of other classes",
        "4 pictures of square by paste",
        "accepted; reviewer: person",
        "candidate shows it in 1 of 5 entries",
        "pays: candidate − control +0.12 [+0.07, +0.17] recall of square on val, 54 photos",
        "mean AP of the candidate 0.500 [0.450, 0.550] on 60 photos; champion 0.410, control 0.420",
        "whether it was the pictures: cannot tell",
    ):
        assert part in text


def test_what_has_no_room_is_counted(world: SmallRounds) -> None:
    world.play()
    found = follow(world, WEAK)
    links = tuple(found.itself[0].model_copy(update={"round": number}) for number in range(40))
    lines = lineage_lines(found.model_copy(update={"led_to": links}), 100)
    assert len(lines) == MAX_LINES
    shown = sum("square, confirmed" in line for line in lines) - 1
    assert lines[-1] == f"  and {40 - shown} more in why --json"


def test_names_that_a_terminal_would_obey_are_replaced(world: SmallRounds) -> None:
    world.play()
    found = follow(world, WEAK)
    link = found.itself[0].model_copy(update={"facts": found.itself[0].facts | {"words": "a\x1b[2Jb"}})
    lines = lineage_lines(found.model_copy(update={"itself": (link,)}), 100)
    assert "\x1b" not in "".join(lines)


def test_why_loads_nothing_heavy_and_holds_no_lock(world: SmallRounds) -> None:
    world.play()
    program = (
        "import sys\nfrom pathlib import Path\nfrom curation import lineage_shell\n"
        f"lineage_shell.why(Path({str(world.root)!r}), {WEAK!r}, True)\n"
        "heavy = {'torch', 'fiftyone', 'ultralytics', 'cv2', 'sklearn', 'scipy', 'openai', 'diffusers'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    with world.ledger.writing("curate run"):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = Lineage.model_validate_json(done.stdout)
    assert (found.kind, found.subject_id) == ("finding", WEAK)


def test_the_workspace_is_left_as_it_was(world: SmallRounds) -> None:
    world.play()
    before = {path: digest_of(path.read_bytes()) for path in world.root.rglob("*") if path.is_file()}
    follow(world, WEAK)
    assert {path: digest_of(path.read_bytes()) for path in world.root.rglob("*") if path.is_file()} == before


# --- as a round is really played


def test_the_pictures_of_a_round_that_the_loop_played_are_followed_to_its_decision(tmp_path: Path) -> None:
    world = World(tmp_path)
    folder = play(world.desk(SMALL), "decide", may_review=True)
    history = history_of(world.ledger)
    (played,) = history.rounds
    assert played.number == folder.number
    learned = [each.picture_id for each in played.lists["candidate"].files if each.synthetic]
    assert learned
    for request_id in learned:
        found = lineage_of(history, "picture", request_id)
        assert told(found.came_from)[:4] == ["finding", "brief", "request", "seed"]
        assert [kind for kind in told(found.led_to) if kind != "recall"] == [
            "verdict",
            "arm",
            "model",
            "test",
            "decision",
        ]
