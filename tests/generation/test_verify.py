"""Planted faults in drawn pictures whose truth is exact; the judge of these tests finds discs and squares by colour."""

from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.calibration import Calibration, ClassSight
from generation.records import DrawObject, PictureLabel
from generation.sighting import Sighting
from generation.verify import VerifySettings, check

WIDTH, HEIGHT = 200, 100
GROUND = np.array([120.0, 120.0, 120.0])
COLOURS = {"ball": (40, 40, 240), "crate": (240, 60, 40), "cone": (40, 220, 60)}
CLASSES = tuple(COLOURS)
LEFT, MIDDLE, RIGHT = (0.1, 0.2, 0.3, 0.6), (0.4, 0.2, 0.6, 0.6), (0.7, 0.2, 0.9, 0.6)
SETTINGS = VerifySettings(min_score=0.5, doubtful_share=0.6)


@dataclass(frozen=True)
class Thing:
    """What is drawn: 1 is its full colour, less is fainter."""

    label: str
    xyxy: tuple[float, float, float, float]
    strength: float = 1.0


def draw(*things):
    """Draw balls as ellipses and all else as rectangles, later ones over earlier ones."""
    pixels = np.full((HEIGHT, WIDTH, 3), GROUND)
    for thing in things:
        x1, y1, x2, y2 = np.round(np.array(thing.xyxy) * [WIDTH, HEIGHT, WIDTH, HEIGHT]).astype(int).tolist()
        colour = GROUND + thing.strength * (np.array(COLOURS[thing.label]) - GROUND)
        if thing.label == "ball":
            row, column = np.mgrid[y1:y2, x1:x2] + 0.5
            inside = ((column * 2 - x1 - x2) / (x2 - x1)) ** 2 + ((row * 2 - y1 - y2) / (y2 - y1)) ** 2 <= 1
        else:
            inside = np.ones((y2 - y1, x2 - x1), bool)
        pixels[y1:y2, x1:x2][inside] = colour
    return pixels.round().astype(np.uint8)


@dataclass
class ColourJudge:
    """Finds patches of the classes' colours; the score is how full the colour is. It remembers what it was shown."""

    jitters: tuple[float, ...] = (0.0,)
    """Each object is seen so many times, cut off at the right by these shares, with falling scores."""
    names: dict[str, tuple[tuple[str, float], ...]] = field(default_factory=dict)
    """Other classes that an object of a class is taken for, with a factor on the score."""
    shown: list[np.ndarray] = field(default_factory=list)
    name: str = "by colour"

    def look(self, pictures, phrases):
        self.shown += pictures
        return [self._one(picture, list(phrases)) for picture in pictures]

    def _one(self, picture, phrases):
        rows = [row for phrase in phrases for row in self._of_class(picture.astype(float), phrase, phrases)]
        rows.sort(key=lambda row: -row[2])
        return Sighting(
            label=np.array([row[0] for row in rows], np.int64),
            xyxy=np.array([row[1] for row in rows]).reshape(-1, 4),
            score=np.array([row[2] for row in rows], np.float64),
        )

    def _of_class(self, picture, phrase, phrases):
        way = np.array(COLOURS[phrase]) - GROUND
        strength = (picture - GROUND) @ way / (way @ way)
        is_pure = np.abs(picture - GROUND - strength[:, :, None] * way).max(axis=2) < 2
        count, _, stats, _ = cv2.connectedComponentsWithStats(((strength > 0.05) & is_pure).astype(np.uint8))
        for x, y, width, height, area in stats[1:count]:
            if area < 20:
                continue
            score = float(np.clip(np.median(strength[y : y + height, x : x + width]), 0, 1))
            for turn, cut in enumerate(self.jitters):
                corners = np.array([x, y, x + width * (1 - cut), y + height]) / [WIDTH, HEIGHT, WIDTH, HEIGHT]
                for name, factor in ((phrase, 1.0), *self.names.get(phrase, ())):
                    yield phrases.index(name), corners, score * factor * 0.95**turn


def wish(label, xyxy):
    return DrawObject(label=label, phrase=f"a {label}", xyxy=xyxy)


def photo_label(label, xyxy):
    return PictureLabel(label=label, xyxy=xyxy, visible_share=1, source_id=f"the {label}", added=False)


def verify(wishes, things, *, judge=None, calibration=None, settings=SETTINGS, **given):
    (sighting,) = (judge or ColourJudge()).look([draw(*things)], CLASSES)
    return check(wishes, sighting, classes=CLASSES, calibration=calibration, settings=settings, **given)


