"""The door against the real library and tiny judges with random weights; what they see is noise, by design."""

import json
import shutil
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors.torch
import torch
import transformers
from PIL import Image

from generation.calibration import calibrate
from generation.judge import MAX_SIGHTINGS, MIN_SCORE, ZeroShotJudge, best_of, corners_of
from generation.judge_files import folder_of
from generation.records import DrawObject
from generation.verify import VerifySettings, check
from tests.generation.test_gligen_files import Hub
from tests.generation.tiny_judge import JUDGE_SIDE_PX, PATCH_PX, save_judge
from training.boxes import BoxTable
from training.errors import ModelError

PHRASES = ("a dog", "a cone", "a hat")
KINDS = ("owlv2", "owlvit")
SHAPES = {"wide": (40, 120), "tall": (130, 50), "square": (64, 64), "far larger": (700, 1500), "tiny": (3, 9)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {kind: save_judge(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def judge(folders, kind):
    return ZeroShotJudge.load(str(folders[kind]), device="cpu")


@pytest.fixture
def copy(folders, tmp_path):
    return Path(shutil.copytree(folders["owlv2"], tmp_path / "copy"))


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3)).astype(np.uint8)


def scores_by_place(sighting):
    rows = zip(sighting.label.tolist(), sighting.xyxy.round(6).tolist(), sighting.score.tolist(), strict=True)
    return {(label, *corners): score for label, corners, score in rows}


def agree(first, second):
    assert (first.label == second.label).all()
    assert np.abs(first.xyxy - second.xyxy).max() <= 1e-6
    assert np.abs(first.score - second.score).max() <= 1e-6
    return True


@pytest.mark.parametrize("name", ["wide", "tall", "square", "far larger"])
def test_what_changes_in_a_picture_changes_what_is_seen_at_that_place(judge, kind, name):
    height, width = shape = SHAPES[name]
    plain = noise(shape)
    longest = max(shape)
    patch = np.array([longest / width, longest / height] if kind == "owlv2" else [1, 1]) * PATCH_PX / JUDGE_SIDE_PX
    for x, y in [(0.2, 0.2), (0.8, 0.3), (0.5, 0.75)]:
        corner = int(x * width), int(y * height)
        changed = plain.copy()
        cv2.rectangle(changed, corner, (corner[0] + width // 10, corner[1] + height // 10), (255, 255, 255), -1)
        before, after = (scores_by_place(judge.look([picture], PHRASES)[0]) for picture in (plain, changed))
        boxes = np.array([key[1:] for key in before if abs(before[key] - after.get(key, 1)) > 1e-5])
        assert len(boxes)
        start = np.array(corner) / [width, height]
        end = start + 0.1 + 1 / np.array([width, height])
        # a patch and its box lie half a patch apart in these models, and the filter of the library blurs a little
        assert (boxes[:, :2] >= start - 2 * patch).all()
        assert (boxes[:, 2:] <= end + 2 * patch).all()


@pytest.mark.parametrize("name", ["wide", "tall", "square"])
def test_sightings_are_those_of_the_library_shown_an_rgb_picture(judge, folders, kind, name):
    height, width = SHAPES[name]
    picture = noise(SHAPES[name])
    prefix = "Owlv2" if kind == "owlv2" else "OwlViT"
    processor = getattr(transformers, f"{prefix}Processor")(
        getattr(transformers, f"{prefix}ImageProcessor").from_pretrained(folders[kind]),
        transformers.CLIPTokenizer.from_pretrained(folders[kind]),
    )
    rgb = Image.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    inputs = processor(text=[list(PHRASES)], images=rgb, return_tensors="pt")
    with torch.no_grad():
        output = getattr(transformers, f"{prefix}ForObjectDetection").from_pretrained(folders[kind])(**inputs)
    (theirs,) = processor.post_process_grounded_object_detection(
        output, threshold=MIN_SCORE, target_sizes=[(height, width)]
    )
    corners = theirs["boxes"].numpy().clip(0, [width, height, width, height]) / [width, height, width, height]
    inside = (corners[:, 2:] - corners[:, :2] > 1e-9).all(axis=1)
    labels, scores = theirs["labels"].numpy(), theirs["scores"].numpy()  # of each box its best class
    ours = scores_by_place(judge.look([picture], PHRASES)[0])
    wanted = zip(labels[inside].tolist(), corners[inside].tolist(), scores[inside].tolist(), strict=True)
    assert inside.any()
    for label, xyxy, score in wanted:
        near = [
            value
            for (number, *place), value in ours.items()
            if number == label and np.abs(np.array(place) - xyxy).max() < 1e-5
        ]
        assert near == [pytest.approx(score, abs=1e-5)]


@pytest.mark.parametrize(
    ("shape", "box", "corners"),
    [
        pytest.param((100, 200), [0.5, 0.25, 0.2, 0.1], [0.4, 0.4, 0.6, 0.6], id="wide: the lower half is padding"),
        pytest.param((200, 100), [0.25, 0.5, 0.1, 0.2], [0.4, 0.4, 0.6, 0.6], id="tall: the right half is padding"),
        pytest.param((100, 100), [0.5, 0.25, 0.2, 0.1], [0.4, 0.2, 0.6, 0.3], id="square"),
        pytest.param((100, 200), [0.5, 0.5, 0.2, 0.2], [0.4, 0.8, 0.6, 1.0], id="half in the padding: cut off"),
        pytest.param((100, 200), [0.5, 0.9, 0.2, 0.1], [0.4, 1.0, 0.6, 1.0], id="in the padding: without an area"),
    ],
)
def test_boxes_of_owlv2_are_fractions_of_the_padded_square(shape, box, corners):
    assert corners_of(np.array([box]), shape, padded=True) == pytest.approx(np.array([corners]))


def test_all_boxes_lie_in_the_picture_and_have_an_area_and_the_surest_stand_first(judge):
    for sighting in judge.look([noise(shape) for shape in SHAPES.values()], PHRASES):
        assert len(sighting.score)
        assert (sighting.xyxy >= 0).all()
        assert (sighting.xyxy <= 1).all()
        assert (sighting.xyxy[:, :2] < sighting.xyxy[:, 2:]).all()
        assert (np.diff(sighting.score) <= 0).all()
        assert set(sighting.label) <= {0, 1, 2}


def test_a_place_may_be_several_classes_and_only_the_best_are_given():
    scores = np.tile(np.linspace(0.02, 0.9, 200)[:, None], (1, 2))
    boxes = np.tile([0.1, 0.1, 0.2, 0.2], (200, 1))
    boxes[-1] = [0.1, 1.0, 0.2, 1.0]
    seen = best_of(scores, boxes)
    assert len(seen.score) == 2 * MAX_SIGHTINGS
    assert seen.score[0] == scores[-2, 0]
    assert seen.score[-1] == scores[-1 - MAX_SIGHTINGS, 0]
    assert sorted(seen.label[:2]) == [0, 1]
    assert (np.diff(seen.score) <= 0).all()
    assert not len(best_of(np.full((5, 2), MIN_SCORE - 1e-6), boxes[:5]).score)


def test_a_crowd_of_one_class_pushes_no_other_out():
    scores = np.zeros((3 * MAX_SIGHTINGS, 2))
    scores[:, 0], scores[7] = 0.5, [0, 0.05]
    boxes = np.tile([0.1, 0.1, 0.2, 0.2], (len(scores), 1))
    assert (best_of(scores, boxes).label == 1).sum() == 1


def test_a_picture_is_seen_alike_alone_and_in_a_batch(judge):
    pictures = [noise(shape, seed) for seed, shape in enumerate(SHAPES.values())]
    for together, picture in zip(judge.look(pictures, PHRASES), pictures, strict=True):
        assert agree(together, judge.look([picture], PHRASES)[0])
    assert judge.look([], PHRASES) == []


def test_a_phrase_is_looked_for_by_its_words(judge):
    picture = noise((50, 80))
    turned = judge.look([picture], PHRASES[::-1])[0]
    plain = judge.look([picture], PHRASES)[0]
    assert (plain.label != turned.label).any()
    by_name = scores_by_place(plain)
    for (label, *place), score in scores_by_place(turned).items():
        assert by_name[2 - label, *place] == pytest.approx(score, abs=1e-6)


def test_a_batch_that_does_not_fit_into_memory_is_halved_and_that_is_remembered(judge):
    pictures = [noise((30, 40), seed) for seed in range(5)]
    expected, sizes = judge.look(pictures, PHRASES), []

    def full(_, __, inputs):
        sizes.append(len(inputs["pixel_values"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    judge.model.register_forward_pre_hook(full, with_kwargs=True)
    assert all(agree(*pair) for pair in zip(judge.look(pictures, PHRASES), expected, strict=True))
    assert sizes == [5, 2, 2, 1]
    judge.look(pictures, PHRASES)
    assert sizes[4:] == [2, 2, 1]


@pytest.mark.parametrize(
    ("message", "error", "said"),
    [
        ("DefaultCPUAllocator: can't allocate memory", ModelError, "does not suffice for a single picture"),
        ("a bug", RuntimeError, "a bug"),
    ],
    ids=["memory for one picture", "another error is not hidden"],
)
def test_an_error_while_looking_is_what_it_is(judge, message, error, said):
    def fails(*_):
        raise RuntimeError(message)

    judge.model.register_forward_pre_hook(fails)
    with pytest.raises(error, match=said):
        judge.look([noise((30, 40))], PHRASES)


def test_a_phrase_that_would_be_cut_is_refused(judge):
    assert judge.look([noise((20, 20))], [" ".join(["cat"] * 14)])
    with pytest.raises(ModelError, match=r"reads 16 tokens, and 'cat cat .* has 17") as caught:
        judge.look([noise((20, 20))], [" ".join(["cat"] * 15)])
    assert "judged_as" in caught.value.hint


def test_pickled_weights_and_a_tokenizer_of_two_files_give_the_same(judge, kind, tmp_path):
    old = ZeroShotJudge.load(str(save_judge(tmp_path, kind, old=True)), device="cpu")
    picture = noise((30, 70))
    assert agree(old.look([picture], PHRASES)[0], judge.look([picture], PHRASES)[0])


def test_the_name_changes_with_the_weights_and_not_with_the_place(judge, folders, kind, tmp_path):
    name = folders[kind].name
    moved = shutil.copytree(folders[kind], tmp_path / "elsewhere" / name)
    other = save_judge(tmp_path / "other" / name, kind, seed=1)
    names = [ZeroShotJudge.load(str(folder), device="cpu").name for folder in (moved, other)]
    assert names[0] == judge.name
    assert names[1] != judge.name
    assert str(folders[kind].parent) not in judge.name


class Opener:
    """What a pickle should not be able to do."""

    def __reduce__(self):
        return Path.touch, (Path("opened"),)


def without(*names):
    return lambda folder: [(folder / name).unlink() for name in names]


def with_config(**changes):
    def change(folder):
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def with_fewer_tensors(folder):
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    del tensors["class_head.dense0.weight"]
    safetensors.torch.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def with_a_pickle_of_code(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"weights": Opener()}, folder / "pytorch_model.bin")


def with_another_size(folder):
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"size": {"height": 96, "width": 96}}))


def with_narrower_layers(folder):
    text = json.loads((folder / "config.json").read_text())["text_config"]
    with_config(text_config=text | {"intermediate_size": 48})(folder)


def with_more_words(folder):
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["vocab"] |= {f"word{number}</w>": 1000 + number for number in range(9)}
    path.write_text(json.dumps(tokenizer))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (without("config.json", "preprocessor_config.json"), r"lacks config\.json, preprocessor_config\.json"),
        (without("tokenizer.json"), r"lacks vocab\.json, merges\.txt"),
        (without("model.safetensors"), r"lacks model\.safetensors"),
        (with_config(model_type="clip"), "of the kind 'clip', and a judge is OWLv2 or OWL-ViT"),
        (with_config(model_type="grounding-dino"), "of the kind 'grounding-dino'"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config\.json is not JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), "of the kind None"),
        (with_config(vision_config=3), "is no configuration of a judge"),
        (lambda folder: (folder / "preprocessor_config.json").write_text("[]"), "cannot be used as a judge"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot be used as a judge"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"cut off"), r"model\.safetensors is damaged"),
        (with_fewer_tensors, r"lacks 1 tensors, such as class_head\.dense0\.weight"),
        (with_narrower_layers, "cannot be used as a judge"),
        (with_a_pickle_of_code, "a pickle that wants more than tensors"),
        (with_another_size, "looks at pictures of 64 px, and they are made 96 px"),
        (with_more_words, "knows 542 tokens, and there are"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_whole_judge_is_refused_in_one_sentence(copy, damage, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    damage(copy)
    with pytest.raises(ModelError, match=said) as caught:
        ZeroShotJudge.load(str(copy), device="cpu")
    assert caught.value.hint
    assert "\n" not in caught.value.message
    assert not Path("opened").exists()


@pytest.mark.parametrize("model", ["nothing", "./a", "/a/b", "a/b/c", "-a/b--c", "owner/name", "owner/name@main"])
@pytest.mark.parametrize("allow_download", [False, True], ids=["offline", "downloads allowed"])
def test_a_name_that_is_neither_a_folder_nor_at_hand_is_refused(model, allow_download, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError) as caught:
        ZeroShotJudge.load(model, device="cpu", allow_download=allow_download)
    assert caught.value.hint
    assert "GLIGEN" not in caught.value.message + caught.value.hint


@pytest.fixture
def hub(tmp_path, monkeypatch):
    Hub.root, Hub.asked = save_judge(tmp_path / "hub"), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    template = address + "/{repo_id}/resolve/{revision}/{filename}"  # made of the address when it is imported
    for name, value in {
        "ENDPOINT": address,
        "HUGGINGFACE_CO_URL_TEMPLATE": template,
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
    }.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    yield Hub
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_hub_id_is_fetched_only_where_downloads_are_allowed_and_once(hub):
    with pytest.raises(ModelError, match="owner/name is not on this machine and downloads are not allowed"):
        ZeroShotJudge.load("owner/name", device="cpu")
    assert hub.asked == []
    (hub.root / "pytorch_model.bin").write_bytes(b"the same again, and not wanted")
    (hub.root / "custom.py").write_text("raise SystemExit")
    fetched = ZeroShotJudge.load("owner/name", device="cpu", allow_download=True)
    assert fetched.name.startswith("owner/name ")
    there = {path.name for path in folder_of("owner/name", allow_download=False).iterdir()}
    assert {"config.json", "model.safetensors"} <= there
    assert not there & {"pytorch_model.bin", "custom.py"}
    hub.asked.clear()
    assert ZeroShotJudge.load("owner/name", device="cpu").name == fetched.name
    assert folder_of("owner/name", allow_download=True) == folder_of("owner/name", allow_download=False)
    assert hub.asked == []


def test_a_judge_that_sees_noise_is_believed_in_nothing(judge):
    """Through the whole path: what a random model says of drawn photos is measured, and then nothing rests on it."""
    pictures, rows = [], []
    for number in range(30):
        picture = np.full((80, 120, 3), 128, np.uint8)
        x, y = 10 + 2 * number, 10 + number
        cv2.rectangle(picture, (x, y), (x + 19, y + 29), (30, 30, 220), -1)
        pictures.append(picture)
        rows.append([x / 120, y / 80, (x + 20) / 120, (y + 30) / 80])
    truth = BoxTable(
        id=np.arange(30).astype("<U24"),
        image=np.arange(30),
        label=np.zeros(30, np.int64),
        xyxy=np.array(rows),
        score=np.ones(30),
    )
    seen = judge.look(pictures, PHRASES)
    calibration = calibrate(seen, truth, classes=PHRASES, judge=judge.name)
    assert not any(sight.sees for sight in calibration.classes)
    wish = DrawObject(label="a dog", phrase="a dog", xyxy=tuple(rows[0]))
    settings = VerifySettings(min_score=0.999)
    for given, verdict in ((calibration, "unjudged"), (None, "missing")):
        checked = check([wish], seen[0], classes=PHRASES, calibration=given, settings=settings)
        assert [each.verdict for each in checked.checks] == [verdict]
