import json
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from generation.batch import MAX_LINE_BYTES, classes_of, read_requests, run_batch
from generation.label_files import ErrorLine, PictureLine
from generation.produce import Picture
from generation.records import Failure, PictureLabel
from training.dataset import read_source
from training.errors import CurateError, DataError, UsageError
from training.files import digest_of
from training.pixels import encode_jpeg

CLASSES = ("hard hat", "person", "safety vest")


def values(number, **changed):
    """Give a line's values as a person would write them."""
    rng = np.random.default_rng(number)
    corners = np.sort(rng.random((2, 2, 2)).round(6), axis=1).reshape(-1, 4).tolist()
    labels = ("person", CLASSES[number % 3])
    objects = [
        {"label": label, "phrase": f"a {label}", "xyxy": xyxy} for label, xyxy in zip(labels, corners, strict=True)
    ]
    return {"backend": "gligen", "seed": number, "prompt": f"workers, {number}", "objects": objects} | changed


def file_of(folder, lines):
    path = folder / "requests.jsonl"
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"".join(text + b"\n" for text in texts))
    return path


def wish_of(folder, line, **options):
    (asked,) = read_requests(file_of(folder, [line]), **options)
    return asked.wish


class Painter:
    """Paints plain pictures, each of its own colour; remembers what it painted and fails where it is told to."""

    def __init__(self, failing=(), refused=(), batch_count=3):
        self.painted = []
        self.failing, self.refused, self.batch_count = set(failing), set(refused), batch_count

    def paint(self, requests):
        return [self.one(request) for request in requests]

    def one(self, request):
        if request.seed in self.failing | self.refused:
            reason = f"no picture of {request.seed}"
            return Failure(request_id=request.request_id, reason=reason, refused=request.seed in self.refused)
        self.painted.append(request.seed)
        pixels = np.full((48, 64, 3), [request.seed % 256, request.seed // 256 * 20, 90], np.uint8)
        labels = tuple(
            PictureLabel(label=wish.label, xyxy=wish.xyxy, visible_share=1, source_id="", added=True)
            for wish in request.objects
        )
        return Picture(
            data=encode_jpeg(pixels), width_px=64, height_px=48, labels=labels, source_ids=(), look=request.seed,
            verified="unverified",
        )  # fmt: skip


def run(folder, path, painter=None, *, shard=(1, 1), classes=CLASSES, **options):
    painter = painter or Painter()
    asked = read_requests(path, shard=shard)
    return run_batch(asked, painter_of=lambda _: painter, folder=folder, classes=classes, shard=shard, **options)


def manifest(folder, name="manifest.jsonl"):
    kinds = {"picture": PictureLine, "error": ErrorLine}
    told = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    return [kinds[line["kind"]].model_validate_json(json.dumps(line)) for line in told]


def everything_in(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".writing-")
    }


def test_an_id_that_is_left_out_is_the_digest_of_all_the_rest(tmp_path):
    wish = wish_of(tmp_path, values(1))
    assert wish.request_id == digest_of(wish.model_dump(mode="json", exclude={"request_id"}))
    assert (wish.brief_id, wish.finding_id) == ("", "")
    assert wish_of(tmp_path, wish.plain()) == wish
    assert wish_of(tmp_path, values(1, prompt="another")).request_id != wish.request_id


def test_a_line_without_a_generator_gets_the_one_given(tmp_path):
    wish = wish_of(tmp_path, values(1), generator="g1")
    assert wish.generator == "g1"
    assert wish == wish_of(tmp_path, wish.plain(), generator="g1") == wish_of(tmp_path, wish.plain())
    assert wish.request_id != wish_of(tmp_path, values(1), generator="g2").request_id
    assert "planned for g1, this is g2" in wish_of(tmp_path, wish.plain(), generator="g2").reason


BOX = {"label": "person", "phrase": "a worker", "xyxy": [0.1, 0.1, 0.4, 0.9]}
BAD_LINES = {
    "blank": (b"  \r", "blank line"),
    "no JSON": (b'{"seed": ', "not JSON: Expecting value"),
    "no UTF-8": (b'{"prompt": "\xff"}', "not JSON: 'utf-8' codec"),
    "too deep": (b"[" * 200_000, "not JSON"),
    "no object": (b"[1, 2]", "the line is no JSON object"),
    "too long": (b'"' + b"x" * MAX_LINE_BYTES + b'"', "line too long"),
    "no backend": ({"seed": 1}, "not a request: backend: "),
    "no prompt": ({key: value for key, value in values(1).items() if key != "prompt"}, "prompt: Field required"),
    "a word for a seed": (values(1, seed="one"), "not a request: seed: "),
    "an unknown key": (values(1, colour="red"), "not a request: colour: "),
    "NaN": (b'{"backend": "gligen", "seed": NaN, "prompt": "p", "objects": []}', "not a request: seed: "),
    "half a letter": (values(1, prompt="\ud800"), "half of a character stands alone"),
    "half a letter where any text goes": (values(1, finding_id="\ud800"), "half of a character stands alone"),
    "a prompt of two lines": (values(1, prompt="a person\nand more"), "not printable"),
    "a backend of a workspace": ({"backend": "paste"}, "needs a workspace: what paste makes is pasted onto photos"),
    "painting into photos": (values(1, backend="gligen-inpaint", background_id="p"), "needs a workspace"),
    "another's id": (values(1, request_id="0" * 24), "wrong request_id"),
    "an id that is a path": (values(1, request_id="../../../etc/x"), "wrong request_id"),
    "a turned box": (values(1, objects=[BOX, BOX | {"xyxy": [0.4, 0.1, 0.1, 0.9]}]), "bad box: that of object 2"),
    "a flat box": (values(1, objects=[BOX | {"xyxy": [0.1, 0.1, 0.4, 0.1]}]), "bad box: that of object 1"),
    "a box outside": (values(1, objects=[BOX | {"xyxy": [0.1, 0.1, 0.4, 1.01]}]), "bad box: that of object 1"),
    "a class of two lines": (values(1, objects=[BOX | {"label": "a\nb"}]), "not a class name"),
    "a class with air": (values(1, objects=[BOX | {"label": "person "}]), "not a class name"),
}


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_is_one_error_and_the_lines_around_it_are_read(tmp_path, line, reason):
    before, asked, after = read_requests(file_of(tmp_path, [values(1), line, values(3)]))
    assert isinstance(asked.wish, Failure)
    assert reason in asked.wish.reason
    assert "\n" not in asked.wish.reason
    assert [before.wish.seed, after.wish.seed] == [1, 3]
    assert [one.line for one in (before, asked, after)] == [1, 2, 3]


def test_a_bad_line_keeps_the_id_that_it_has(tmp_path):
    assert wish_of(tmp_path, values(1, request_id="mine", seed=-1)).request_id == "mine"
    assert wish_of(tmp_path, values(1, request_id=7)).request_id == ""


@pytest.mark.parametrize("text", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte order mark"])
def test_a_file_of_windows_or_without_a_last_newline_is_read(tmp_path, text):
    path = tmp_path / "requests.jsonl"
    path.write_bytes(text + json.dumps(values(1)).encode() + b"\r\n" + json.dumps(values(2)).encode())
    assert [asked.wish.seed for asked in read_requests(path)] == [1, 2]


def test_every_line_belongs_to_one_shard_and_keeps_its_number(tmp_path):
    path = file_of(tmp_path, [values(number) for number in range(1, 12)])
    shards = [[asked.line for asked in read_requests(path, shard=(own, 3))] for own in (1, 2, 3)]
    assert shards == [[1, 4, 7, 10], [2, 5, 8, 11], [3, 6, 9]]


@pytest.mark.parametrize("shard", [(0, 3), (4, 3), (1, 0)])
def test_a_shard_that_there_is_not_is_refused(tmp_path, shard):
    with pytest.raises(UsageError, match="there is no shard"):
        next(read_requests(file_of(tmp_path, [values(1)]), shard=shard))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*nowhere.jsonl: no such file"):
        next(read_requests(tmp_path / "nowhere.jsonl"))


def test_classes_are_those_of_all_good_lines_sorted(tmp_path):
    spoilt = values(9, objects=[BOX | {"label": "forklift"}], seed=-1)
    assert classes_of(file_of(tmp_path, [values(2), spoilt, b"", values(3)])) == CLASSES


def test_each_line_gives_a_picture_or_an_error_in_order(tmp_path):
    lines = [values(1), b"nonsense", values(2), values(3), values(4, backend="paste"), values(5)]
    told = []
    result = run(tmp_path / "out", file_of(tmp_path, lines), Painter(failing=[2], refused=[5]), progress=told.append)
    found = manifest(tmp_path / "out")
    assert [(line.line, line.kind) for line in found] == [
        (1, "picture"), (2, "error"), (3, "error"), (4, "picture"), (5, "error"), (6, "error"),
    ]  # fmt: skip
    assert [line.refused for line in found if isinstance(line, ErrorLine)] == [False, False, False, True]
    assert found[2].reason == "no picture of 2"
    assert (result.lines, result.pictures, result.errors, result.refused) == (6, 2, 4, 1)
    assert told == [1] * 6


def test_what_is_written_is_what_was_asked_for_when_it_is_read_as_a_dataset(tmp_path):
    path = file_of(tmp_path, [values(number) for number in range(9)])
    run(tmp_path / "out", path)
    source = read_source(tmp_path / "out" / "data.yaml")
    assert source.classes == classes_of(path) == CLASSES
    photos = {photo.path.stem: photo for photo in source.photos}
    for asked in read_requests(path):
        boxes = photos.pop(asked.wish.request_id).boxes
        assert [box.label for box in boxes] == [one.label for one in asked.wish.objects]
        for box, one in zip(boxes, asked.wish.objects, strict=True):
            assert box.xyxy == pytest.approx(one.xyxy, abs=1.1e-8)
    assert not photos


def test_a_second_run_paints_nothing_and_changes_nothing(tmp_path):
    path = file_of(tmp_path, [values(1), b"nonsense", values(2)])
    first = run(tmp_path / "out", path)
    before = everything_in(tmp_path / "out")
    again = Painter()
    assert run(tmp_path / "out", path, again) == first
    assert again.painted == []
    assert everything_in(tmp_path / "out") == before


def test_equal_lines_are_painted_once_and_each_has_its_line(tmp_path):
    painter, told = Painter(batch_count=8, failing=[3]), []
    path = file_of(tmp_path, [values(1), values(1), values(2), values(3), values(1), values(3)])
    result = run(tmp_path / "out", path, painter, progress=told.append)
    assert painter.painted == [1, 2]
    found = manifest(tmp_path / "out")
    assert found[0].picture == found[1].picture == found[4].picture
    assert found[3].reason == found[5].reason
    assert result.pictures == 4
    assert [image["id"] for image in json.loads((tmp_path / "out/coco.json").read_text())["images"]] == [1, 3]
    assert told == [1] * 6


def test_shards_together_are_the_whole_in_one_folder(tmp_path):
    lines = [b"nonsense" if number == 5 else values(number) for number in range(1, 12)]
    path = file_of(tmp_path, lines)
    run(tmp_path / "whole", path)
    for own in (2, 3, 1):
        run(tmp_path / "parts", path, shard=(own, 3))
    whole, parts = everything_in(tmp_path / "whole"), everything_in(tmp_path / "parts")
    own_files = {"manifest.jsonl", "coco.json"}
    names = {
        f"{kind}-{own}-of-3.{suffix}" for own in (1, 2, 3) for kind, suffix in (("manifest", "jsonl"), ("coco", "json"))
    }
    assert {name: data for name, data in whole.items() if name not in own_files} == {
        name: data for name, data in parts.items() if name not in names
    }
    found = [line for own in (1, 2, 3) for line in manifest(tmp_path / "parts", f"manifest-{own}-of-3.jsonl")]
    assert sorted(found, key=lambda line: line.line) == manifest(tmp_path / "whole")
    files = [json.loads(parts[f"coco-{own}-of-3.json"]) for own in (1, 2, 3)]
    together = json.loads(whole["coco.json"])
    for key in ("images", "annotations"):
        assert sorted((one for file in files for one in file[key]), key=lambda one: one["id"]) == together[key]


def test_a_class_that_is_not_named_is_an_error_before_anything_is_painted(tmp_path):
    painter = Painter()
    run(tmp_path / "out", file_of(tmp_path, [values(1), values(2)]), painter, classes=("hard hat", "person"))
    assert painter.painted == [1]
    assert manifest(tmp_path / "out")[1].reason == "class that is not named: safety vest"


def test_a_folder_with_other_classes_is_refused_before_anything_is_painted(tmp_path):
    path, painter = file_of(tmp_path, [values(3)]), Painter()
    run(tmp_path / "out", path)
    with pytest.raises(DataError, match="has other classes"):
        run(tmp_path / "out", file_of(tmp_path, [values(4)]), painter, classes=("person", "hard hat", "safety vest"))
    assert painter.painted == []


def test_a_file_of_bad_lines_only_gives_a_manifest_of_errors(tmp_path):
    path = file_of(tmp_path, [b"nonsense", b""])
    result = run(tmp_path / "out", path, classes=classes_of(path))
    assert (result.lines, result.pictures, result.errors) == (2, 0, 2)
    assert len(manifest(tmp_path / "out")) == 2
    assert not (tmp_path / "out/data.yaml").exists()


def test_when_most_cannot_be_painted_it_stops_without_a_manifest_and_goes_on_later(tmp_path):
    path = file_of(tmp_path, [values(number) for number in range(30)])
    with pytest.raises(CurateError, match="pictures could not be made"):
        run(tmp_path / "out", path, Painter(failing=range(8, 30), batch_count=1))
    assert not list((tmp_path / "out").glob("*.json*"))
    again = Painter()
    result = run(tmp_path / "out", path, again)
    assert again.painted == list(range(8, 30))
    assert result.pictures == 30


def test_requests_are_read_only_as_far_as_they_are_painted(tmp_path):
    class Stops(Painter):
        def one(self, request):
            if len(self.painted) == 5:
                raise KeyboardInterrupt
            return super().one(request)

    path, read = file_of(tmp_path, [values(number) for number in range(1, 200)]), []
    asked = (read.append(one.line) or one for one in read_requests(path))
    stops = Stops()
    with pytest.raises(KeyboardInterrupt):
        run_batch(asked, painter_of=lambda _: stops, folder=tmp_path / "out", classes=CLASSES)
    assert len(read) <= 5 + 2 * stops.batch_count


KILLED = """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from test_batch import Painter, run

    class Slow(Painter):
        def one(self, request):
            time.sleep(0.01)
            with Path({log!r}).open("a") as log:
                log.write(f"{{request.seed}}\\n")
            return super().one(request)

    run(Path({folder!r}), Path({path!r}), Slow(batch_count=1))
"""


@pytest.mark.parametrize("notes_before_kill", [1, 7, 16])
def test_a_kill_at_any_moment_resumes_without_repainting_and_ends_the_same(tmp_path, notes_before_kill):
    log, folder = tmp_path / "log", tmp_path / "out"
    path = file_of(tmp_path, [b"nonsense" if number == 4 else values(number) for number in range(17)])
    program = textwrap.dedent(KILLED).format(
        tests=str(Path(__file__).parent), log=str(log), folder=str(folder), path=str(path)
    )
    child = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2])
    while child.poll() is None and len(list(folder.rglob("images/*/*.json"))) < notes_before_kill:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    finished = {note.stem for note in folder.rglob("images/*/*.json")}
    assert len(finished) >= notes_before_kill
    seeds = {asked.wish.request_id: asked.wish.seed for asked in read_requests(path) if asked.line != 5}
    again = Painter()
    run(folder, path, again)
    assert not {seeds[request_id] for request_id in finished} & set(again.painted)
    assert len(finished) + len(again.painted) == 16
    run(tmp_path / "uninterrupted", path)
    assert everything_in(folder) == everything_in(tmp_path / "uninterrupted")
