import pytest

from generation.auto_review import judge_by_rule
from generation.records import ObjectCheck, PictureLabel, ReviewSettings, SyntheticImage

SAME_BOX, MOVED_A_LITTLE, ELSEWHERE = (0.1, 0.1, 0.3, 0.3), (0.11, 0.1, 0.31, 0.3), (0.5, 0.5, 0.7, 0.7)


def label(xyxy=SAME_BOX, *, name="ball", visible_share=1.0, added=True):
    return PictureLabel(label=name, xyxy=xyxy, visible_share=visible_share, source_id="s", added=added)


def picture(request_id, *labels, look=0):
    return SyntheticImage(
        request_id=request_id,
        brief_id="b",
        finding_id="f",
        backend="paste",
        digest="d",
        path=f"pictures/{request_id}.jpg",
        width_px=100,
        height_px=80,
        labels=labels,
        source_ids=("p",),
        look=f"{look:016x}",
    )


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        pytest.param([label()], "", id="a good one"),
        pytest.param([], "no added object is visible", id="no label"),
        pytest.param([label(added=False)], "no added object is visible", id="only labels of the photo"),
        pytest.param([label(visible_share=0.6)], "", id="just enough is visible"),
        pytest.param([label(visible_share=0.59)], "too little of the object is visible", id="too little is visible"),
        pytest.param(
            [label(), label(ELSEWHERE, visible_share=0.1)], "too little of the object is visible", id="one of two"
        ),
        pytest.param([label((0.1, 0.1, 0.18, 0.5))], "", id="just eight pixels wide"),
        pytest.param([label((0.1, 0.1, 0.17, 0.5))], "object too small", id="seven pixels wide"),
        pytest.param([label((0.1, 0.1, 0.5, 0.19))], "object too small", id="seven pixels high"),
        pytest.param(
            [label(), label((0, 0, 0.01, 0.01), added=False)], "", id="small labels of the photo do not count"
        ),
    ],
)
def test_a_picture_is_judged_by_the_objects_that_were_added(labels, reason):
    (verdict,) = judge_by_rule([picture("a", *labels)])
    assert (verdict.accepted, verdict.reason, verdict.reviewer) == (not reason, reason, "rule")


def test_what_the_judge_cannot_see_is_left_to_people():
    seen, unseen = (
        ObjectCheck(label="ball", xyxy=SAME_BOX, verdict=verdict, score=None, seen=None, seen_label="")
        for verdict in ("found", "unjudged")
    )
    checked = [
        picture(name, label()).model_copy(update={"checks": each})
        for name, each in (("a", (seen,)), ("b", (seen, unseen)))
    ]
    accepted, left = judge_by_rule(checked)
    assert accepted.accepted
    assert (left.accepted, left.reason) == (False, "left to people: the judge cannot see ball")


@pytest.mark.parametrize(
    ("second", "is_twin"),
    [
        pytest.param(picture("b", label(), look=0b11), True, id="two bits"),
        pytest.param(picture("b", label(), look=0b111), False, id="three bits"),
        pytest.param(picture("b", label(), look=1 << 63), True, id="the highest bit"),
        pytest.param(picture("b", label(MOVED_A_LITTLE)), True, id="moved a little"),
        pytest.param(picture("b", label(ELSEWHERE)), False, id="the same photo, the object elsewhere"),
        pytest.param(picture("b", label(name="crate")), False, id="another class in the same place"),
        pytest.param(picture("b", label(), label(ELSEWHERE)), False, id="one object more"),
        pytest.param(picture("b", label(), label(ELSEWHERE, added=False)), True, id="one label of the photo more"),
    ],
)
def test_a_near_duplicate_looks_alike_and_has_the_same_objects_in_the_same_places(second, is_twin):
    verdicts = judge_by_rule([picture("a", label()), second])
    assert verdicts[0].accepted
    assert verdicts[1].reason == ("near-duplicate of a" if is_twin else "")


def test_two_objects_in_one_place_do_not_match_two_in_two_places():
    first = picture("a", label(), label(MOVED_A_LITTLE))
    second = picture("b", label(), label(ELSEWHERE))
    assert [verdict.accepted for verdict in judge_by_rule([first, second])] == [True, True]


def test_only_accepted_pictures_have_near_duplicates():
    hidden = picture("a", label(visible_share=0.1))
    verdicts = judge_by_rule([hidden, picture("b", label()), picture("c", label())])
    assert [verdict.reason for verdict in verdicts[1:]] == ["", "near-duplicate of b"]


def test_the_settings_are_heeded():
    strict = ReviewSettings(min_visible_share=0.9, min_side_px=30, max_look_bits=0)
    pictures = [
        picture("a", label((0, 0, 0.5, 0.5))),
        picture("b", label((0, 0, 0.5, 0.5)), look=1),
        picture("c", label((0, 0, 0.5, 0.5), visible_share=0.8)),
        picture("d", label()),
    ]
    assert [verdict.accepted for verdict in judge_by_rule(pictures, settings=strict)] == [True, True, False, False]


def test_no_picture_gives_no_verdict():
    assert judge_by_rule([]) == ()
