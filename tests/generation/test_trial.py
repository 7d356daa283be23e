"""A judge is tried on photos whose truth is known, a generator on a grid of pictures."""

import numpy as np
import pytest

from generation.artist import Drawing
from generation.calibration import Calibration
from generation.draw import Verification
from generation.sighting import Sighting
from generation.trial import calibration_lines, read_record, try_generator, try_judge
from generation.verify import VerifySettings
from generation.vocabulary import Vocabulary

CLASSES = ("ball", "crate", "cone", "hat")
PIXELS = np.zeros((8, 8, 3), np.uint8)


class Knowing:
    """A judge that knows the truth of the photos in the order in which it is shown them."""

    name = "knowing"

    def __init__(self, truth):
        self.truth, self.shown = list(truth), 0

    def look(self, pictures, phrases):
        seen = self.truth[self.shown : self.shown + len(pictures)]
        self.shown += len(pictures)
        return [Sighting(labels, boxes, np.full(len(labels), 0.7)) for labels, boxes in seen]


def truth_of(priors, rows):
    for row in rows:
        labels = priors.labels.take(priors.rows_on[row])
        yield labels.label, labels.xyxy


def test_a_judge_that_knows_the_truth_is_believed_and_tried_once(drawn, tmp_path):
    priors, told = drawn.priors, []
    rows = np.unique(priors.labels.image)

    def tried(judge):
        return try_judge(
            judge,
            priors,
            vocabulary=Vocabulary(),
            read_photo=lambda row: PIXELS,
            folder=tmp_path,
            progress=lambda *done: told.append(done),
        )

    first = tried(Knowing(truth_of(priors, rows)))
    held = [each for each in first.classes if each.objects]
    assert {each.recall for each in held} == {each.precision for each in held} == {1.0}
    assert told[-1][0] == told[-1][1] == first.photos
    again = Knowing([])
    assert tried(again) == first
    assert again.shown == 0
    assert len(calibration_lines(first)) == 1 + len(priors.classes)


@pytest.mark.parametrize("text", [None, "", "{}", '{"judge": 1}'])
def test_what_was_kept_by_another_version_is_found_out_anew(tmp_path, text):
    path = tmp_path / "kept.json"
    if text is not None:
        path.write_text(text)
    assert read_record(path, Calibration) is None


class Shrinking:
    """An artist whose memory does not suffice for the first batch that it takes."""

    batch_count = 16

    def draw(self, requests, *, attempt):
        self.batch_count = 8
        return [Drawing(PIXELS) for _ in requests]


class Blind:
    name = "blind"

    def look(self, pictures, phrases):
        return [Sighting(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0)) for _ in pictures]


def test_the_grid_is_drawn_whole_though_the_batch_shrinks_on_the_way():
    told = []
    card = try_generator(
        Shrinking(),
        Verification(Blind(), None, Vocabulary(), CLASSES, VerifySettings()),
        generator="g",
        progress=lambda *done: told.append(done),
    )
    assert [done for done, _, _ in told] == [16, 24, 32, 40, 48]
    assert {(row.asked, row.judged, row.drawn) for row in card.rows} == {(15, 15, 0)}
