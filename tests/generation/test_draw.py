"""Pictures that are drawn, judged and mended; the artist draws discs and squares, and errs where it is told to."""

import cv2
import numpy as np
import pytest

from generation.artist import Drawing, GligenArtist
from generation.draw import DrawPainter, Verification
from generation.gligen import GligenDoor
from generation.grounding import PaintFailure, PaintSettings
from generation.produce import Picture, produce
from generation.records import DrawObject, DrawRequest, Failure, PictureLabel
from generation.sighting import Sighting
from generation.verify import VerifySettings
from generation.vocabulary import ClassWords, Vocabulary
from tests.generation import tiny_pipeline
from training.dataset import encode_jpeg

SIDE_PX = 200
CLASSES = ("disc", "square")
COLOURS = {"disc": (40, 40, 220), "square": (220, 60, 40)}
GROUND = 128
LEFT, RIGHT = (0.1, 0.3, 0.4, 0.6), (0.6, 0.3, 0.9, 0.6)


def wish(label, xyxy):
    return DrawObject(label=label, phrase=f"a {label}", xyxy=xyxy)


def request(*objects, name="r", **changes):
    given = {"backend": "gligen", "seed": 7, "prompt": "things", "objects": objects or (wish("disc", LEFT),)}
    return DrawRequest.model_validate({"request_id": name} | given | changes)