def sees(*labels):
    """Give a calibration of a judge that sees these classes from a score of 0.5 on, and no others."""
    values = {"min_score": 0.5, "recall": 1, "precision": 1, "sightings": 50}
    classes = [ClassSight(label=label, objects=50 if label in labels else 3, **values) for label in CLASSES]
    return Calibration(judge="by colour", classes=tuple(classes), photos=50)


def shifted(xyxy, widths=0.0, heights=0.0, grown=1.0):
    x1, y1, x2, y2 = xyxy
    width, height = x2 - x1, y2 - y1
    x, y = (x1 + x2) / 2 + widths * width, (y1 + y2) / 2 + heights * height
    return (
        x - width * grown / 2,
        y - height * grown / 2,
        x + width * grown / 2,
        y + height * grown / 2,
    )


def labelled(checked):
    return [(label.label, *np.round(label.xyxy, 6)) for label in checked.labels]


def expected(*things):
    return [(label, *np.round(xyxy, 6)) for label, xyxy in things]


BOTH = (wish("ball", LEFT), wish("crate", RIGHT))
FULL = (Thing("ball", LEFT), Thing("crate", RIGHT))


@pytest.mark.parametrize(
    ("wishes", "things", "verdicts", "labels", "flaw"),
    [
        pytest.param(BOTH, FULL, "found found", [("ball", LEFT), ("crate", RIGHT)], "", id="all there"),
        pytest.param(BOTH, (), "missing missing", [], "", id="a blank picture"),
        pytest.param(BOTH, FULL[:1], "found missing", [("ball", LEFT)], "", id="one missing"),
        pytest.param(
            BOTH[1:],
            [Thing("crate", shifted(RIGHT, 0.1))],
            "found",
            [("crate", RIGHT)],
            "",
            id="a tenth aside: the label stays",
        ),
        pytest.param(
            BOTH[1:],
            [Thing("crate", shifted(RIGHT, 0.2))],
            "found",
            [("crate", shifted(RIGHT, 0.2))],
            "",
            id="a fifth aside: found, and the label follows",
        ),
        pytest.param(
            BOTH[1:],
            [Thing("crate", shifted(RIGHT, -0.5))],
            "moved",
            [("crate", shifted(RIGHT, -0.5))],
            "",
            id="half aside: moved, and the label follows",
        ),
        pytest.param(
            BOTH[1:],
            [Thing("crate", shifted(RIGHT, -1.0))],
            "moved",
            [("crate", shifted(RIGHT, -1.0))],
            "",
            id="one width aside, without any overlap: moved",
        ),
        pytest.param(
            BOTH[1:],
            [Thing("crate", shifted(RIGHT, -1.1))],
            "missing",
            [("crate", shifted(RIGHT, -1.1))],
            "",
            id="farther: missing, and an extra elsewhere",
        ),
        pytest.param(
            BOTH[1:],
            [Thing("crate", shifted(RIGHT, 0, 0, 0.6))],
            "moved",
            [("crate", shifted(RIGHT, 0, 0, 0.6))],
            "",
            id="a third of the area: moved",
        ),
        pytest.param(
            BOTH[1:],
            [Thing("crate", shifted(RIGHT, -0.9, 0, 0.4))],
            "missing",
            [("crate", shifted(RIGHT, -0.9, 0, 0.4))],
            "",
            id="a sixth of the area and aside: another object",
        ),
        pytest.param(BOTH[:1], [Thing("crate", LEFT)], "wrong class", [], "", id="another class in its place"),
        pytest.param(
            BOTH,
            [Thing("crate", LEFT), Thing("ball", RIGHT)],
            "wrong class wrong class",
            [],
            "",
            id="exchanged: both are wrong, and neither is an extra",
        ),
        pytest.param(
            BOTH,
            [*FULL, Thing("cone", MIDDLE)],
            "found found",
            [("ball", LEFT), ("crate", RIGHT), ("cone", MIDDLE)],
            "",
            id="a sure extra is labelled",
        ),
        pytest.param(
            BOTH,
            [*FULL, Thing("cone", MIDDLE, 0.35)],
            "found found",
            [("ball", LEFT), ("crate", RIGHT)],
            "there may be a cone without a label (score 0.35)",
            id="a doubtful extra costs the picture",
        ),
        pytest.param(
            BOTH,
            [*FULL, Thing("cone", MIDDLE, 0.25)],
            "found found",
            [("ball", LEFT), ("crate", RIGHT)],
            "",
            id="a faint trace is nothing",
        ),
        pytest.param(
            BOTH[1:],
            [Thing("crate", RIGHT, 0.4)],
            "missing",
            [],
            "",
            id="a doubtful object where it was asked for is missing, and no flaw",
        ),
        pytest.param(
            [wish("crate", LEFT), wish("crate", shifted(LEFT, 1.1))],
            [Thing("crate", shifted(LEFT, 0.6)), Thing("crate", shifted(LEFT, 1.7))],
            "moved moved",
            [("crate", shifted(LEFT, 0.6)), ("crate", shifted(LEFT, 1.7))],
            "",
            id="both aside: each has its own, though the first is nearer to the second's place",
        ),
        pytest.param(
            [wish("crate", LEFT), wish("crate", MIDDLE)],
            [Thing("crate", MIDDLE)],
            "missing found",
            [("crate", MIDDLE)],
            "",
            id="one object serves one request",
        ),
        pytest.param(
            [wish("crate", LEFT), wish("ball", shifted(LEFT, 0, -0.2, 0.4))],
            [Thing("crate", LEFT), Thing("ball", shifted(LEFT, 0, -0.2, 0.4))],
            "found found",
            [("crate", LEFT), ("ball", shifted(LEFT, 0, -0.2, 0.4))],
            "",
            id="an object on another",
        ),
        pytest.param([], [Thing("cone", LEFT)], "", [("cone", LEFT)], "", id="nothing asked for, something there"),
        pytest.param([], [], "", [], "", id="nothing asked for, nothing there"),
    ],
)
def test_each_planted_fault_is_caught(wishes, things, verdicts, labels, flaw):
    checked = verify(wishes, things)
    assert " ".join(each.verdict for each in checked.checks) == verdicts
    assert labelled(checked) == expected(*labels)
    assert checked.flaw == flaw
    gone = [row for row, each in enumerate(checked.checks) if each.verdict in ("missing", "wrong class")]
    assert checked.missing == tuple(gone)
    assert all(label.added and label.score for label in checked.labels)
    assert not checked.unjudged


