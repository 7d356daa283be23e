"""Requests drawn with a tiny GLIGEN of random weights: where something was painted, and by which seed."""

import numpy as np
import pytest

from generation.artist import Drawing, GligenArtist, Photo
from generation.gligen import GligenDoor
from generation.grounding import PaintFailure, PaintSettings
from generation.records import DrawObject, DrawRequest, PictureLabel
from tests.generation import tiny_pipeline

KNOWN = (PictureLabel(label="cat", xyxy=(0.0, 0.0, 0.1, 0.1), visible_share=1, source_id="s", added=False),)
PHOTO = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
BOX, BARE = (0.1, 0.2, 0.4, 0.6), (0.6, 0.5, 0.9, 0.9)


@pytest.fixture(scope="module")
def artist(tmp_path_factory):
    folder = tiny_pipeline.save(tmp_path_factory.mktemp("gligen"))
    door = GligenDoor.load(str(folder), PaintSettings(steps=2, batch_count=3), device="cpu")
    return GligenArtist(door, lambda photo_id: Photo(PHOTO, KNOWN))


def request(seed=1, **changes):
    objects = (DrawObject(label="dog", phrase="a dog", xyxy=BOX),)
    given = {"request_id": f"r{seed}", "backend": "gligen", "seed": seed, "prompt": "a photo of a dog"}
    return DrawRequest.model_validate(given | {"objects": objects} | changes)


def into_photo(seed=1, **changes):
    return request(seed, backend="gligen-inpaint", background_id="p", **changes)


def changed(drawing, xyxy):
    """Give the share of the pixels of a box that differ from the photo."""
    x1, y1, x2, y2 = (np.array(xyxy) * [120, 90, 120, 90]).round().astype(int)
    return (drawing.pixels != PHOTO).any(axis=2)[y1:y2, x1:x2].mean()


def test_a_whole_picture_has_no_labels_but_those_that_were_asked_for(artist):
    (drawing,) = artist.draw([request()], attempt=1)
    assert drawing.pixels.shape == (tiny_pipeline.SIDE_PX, tiny_pipeline.SIDE_PX, 3)
    assert drawing.known == ()
    assert drawing.painted is None


def test_an_object_and_bare_ground_are_painted_into_a_photo_and_nothing_else_is(artist):
    (drawing,) = artist.draw([into_photo(bare=(BARE,))], attempt=1)
    assert drawing.known == KNOWN
    assert drawing.painted.tolist() == [list(BARE), list(BOX)]
    assert changed(drawing, BOX) > 0.9
    assert changed(drawing, BARE) > 0.9
    outside = (drawing.pixels != PHOTO).any(axis=2)
    for x1, y1, x2, y2 in (np.array([BOX, BARE]) * [120, 90, 120, 90]).astype(int).tolist():
        outside[max(y1 - 6, 0) : y2 + 7, max(x1 - 6, 0) : x2 + 7] = False
    assert not outside.any()


def test_without_bare_ground_only_the_object_is_painted(artist):
    (drawing,) = artist.draw([into_photo()], attempt=1)
    assert changed(drawing, BARE) == 0


@pytest.mark.parametrize("kind", [request, into_photo])
def test_every_attempt_is_another_picture_and_the_same_attempt_is_not(artist, kind):
    first, again, second = (artist.draw([kind()], attempt=attempt)[0].pixels for attempt in (1, 1, 2))
    assert (first == again).all()
    assert (first != second).any()


def test_what_cannot_be_drawn_is_a_failure_among_the_others(artist):
    tiny = (DrawObject(label="dog", phrase="a dog", xyxy=(0.5, 0.5, 0.55, 0.55)),)
    made = artist.draw([request(1), request(2, objects=tiny), request(3)], attempt=1)
    assert [type(one) for one in made] == [Drawing, PaintFailure, Drawing]
    blank = (DrawObject(label="dog", phrase=" ", xyxy=BOX),)
    made = artist.draw([into_photo(1), into_photo(2, objects=blank)], attempt=1)
    assert [type(one) for one in made] == [Drawing, PaintFailure]


def test_painting_over_changes_the_region_and_leaves_pictures_without_one(artist):
    none, region = np.zeros((0, 4)), np.array([BARE])
    same, mended = artist.paint_over([PHOTO, PHOTO], [none, region])
    assert (same == PHOTO).all()
    assert changed(Drawing(mended), BARE) > 0.9
    assert changed(Drawing(mended), BOX) == 0
