import numpy as np
import pytest

from generation.card import SIDES, CapabilityCard, card_lines, card_of, card_requests
from generation.records import ObjectCheck
from generation.vocabulary import ClassWords, Vocabulary
from training.boxes import area, iou

WORDS = Vocabulary(classes={"cone": ClassWords(phrases=("a {colour} cone",), attributes={"colour": ("red", "blue")})})
REQUESTS = card_requests(WORDS, ("cone", "hat"), generator="g")


def checks(request, verdict):
    return [
        ObjectCheck(label=one.label, xyxy=one.xyxy, verdict=verdict, score=0.5, seen=one.xyxy, seen_label=one.label)
        for one in request.objects
    ]


def card(verdict_of):
    return card_of(REQUESTS, [checks(one, verdict_of(one)) for one in REQUESTS], generator="g")


def test_every_class_is_asked_for_in_both_sizes_fifteen_times():
    assert [(row.label, row.size, row.asked) for row in card(lambda _: "found").rows] == [
        (label, size, 15) for label in ("cone", "hat") for size in SIDES
    ]
    assert len({one.request_id for one in REQUESTS}) == len(REQUESTS) == 24


def test_the_objects_of_a_picture_lie_apart_and_inside_and_are_large_enough_to_be_drawn():
    for request in REQUESTS:
        boxes = np.array([one.xyxy for one in request.objects])
        assert boxes.min() > 0
        assert boxes.max() < 1
        assert area(boxes).min() >= 0.01
        for row in range(1, len(boxes)):
            assert iou(boxes[:1].repeat(len(boxes) - row, axis=0), boxes[row:]).max() == 0


AGAINST = {
    "what is drawn": (lambda _: "found", "cone", "large", None),
    "what is moved is drawn": (lambda _: "moved", "cone", "large", None),
    "what is missing": (lambda _: "missing", "cone", "large", "the generator drew 0 of 15 large cone"),
    "another class in its place": (lambda _: "wrong class", "hat", None, "the generator drew 0 of 30 hat"),
    "only alone": (
        lambda one: "found" if len(one.objects) == 1 else "missing",
        "cone",
        "medium",
        "drew 3 of 15 medium",
    ),
    "only in fours": (lambda one: "missing" if len(one.objects) == 1 else "found", "cone", "medium", None),
    "what the judge cannot see is not held against it": (lambda _: "unjudged", "cone", "large", None),
    "a class that is not on the card": (lambda _: "missing", "vest", None, None),
}


@pytest.mark.parametrize("name", AGAINST)
def test_what_cannot_be_drawn_is_not_asked_for(name):
    verdict_of, label, size, reason = AGAINST[name]
    said = card(verdict_of).against(label, size)
    assert said is None if reason is None else reason in said


def test_pictures_that_could_not_be_drawn_are_held_against_the_generator():
    empty = card_of(REQUESTS, [() for _ in REQUESTS], generator="g")
    assert [(row.judged, row.failed) for row in empty.rows] == [(0, 15)] * 4
    assert "drew 0 of 15" in empty.against("cone", "large")
    assert CapabilityCard.model_validate_json(empty.model_dump_json()) == empty
    assert "15 of 15 could not be drawn" in "\n".join(card_lines(empty))
    assert "cannot see" in "\n".join(card_lines(card(lambda _: "unjudged")))
