"""A selection fits the screen and says what it is for, what was left out, and why these photos."""

import pytest

from curation.imports import Refused
from curation.select_lines import MAX_PICKS, selection_lines
from curation.selection import Pick, Selection
from training.records import FileRef

NOWHERE = FileRef(name="none", digest="")


def pick(number: int, kind: str, finding_id: str | None = None, name: str = "") -> Pick:
    return Pick.model_validate(
        {
            "photo_id": f"{number:024x}",
            "path": "data/photos/00/x.jpg",
            "name": name or f"night/{number}.jpg",
            "kind": kind,
            "finding_id": finding_id,
            "reason": f"reason {number}",
        }
    )


def selection(**changes: object) -> Selection:
    given = {
        "number": 2,
        "round": 3,
        "model_id": "abcd" * 6,
        "pool": "yard",
        "asked": 8,
        "seen": 50,
        "excluded": {"in train": 10, "there twice": 2},
        "refused": (),
        "classes": ("cone",),
        "picks": NOWHERE,
        "images": NOWHERE,
        "prelabels": NOWHERE,
        "shares": {"cone, light: dark": 5, "uncertain": 2, "random": 1},
        "notes": (),
    }
    return Selection.model_validate(given | changes)


PICKS = [*(pick(n, "finding", "weak") for n in range(5)), *(pick(n, "uncertain") for n in (5, 6)), pick(7, "random")]


def test_each_kind_is_shown_with_a_reason_before_others_of_its_kind() -> None:
    lines = selection_lines(selection(), PICKS, 100)
    shown = [line for line in lines if ": reason" in line]
    assert [line.partition(":")[0] for line in shown[:3]] == ["night/0.jpg", "night/5.jpg", "night/7.jpg"]
    assert len(shown) == MAX_PICKS


def test_a_long_reason_is_wrapped_and_set_in() -> None:
    reason = "uncertain: closeness of two classes in the top 5 % of the pool"
    lines = selection_lines(selection(), [PICKS[5].model_copy(update={"reason": reason})], 60)
    assert lines[-2:] == ["night/5.jpg: uncertain: closeness of two classes in the", "  top 5 % of the pool"]


def test_counts_say_where_photos_went() -> None:
    text = "\n".join(selection_lines(selection(), PICKS, 100))
    assert "selection 2: 8 photos of yard to label, by round 3's findings and champion abcd" in text
    assert "of 50 photos there; left out: 10 in train, 2 there twice" in text
    assert "   5  cone, light: dark" in text


def test_what_could_not_be_read_and_notes_are_said() -> None:
    refused = (Refused(file="half.jpg", line=None, reason="not a whole picture", lost="photo"),)
    text = "\n".join(selection_lines(selection(refused=refused, notes=("a note",), excluded={}), PICKS, 100))
    assert "left out: 1 unreadable" in text
    assert "not used: half.jpg: not a whole picture" in text
    assert "a note" in text


@pytest.mark.parametrize("width", [80, 120])
def test_a_large_selection_fits_a_screen(width: int) -> None:
    shares = {f"finding {number} about something long that goes on and on and on": 3 for number in range(20)}
    refused = tuple(Refused(file=f"{n}.jpg", line=None, reason="x" * 200, lost="photo") for n in range(50))
    lines = selection_lines(selection(shares=shares, refused=refused, notes=("n" * 300,) * 9), PICKS, width)
    assert len(lines) <= 22
    assert max(map(len, lines)) <= width
    assert any("and 14 more" in line for line in lines)


def test_names_of_unknown_origin_are_shown_without_control_characters() -> None:
    hostile = pick(0, "random", name="a\x1b[31mred.jpg")
    assert "\x1b" not in "\n".join(selection_lines(selection(), [hostile], 100))
