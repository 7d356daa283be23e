"""Which pictures a cold start asks for: equal shares, in turns, and counted as they pass."""

from collections import Counter

import pytest

from curation.cold import class_of_line, counts_of, equal_shares, plan_requests, refused_by_class
from generation.vocabulary import Vocabulary

WORDS = Vocabulary.model_validate(
    {
        "classes": {
            "cone": {"phrases": ["a {colour} cone"], "attributes": {"colour": ["red", "lime"]}},
            "pallet": {},
            "tote": {"placing": {"belongs_to": "pallet", "xyxy": [0.2, -0.7, 0.8, 0.2], "chance": 0.3}},
        },
        "scene": {"light": ["at dusk", "at noon"]},
    }
)
CLASSES = tuple(WORDS.classes)
SHARES = {
    # name: pictures, shares of three classes
    "even": (12, (4, 4, 4)),
    "one more": (13, (5, 4, 4)),
    "two more": (14, (5, 5, 4)),
    "fewer than classes": (2, (1, 1, 0)),
}


@pytest.mark.parametrize("name", SHARES)
def test_classes_have_equal_shares_and_the_requests_keep_to_them(name: str) -> None:
    count, shares = SHARES[name]
    assert tuple(equal_shares(count, CLASSES).values()) == shares
    planned = list(plan_requests(WORDS, generator="g", count=count, seed=0))
    made_for = Counter(request.objects[0].label for request in planned)
    assert tuple(made_for[label] for label in CLASSES) == shares


def test_classes_take_turns_so_the_line_tells_the_class_and_a_part_is_balanced() -> None:
    labels = [request.objects[0].label for request in plan_requests(WORDS, generator="g", count=14, seed=0)]
    assert labels == [class_of_line(line, CLASSES) for line in range(1, 15)]
    assert labels[:6] == [*CLASSES, *CLASSES]


def test_the_same_wishes_give_the_same_requests_and_another_seed_gives_others() -> None:
    def ids(seed: int) -> list[str]:
        return [request.request_id for request in plan_requests(WORDS, generator="g", count=9, seed=seed)]

    assert ids(0) == ids(0)
    assert len({*ids(0), *ids(1)}) == 18


def test_what_requests_show_is_counted_while_they_pass() -> None:
    counts = counts_of(WORDS)
    passed = list(counts.passing(plan_requests(WORDS, generator="g", count=12, seed=0)))
    assert len(passed) == 12
    assert counts.objects == Counter(one.label for request in passed for one in request.objects)
    assert counts.values["cone.colour"] == {"red": 2, "lime": 2}
    assert counts.values["light"] == {"at dusk": 6, "at noon": 6}


def test_refused_pictures_are_counted_for_the_class_that_they_were_made_for() -> None:
    lines = {1: False, 2: True, 3: False, 4: True, 5: True}
    assert refused_by_class(lines, CLASSES) == {"cone": 1, "pallet": 2, "tote": 0}
