"""What the panel says about a picture: counts that read right for any class name, and nothing that is Markdown."""

import numpy as np

from curation.stories import stories_of
from generation.records import PictureLabel, SyntheticImage, Verdict
from training.boxes import BoxTable

CLASSES = ("disc", "$hat_*")


def test_a_story_says_what_was_put_in_what_the_rule_says_and_what_the_champion_sees() -> None:
    labels = [
        PictureLabel(label=name, xyxy=(0, 0, 0.5, 0.5), visible_share=1, source_id="", added=added)
        for name, added in (("disc", True), ("disc", True), ("$hat_*", True), ("disc", False))
    ]
    picture = SyntheticImage(
        request_id="a", brief_id="b", finding_id="f", backend="paste", digest="d", path="p", width_px=9, height_px=9,
        labels=tuple(labels), source_ids=(), look="0" * 16,
    )  # fmt: skip
    seen = BoxTable(
        id=np.array(["1", "2", "3"], "<U24"),
        image=np.zeros(3, np.int64),
        label=np.array([0, 1, 0]),
        xyxy=np.array([[0, 0, 0.5, 0.5]] * 3),
        score=np.array([0.4, 0.33, 0.91]),
    )
    verdict = Verdict(request_id="a", accepted=False, reason="too *small*", reviewer="rule")
    story = stories_of(
        [picture], words={"f": "small discs"}, requests={}, verdicts={"a": verdict}, seen=seen, classes=CLASSES
    )["a"]
    assert story.split("\n\n") == [
        "**made for** small discs",
        r"**put in** 1 × $hat\_\*, 2 × disc, by paste",
        r"**the rule** would reject it: too \*small\*",
        r"**the champion sees** 2 × disc (0.91, 0.40), 1 × $hat\_\* (0.33)",
    ]