@pytest.mark.parametrize("seed", range(5))
def test_noise_holds_nothing_that_was_asked_for(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    (sighting,) = ColourJudge().look([pixels], CLASSES)
    checked = check(BOTH, sighting, classes=CLASSES, calibration=None, settings=SETTINGS)
    assert (checked.missing, checked.labels) == ((0, 1), ())


def test_a_check_says_what_was_seen_and_where():
    moved = shifted(RIGHT, -0.5)
    checked = verify(
        [wish("crate", RIGHT), wish("ball", LEFT), wish("cone", MIDDLE)], [Thing("crate", moved), Thing("cone", LEFT)]
    )
    first, second, third = checked.checks
    assert (first.seen, first.seen_label, first.score) == (pytest.approx(moved), "crate", 1)
    assert first.xyxy == RIGHT
    assert (second.verdict, second.seen_label) == ("wrong class", "cone")
    assert (third.seen, third.seen_label, third.score) == (None, "", None)
    faint = verify(BOTH[1:], [Thing("crate", RIGHT, 0.4)]).checks[0]
    assert (faint.verdict, faint.seen_label, faint.score) == ("missing", "crate", pytest.approx(0.4, abs=0.01))


@pytest.mark.parametrize(
    ("things", "repairs"),
    [
        pytest.param([Thing("crate", shifted(RIGHT, 0.1))], (), id="none"),
        pytest.param(
            [Thing("crate", shifted(RIGHT, 0.2))], ("the label of crate was fitted to what is seen",), id="fitted"
        ),
        pytest.param([Thing("crate", shifted(RIGHT, 0.5))], ("crate moved, and its label with it",), id="moved"),
        pytest.param(
            [Thing("crate", RIGHT), Thing("ball", LEFT)], ("ball that nobody asked for was labelled",), id="extra"
        ),
    ],
)
def test_every_change_of_the_labels_is_told(things, repairs):
    assert verify(BOTH[1:], things).repairs == repairs


def test_an_object_that_is_seen_several_times_is_one_object():
    judge = ColourJudge(jitters=(0.0, 0.1, 0.2, 0.35))
    assert labelled(verify(BOTH, FULL, judge=judge)) == expected(("ball", LEFT), ("crate", RIGHT))
    assert labelled(verify([], FULL, judge=judge)) == expected(("ball", LEFT), ("crate", RIGHT))


def test_an_object_with_two_names_has_the_one_that_is_surer_for_its_class():
    judge = ColourJudge(names={"crate": (("cone", 0.9),)})
    assert labelled(verify(BOTH, FULL, judge=judge)) == expected(("ball", LEFT), ("crate", RIGHT))
    lower = sees(*CLASSES)
    cone = lower.classes[2].model_copy(update={"min_score": 0.3})  # 0.9 of 0.3 is more than 1 of 0.5
    judged = verify(
        BOTH, FULL, judge=judge, calibration=lower.model_copy(update={"classes": (*lower.classes[:2], cone)})
    )
    assert [each.verdict for each in judged.checks] == ["found", "wrong class"]


@pytest.mark.parametrize(
    ("label", "xyxy", "flawed"),
    [
        pytest.param("crate", shifted(LEFT, -0.25, -0.25, 0.5), False, id="a part"),
        pytest.param("crate", shifted(LEFT, -0.3, -0.3, 0.5), False, id="a part that reaches a little beyond"),
        pytest.param("crate", shifted(LEFT, -0.4, -0.25, 0.5), True, id="three tenths lie outside"),
        pytest.param("crate", RIGHT, True, id="elsewhere"),
        pytest.param("ball", shifted(LEFT, -0.25, -0.25, 0.5), True, id="of another class"),
    ],
)
def test_a_doubtful_part_of_a_labelled_object_is_no_flaw(label, xyxy, flawed):
    sighting = Sighting(
        label=np.array([CLASSES.index("crate"), CLASSES.index(label)]),
        xyxy=np.array([LEFT, xyxy]),
        score=np.array([0.9, 0.4]),
    )
    checked = check([wish("crate", LEFT)], sighting, classes=CLASSES, calibration=None, settings=SETTINGS)
    assert bool(checked.flaw) is flawed
    assert len(checked.labels) == 1


def test_without_any_shift_allowed_nothing_is_moved_and_found_is_found():
    strict = SETTINGS.model_copy(update={"max_shift": 0.0})
    for widths, verdict in ((0.2, "found"), (0.5, "missing")):
        checked = verify(BOTH[1:], [Thing("crate", shifted(RIGHT, widths))], settings=strict)
        assert [each.verdict for each in checked.checks] == [verdict]


def test_the_bound_of_a_class_is_the_calibrated_one():
    calibration = sees(*CLASSES)
    high = calibration.classes[1].model_copy(update={"min_score": 0.95})
    strict = calibration.model_copy(update={"classes": (calibration.classes[0], high, calibration.classes[2])})
    things = [Thing("ball", LEFT, 0.8), Thing("crate", RIGHT, 0.8)]
    assert [each.verdict for each in verify(BOTH, things, calibration=calibration).checks] == ["found", "found"]
    assert [each.verdict for each in verify(BOTH, things, calibration=strict).checks] == ["found", "missing"]


def test_a_class_that_the_judge_cannot_see_goes_to_people_as_it_was_asked_for():
    for things in (FULL, FULL[:1], [*FULL[:1], Thing("cone", RIGHT)]):
        checked = verify(BOTH, things, calibration=sees("ball", "cone"))
        assert checked.unjudged
        assert [each.verdict for each in checked.checks] == ["found", "unjudged"]
        assert labelled(checked) == expected(("ball", LEFT), ("crate", RIGHT))
        assert checked.labels[1].score is None
        assert (checked.missing, checked.flaw) == ((), "")


def test_sightings_of_a_class_that_the_judge_cannot_see_are_no_extras():
    assert labelled(verify(BOTH[:1], FULL, calibration=sees("ball"))) == expected(("ball", LEFT))


PAINTED = np.array([MIDDLE])
"""In the tests of painting into a photo, this part of it was painted anew."""


@pytest.mark.parametrize(
    ("things", "known", "verdict", "labels", "flaw"),
    [
        pytest.param(
            [Thing("ball", LEFT), Thing("crate", MIDDLE)],
            [("ball", LEFT)],
            "found",
            [("ball", LEFT), ("crate", MIDDLE)],
            "",
            id="painted, and the photo's own object stays",
        ),
        pytest.param(
            [Thing("crate", MIDDLE)],
            [("ball", LEFT)],
            "found",
            [("ball", LEFT), ("crate", MIDDLE)],
            "",
            id="a label of the photo stays, whatever the judge sees there",
        ),
        pytest.param(
            [Thing("crate", MIDDLE), Thing("cone", RIGHT), Thing("ball", LEFT, 0.4)],
            [],
            "found",
            [("crate", MIDDLE)],
            "",
            id="what lies elsewhere is the photo's, and no extra",
        ),
        pytest.param(
            [Thing("crate", MIDDLE), Thing("cone", shifted(MIDDLE, 0.25, 0.25, 0.3))],
            [],
            "found",
            [("crate", MIDDLE), ("cone", shifted(MIDDLE, 0.25, 0.25, 0.3))],
            "",
            id="an extra in the painted region",
        ),
        pytest.param(
            [Thing("crate", shifted(MIDDLE, 0.7))],
            [],
            "missing",
            [],
            "",
            id="an object of the photo beside the region is not the one that was asked for",
        ),
        pytest.param(
            [Thing("crate", shifted(MIDDLE, 0.3))],
            [("crate", shifted(MIDDLE, 0.51))],
            "missing",
            [("crate", shifted(MIDDLE, 0.51))],
            "",
            id="an object of the photo that reaches into the region has its own sighting",
        ),
        pytest.param(
            [Thing("crate", MIDDLE), Thing("ball", shifted(MIDDLE, 0.2, 0.2, 0.5))],
            [("ball", shifted(MIDDLE, 0.2, 0.2, 0.5))],
            "found",
            [("ball", shifted(MIDDLE, 0.2, 0.2, 0.5)), ("crate", MIDDLE)],
            "",
            id="painted over, and still seen: the label stays",
        ),
        pytest.param(
            [Thing("crate", MIDDLE)],
            [("ball", shifted(MIDDLE, 0.2, 0.2, 0.5))],
            "found",
            [("crate", MIDDLE)],
            "",
            id="painted over, and not seen: the label goes",
        ),
        pytest.param(
            [Thing("crate", MIDDLE)],
            [("crate", MIDDLE)],
            "found",
            [("crate", MIDDLE)],
            "",
            id="painted over by its like: the new one has the sighting",
        ),
        pytest.param(
            [Thing("crate", shifted(MIDDLE, 0.1))],
            [("crate", shifted(MIDDLE, 0.1))],
            "found",
            [("crate", MIDDLE)],
            "",
            id="painted over by its like: even where the old one fits better",
        ),
        pytest.param(
            [Thing("cone", shifted(MIDDLE, 0.4))],
            [("ball", shifted(MIDDLE, 0.51))],
            "missing",
            [("ball", shifted(MIDDLE, 0.51))],
            "",
            id="another name for an object of the photo is no extra",
        ),
    ],
)
def test_only_what_was_painted_is_judged(things, known, verdict, labels, flaw):
    known_labels = [photo_label(*each) for each in known]
    checked = verify([wish("crate", MIDDLE)], things, known=known_labels, painted=PAINTED)
    assert [each.verdict for each in checked.checks] == [verdict]
    assert labelled(checked) == expected(*labels)
    assert checked.flaw == flaw
    assert all(label.added or label in known_labels for label in checked.labels)


def test_what_is_left_of_an_object_that_the_judge_cannot_see_is_a_flaw():
    hidden = photo_label("ball", shifted(MIDDLE, 0.2, 0.2, 0.5))
    options = {"known": [hidden], "painted": PAINTED, "calibration": sees("crate")}
    checked = verify([wish("crate", MIDDLE)], [Thing("crate", MIDDLE)], **options)
    assert checked.flaw == "ball of the photo was painted over, and the judge cannot see the class"
    beside = options | {"known": [photo_label("ball", LEFT)]}
    assert not verify([wish("crate", MIDDLE)], [Thing("crate", MIDDLE)], **beside).flaw


def test_a_label_that_was_painted_away_is_told():
    hidden = photo_label("ball", shifted(MIDDLE, 0.2, 0.2, 0.5))
    checked = verify([wish("crate", MIDDLE)], [Thing("crate", MIDDLE)], known=[hidden], painted=PAINTED)
    assert checked.repairs == ("ball of the photo was painted over",)


cells = st.tuples(st.integers(0, 4), st.integers(0, 2))
things_anywhere = st.lists(
    st.tuples(st.sampled_from(CLASSES), cells, st.floats(0.55, 1)), max_size=6, unique_by=lambda thing: thing[1]
)


def in_cell(cell):
    x, y = cell
    return (0.2 * x + 0.01, 0.3 * y + 0.02, 0.2 * x + 0.17, 0.3 * y + 0.28)


@given(wanted=things_anywhere, there=things_anywhere)
def test_every_sure_object_is_labelled_where_it_is_or_lies_in_a_place_to_be_drawn_again(wanted, there):
    wishes = [wish(label, in_cell(cell)) for label, cell, _ in wanted]
    checked = verify(wishes, [Thing(label, in_cell(cell), strength) for label, cell, strength in there])
    again = [wishes[row].xyxy for row in checked.missing]
    boxes = {(label.label, tuple(np.round(label.xyxy, 2))) for label in checked.labels}
    for label, cell, _ in there:
        assert (label, tuple(np.round(in_cell(cell), 2))) in boxes or in_cell(cell) in again
    assert len(checked.labels) == len(boxes)
    assert len(boxes) <= len(there)
