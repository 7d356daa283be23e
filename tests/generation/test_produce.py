import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from generation.produce import WRITERS, Picture, produce
from generation.records import Failure, PasteObject, PasteRequest, PictureLabel, SyntheticImage
from training.errors import CurateError
from training.files import digest_of


def request(number):
    one = PasteObject(
        label="ball", source_id="s", xyxy=(0.1, 0.1, 0.2, 0.2), angle_deg=0, flip=False, gain=1, tint=(1, 1, 1)
    )
    return PasteRequest(
        request_id=digest_of(["request", number]),
        brief_id="b",
        finding_id="f",
        backend="paste",
        seed=number,
        background_id="p",
        labels_digest="l",
        objects=(one,),
    )


REQUESTS = [request(number) for number in range(12)]


class Painter:
    """Paints without pixels, remembers what it painted, fails where it is told to."""

    def __init__(self, failing=(), refused=(), batch_count=1):
        self.painted = []
        self.batches = []
        self.failing, self.refused = set(failing), set(refused)
        self.batch_count = batch_count

    def paint(self, requests):
        self.batches.append([request.seed for request in requests])
        return [self.one(request) for request in requests]

    def one(self, request):
        if request.seed in self.failing | self.refused:
            reason = f"photo {request.seed} is gone"
            return Failure(request_id=request.request_id, reason=reason, refused=request.seed in self.refused)
        self.painted.append(request.seed)
        own = PictureLabel(label="ball", xyxy=(0.1, 0.1, 0.2, 0.2), visible_share=1, source_id="s", added=True)
        data = f"picture {request.seed}".encode()
        return Picture(data=data, width_px=64, height_px=48, labels=(own,), source_ids=("p",), look=request.seed)


def made(painter, workspace, requests=REQUESTS, **options):
    return list(
        produce(requests, painter_of=lambda _: painter, folder=workspace / "pictures", workspace=workspace, **options)
    )


def everything_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_each_request_gives_its_picture_in_order(tmp_path):
    outcomes = made(Painter(), tmp_path)
    assert [outcome.request_id for outcome in outcomes] == [request.request_id for request in REQUESTS]
    for one, outcome in zip(REQUESTS, outcomes, strict=True):
        assert outcome.path == f"pictures/{one.request_id[:2]}/{one.request_id}.jpg"
        data = (tmp_path / outcome.path).read_bytes()
        assert data == f"picture {one.seed}".encode()
        assert outcome.digest == digest_of(data)
        assert outcome.look == f"{one.seed:016x}"
        note = (tmp_path / outcome.path).with_suffix(".json").read_bytes()
        assert SyntheticImage.model_validate_json(note) == outcome


def test_a_finished_picture_is_never_painted_again(tmp_path):
    first, second = Painter(), Painter()
    half = made(first, tmp_path, REQUESTS[:5])
    before = everything_in(tmp_path)
    whole = made(second, tmp_path)
    assert whole[:5] == half
    assert second.painted == list(range(5, 12))
    after = everything_in(tmp_path)
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("damage", ["picture lost", "picture changed", "note lost", "note broken", "note elsewhere"])
def test_a_picture_whose_note_does_not_fit_is_painted_again(tmp_path, damage):
    whole = made(Painter(), tmp_path)
    before = everything_in(tmp_path)
    path = tmp_path / whole[3].path
    note = path.with_suffix(".json")
    match damage:
        case "picture lost":
            path.unlink()
        case "picture changed":
            path.write_bytes(b"other")
        case "note lost":
            note.unlink()
        case "note broken":
            note.write_text("{}")
        case _:
            note.write_text(note.read_text().replace("pictures/", "elsewhere/"))
    again = Painter()
    assert made(again, tmp_path) == whole
    assert again.painted == [3]
    assert everything_in(tmp_path) == before


def test_a_failure_is_data_stops_nothing_and_is_tried_again(tmp_path):
    outcomes = made(Painter(failing=[2, 7]), tmp_path)
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert [failure.reason for failure in failures] == ["photo 2 is gone", "photo 7 is gone"]
    assert len(outcomes) == 12
    again = Painter()
    made(again, tmp_path)
    assert again.painted == [2, 7]


def test_a_bug_in_the_painter_is_not_a_failure(tmp_path):
    class Broken(Painter):
        def one(self, request):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        made(Broken(), tmp_path)


def test_when_more_than_half_of_twenty_fail_it_stops_and_keeps_what_is_there(tmp_path):
    requests = [request(number) for number in range(60)]
    painter = Painter(failing=range(9, 60))
    with pytest.raises(CurateError, match="11 of 20 pictures could not be made, the last because photo 19") as error:
        made(painter, tmp_path, requests)
    assert "finished pictures are kept" in error.value.hint
    assert len(list(tmp_path.rglob("*.json"))) == 9