def show(pixels, label, xyxy):
    x1, y1, x2, y2 = (round(share * SIDE_PX) for share in xyxy)
    middle, size = ((x1 + x2) // 2, (y1 + y2) // 2), ((x2 - x1) // 2, (y2 - y1) // 2)
    if label == "disc":
        cv2.ellipse(pixels, middle, size, 0, 0, 360, COLOURS[label], -1)
    else:
        cv2.rectangle(pixels, (x1, y1), (x2 - 1, y2 - 1), COLOURS[label], -1)


class Artist:
    """Draws what is asked for, but for the objects that it forgets in the first attempts, and what it adds."""

    batch_count = 4

    def __init__(self, forgets=None, adds=(), fails=None, known=(), painted=None):
        self.forgets, self.adds, self.fails, self.known = forgets or {}, adds, fails or {}, known
        self.painted = None if painted is None else np.array(painted)
        self.drawn, self.over = [], []

    def draw(self, requests, *, attempt):
        self.drawn.append(([one.request_id for one in requests], attempt))
        return [self._one(one, attempt) for one in requests]

    def _one(self, request, attempt):
        if attempt in self.fails.get(request.request_id, ()):
            return PaintFailure("the arithmetic overflowed")
        pixels = np.full((SIDE_PX, SIDE_PX, 3), GROUND, np.uint8)
        for row, one in enumerate(request.objects):
            if attempt > self.forgets.get((request.request_id, row), 0):
                show(pixels, one.label, one.xyxy)
        for label, xyxy in self.adds:
            show(pixels, label, xyxy)
        return Drawing(pixels, self.known, self.painted)

    def paint_over(self, pictures, regions):
        self.over += [boxes.tolist() for boxes in regions]
        for pixels, boxes in zip(pictures, regions, strict=True):
            for x1, y1, x2, y2 in (boxes * SIDE_PX).round().astype(int).tolist():
                pixels[y1:y2, x1:x2] = GROUND
        return list(pictures)


class Eyes:
    """A judge that finds discs and squares by their colours."""

    name = "eyes"

    def __init__(self):
        self.asked = []

    def look(self, pictures, phrases):
        self.asked.append(tuple(phrases))
        return [self._one(pixels) for pixels in pictures]

    def _one(self, pixels):
        labels, boxes = [], []
        for number, name in enumerate(CLASSES):
            mask = (np.abs(pixels.astype(int) - COLOURS[name]).max(axis=2) < 60).astype(np.uint8)
            for x, y, width, height, pixel_count in cv2.connectedComponentsWithStats(mask)[2][1:]:
                if pixel_count > 50:
                    labels.append(number)
                    boxes.append(np.array([x, y, x + width, y + height]) / SIDE_PX)
        return Sighting(np.array(labels, np.int64), np.array(boxes).reshape(-1, 4), np.full(len(labels), 0.9))


def painter(artist, eyes=None, **settings):
    words = Vocabulary(classes={"disc": ClassWords(judged_as="a red disc")})
    verification = Verification(eyes or Eyes(), None, words, CLASSES, VerifySettings(**settings))
    return DrawPainter(artist, verification, encode_jpeg, lambda _: 0)


def test_a_picture_that_shows_what_was_asked_for_is_judged_at_once():
    artist, eyes = Artist(), Eyes()
    (made,) = painter(artist, eyes).paint([request(wish("disc", LEFT), wish("square", RIGHT))])
    assert isinstance(made, Picture)
    assert (made.verified, made.attempts, made.repairs) == ("judged", 1, ())
    assert [label.label for label in made.labels] == ["disc", "square"]
    assert [check.verdict for check in made.checks] == ["found", "found"]
    assert artist.drawn == [(["r"], 1)]
    assert eyes.asked == [("a red disc", "square")]


def test_only_what_is_wanting_is_drawn_again_from_another_seed():
    artist = Artist(forgets={("b", 0): 1, ("c", 0): 2})
    made = painter(artist).paint([request(name=name) for name in "abc"])
    assert [one.attempts for one in made] == [1, 2, 3]
    assert artist.drawn == [(["a", "b", "c"], 1), (["b", "c"], 2), (["c"], 3)]


def test_what_stays_missing_is_painted_over_where_the_wanted_object_is_there():
    artist = Artist(forgets={("r", 1): 9})
    (made,) = painter(artist, max_tries=2).paint([request(wish("disc", LEFT), wish("square", RIGHT))])
    assert isinstance(made, Picture)
    assert [label.label for label in made.labels] == ["disc"]
    assert made.repairs == ("square painted over",)
    assert made.verified == "judged"
    assert artist.over == [[list(RIGHT)]]


def test_what_stands_in_the_place_of_another_is_painted_over_as_far_as_it_reaches():
    wider = (0.55, 0.3, 0.95, 0.6)
    artist = Artist(forgets={("r", 1): 9}, adds=[("disc", wider)])
    (made,) = painter(artist, max_tries=1).paint([request(wish("disc", LEFT), wish("square", RIGHT))])
    assert isinstance(made, Picture)
    assert [label.label for label in made.labels] == ["disc"]
    ((place, seen),) = artist.over
    assert place == list(RIGHT)
    assert np.allclose(seen, wider, atol=0.02)


REFUSED = {
    "the wanted object never appears": (Artist(forgets={("r", 0): 9}), "disc missing"),
    "neither of two appears": (Artist(forgets={("r", 0): 9, ("r", 1): 9}), "disc missing"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_picture_without_what_it_was_made_for_is_refused(name):
    artist, reason = REFUSED[name]
    objects = (wish("disc", LEFT), wish("square", RIGHT))
    (made,) = painter(artist, max_tries=2).paint([request(*objects)])
    assert made == Failure(request_id="r", reason=reason, refused=True)
    assert artist.over == []


def test_an_object_that_nobody_asked_for_gets_a_label():
    (made,) = painter(Artist(adds=[("square", RIGHT)])).paint([request()])
    assert isinstance(made, Picture)
    assert sorted(label.label for label in made.labels) == ["disc", "square"]
    assert made.repairs


def test_noise_is_refused_to_the_last_picture(tmp_path):
    """A generator with random weights, through the real libraries."""
    folder = tiny_pipeline.save(tmp_path / "weights")
    door = GligenDoor.load(str(folder), PaintSettings(steps=1, batch_count=4), device="cpu")
    made = produce(
        [request(name=f"r{number}", seed=number) for number in range(6)],
        painter_of=lambda _: painter(GligenArtist(door, lambda _: None), max_tries=2),
        folder=tmp_path / "pictures",
        workspace=tmp_path,
    )
    assert list(made) == [Failure(request_id=f"r{number}", reason="disc missing", refused=True) for number in range(6)]
    assert not list(tmp_path.rglob("*.jpg"))


def test_a_picture_that_could_not_be_drawn_is_a_failure_and_not_refused():
    made = painter(Artist(fails={"a": (1, 2, 3)})).paint([request(name="a"), request(name="b")])
    assert made[0] == Failure(request_id="a", reason="the arithmetic overflowed")
    assert isinstance(made[1], Picture)


def test_a_seed_that_gives_no_picture_is_followed_by_another():
    (made,) = painter(Artist(fails={"r": (1,)})).paint([request()])
    assert isinstance(made, Picture)
    assert made.attempts == 2


def test_a_worse_try_does_not_take_the_place_of_a_better_one():
    objects = (wish("disc", LEFT), wish("square", RIGHT))
    (made,) = painter(Artist(forgets={("r", 1): 9}, fails={"r": (2, 3)})).paint([request(*objects)])
    assert isinstance(made, Picture)
    assert (made.attempts, made.repairs) == (1, ("square painted over",))


def test_a_label_of_the_photo_goes_where_its_object_was_painted_over():
    """A square was asked for, a disc was drawn, and it reaches over a square of the photo."""
    known = PictureLabel(label="square", xyxy=(0.82, 0.4, 0.88, 0.5), visible_share=1, source_id="s", added=False)
    place, reach = (0.6, 0.3, 0.8, 0.6), (0.57, 0.3, 0.9, 0.6)
    artist = Artist(forgets={("r", 1): 9}, adds=[("disc", reach)], known=(known,), painted=[LEFT, place])
    asked = request(wish("disc", LEFT), wish("square", place), backend="gligen-inpaint")
    (made,) = painter(artist, max_tries=1).paint([asked])
    assert isinstance(made, Picture)
    assert [(label.label, label.added) for label in made.labels] == [("disc", True)]


def test_without_a_judge_labels_are_as_requested_and_marked_unverified():
    known = PictureLabel(label="square", xyxy=RIGHT, visible_share=1, source_id="s", added=False)
    artist = Artist(forgets={("r", 0): 9}, known=(known,))
    asked = request(backend="gligen-inpaint", background_id="photo")
    (made,) = DrawPainter(artist, None, encode_jpeg, lambda _: 0).paint([asked])
    assert isinstance(made, Picture)
    assert made.verified == "unverified"
    assert [(label.label, label.added) for label in made.labels] == [("square", False), ("disc", True)]
    assert made.source_ids == ("photo",)
    assert artist.drawn == [(["r"], 1)]