def test_a_batch_holds_what_is_missing_and_one_backend(tmp_path):
    made(Painter(), tmp_path, [REQUESTS[1], REQUESTS[6]])
    painter = Painter(batch_count=4)
    outcomes = made(painter, tmp_path)
    assert painter.batches == [[0, 2, 3, 4], [5, 7, 8, 9], [10, 11]]
    assert [outcome.request_id for outcome in outcomes] == [one.request_id for one in REQUESTS]

    painters = {"paste": Painter(batch_count=4), "gligen": Painter(batch_count=4)}
    mixed = [REQUESTS[0], REQUESTS[2].model_copy(update={"backend": "gligen"}), REQUESTS[3]]
    list(produce(mixed, painter_of=painters.__getitem__, folder=tmp_path / "mixed", workspace=tmp_path))
    assert (painters["paste"].batches, painters["gligen"].batches) == ([[0], [3]], [[2]])


def test_a_painter_is_made_only_where_something_is_to_be_painted(tmp_path):
    whole = made(Painter(), tmp_path)
    nobody = produce(REQUESTS, painter_of={}.__getitem__, folder=tmp_path / "pictures", workspace=tmp_path)
    assert list(nobody) == whole


def test_refused_pictures_are_data_however_many_and_in_whatever_order(tmp_path):
    requests = [request(number) for number in range(60)]
    outcomes = made(Painter(refused=range(40)), tmp_path, requests)
    assert [isinstance(outcome, Failure) for outcome in outcomes] == [True] * 40 + [False] * 20


def test_finished_pictures_do_not_wait_for_ever_behind_a_missing_one(tmp_path, monkeypatch):
    monkeypatch.setattr("generation.produce.MAX_WAITING", 5)
    made(Painter(failing=[0]), tmp_path)
    again = Painter(failing=[0], batch_count=4)
    made(again, tmp_path)
    assert again.batches == [[0]]


def test_half_of_them_may_fail(tmp_path):
    requests = [request(number) for number in range(40)]
    outcomes = made(Painter(failing=range(1, 40, 2)), tmp_path, requests)
    assert sum(isinstance(outcome, Failure) for outcome in outcomes) == 20


def test_a_caller_who_stops_has_started_only_a_few_more_and_those_are_kept(tmp_path):
    painter = Painter()
    requests = [request(number) for number in range(60)]
    outcomes = produce(requests, painter_of=lambda _: painter, folder=tmp_path / "pictures", workspace=tmp_path)
    next(outcomes)
    outcomes.close()
    assert len(painter.painted) <= 1 + 2 * WRITERS
    assert len(list(tmp_path.rglob("*.json"))) == len(painter.painted)


def test_progress_is_told_after_each_request(tmp_path):
    told = []
    made(Painter(failing=[4]), tmp_path, progress=told.append)
    assert told == [1] * 12


KILLED = """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from test_produce import Painter, REQUESTS, produce

    class Slow(Painter):
        def one(self, request):
            time.sleep(0.01)
            with Path({log!r}).open("a") as log:
                log.write(f"{{request.seed}}\\n")
            return super().one(request)

    root = Path({root!r})
    list(produce(REQUESTS, painter_of=lambda _: Slow(), folder=root / "pictures", workspace=root))
"""


@pytest.mark.parametrize("notes_before_kill", [0, 1, 4, 9])
def test_a_kill_at_any_picture_resumes_without_repainting(tmp_path, notes_before_kill):
    """Paints are lines in a file, so a second paint of a finished picture shows."""
    log, root = tmp_path / "log", tmp_path / "ws"
    log.touch()
    program = textwrap.dedent(KILLED).format(tests=str(Path(__file__).parent), log=str(log), root=str(root))
    child = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2])
    while child.poll() is None and len(list(root.rglob("*.json"))) < notes_before_kill:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    finished = {path.stem for path in root.rglob("*.json") if not path.name.startswith(".")}
    painted_before = log.read_text().split()
    again = Painter()
    outcomes = made(again, root)
    assert not {REQUESTS[seed].request_id for seed in again.painted} & finished
    assert len(painted_before) == len(set(painted_before))
    assert len(finished) + len(again.painted) == 12
    made(Painter(), tmp_path / "uninterrupted")
    pictures = everything_in(root / "pictures")
    assert {name: data for name, data in pictures.items() if ".writing-" not in name} == everything_in(
        tmp_path / "uninterrupted" / "pictures"
    )
    assert all(isinstance(outcome, SyntheticImage) for outcome in outcomes)


def test_a_file_in_place_of_the_folder_stops_everything(tmp_path):
    (tmp_path / "pictures").touch()
    with pytest.raises(CurateError, match="cannot write"):
        made(Painter(), tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_stops_everything(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(CurateError, match="cannot write"):
        made(Painter(), tmp_path)
