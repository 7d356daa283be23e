"""The report page: self-contained, safe, complete, and it says what the records say."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from curation import plots
from curation.evidence import Crop, GalleryPicture, crop_window, evidence_crop, gallery_within, thumbnail
from curation.records import (
    Action,
    Batch,
    Briefs,
    ClassVerdict,
    Condition,
    Decision,
    Difference,
    Finding,
    Findings,
    KindGain,
    Loss,
    Payoff,
    Payoffs,
    Plan,
    Review,
    Shortage,
    Suspects,
)
from curation.report import ReportInput, render
from curation.sections import Examples, PictureCounts
from curation.wording import score_text
from generation.records import Brief, PictureLabel
from training.records import Arm, ClassScore, Evaluation, FileRef, FitSettings, ImageSet, Interval, TrainingMix

REF = FileRef(name="table.npz", digest="0" * 24)
JPEG = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
CLASSES = ("person", "cone", "安全帽")
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>{{ 7 * 7 }}\u202e\x1b[31m"
VOID = {"meta", "img", "br", "line", "use", "path", "circle", "rect", "input"}


class Page(HTMLParser):
    """A strict reader: every element must be closed in order; rows are kept as text, links and sources listed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("tr", "li"):
            self.rows.append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.text += data
        if "tr" in self.open or "li" in self.open:
            self.rows[-1] += data + " "

    def row(self, *words: str) -> str:
        """The first row that holds all words, with single spaces."""
        return next(" ".join(row.split()) for row in self.rows if all(word in row for word in words))

    def count(self, tag: str, **attributes: str) -> int:
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return sum(name == tag and wanted.items() <= found.items() for name, found in self.tags)


def interval(value: float, photos: int = 60) -> Interval:
    return Interval(value=value, low=value - 0.071, high=value + 0.064, photos=photos)


def evaluation(split: str, aps: dict[str, float | None], photos: int = 60) -> Evaluation:
    scores = [
        ClassScore(
            label=label,
            ap=None if ap is None else interval(ap, photos),
            ap50=ap,
            objects=3 * photos,
            recall=ap,
            precision=ap,
            errors={"missed": 41 + number, "background": 7, "both": 0},
        )
        for number, (label, ap) in enumerate(aps.items())
    ]
    return Evaluation(
        model_id="abcdef012345678901234567",
        images="1" * 24,
        split=split,
        min_score=0.25,
        mean_ap=interval(0.412, 87),
        mean_ap50=0.713,
        classes=tuple(scores),
        predictions=REF,
        matches=REF,
    )


def finding(number: int, label: str = "cone", status: str = "confirmed", effect: float = 0.38) -> Finding:
    return Finding(
        conditions=(),
        origin="pre-specified",
        tested_on="val",
        finding_id=f"f{number}",
        label=label,
        size="small",
        words=f"small {label}",
        versus=f"other {label}",
        status=status,
        objects=76,
        photos=54,
        recall=0.46,
        recall_rest=0.84,
        effect=Interval(value=effect, low=effect - 0.12, high=effect + 0.1, photos=54),
        p=0.0001,
        q=0.0123,
        gain=0.081,
        missed={label: 41},
        objects_to_settle=140 if status == "open" else None,
        evidence=(),
        view="view",
    )


def brief(number: int, label: str = "cone", action: str = "generate", pictures: int = 48) -> Brief:
    return Brief(
        brief_id=f"b{number}{action}",
        finding_id=f"f{number}",
        action=action,
        label=label,
        size="small",
        pictures=pictures,
        reason=f"the largest gain, {label}",
    )


def picture(
    accepted: bool | None = True, words: str = "small cone", reason: str = "", *, is_unverified: bool = False
) -> GalleryPicture:
    labels = [
        PictureLabel(label=words, xyxy=(0.1, 0.2, 0.3, 0.4), visible_share=1, source_id="s", added=True),
        PictureLabel(label="person", xyxy=(0.5, 0.5, 1.0, 0.9), visible_share=1, source_id="s", added=False),
    ]
    return GalleryPicture(
        jpeg=JPEG,
        width_px=640,
        height_px=480,
        labels=labels,
        accepted=accepted,
        reason=reason,
        words=words,
        is_unverified=is_unverified,
    )


def arm(name: str, synthetic: int, classes: tuple[str, ...]) -> Arm:
    seen = dict.fromkeys(classes, 1234)
    return Arm(name=name, files=REF, length=277, real_count=277 - synthetic, synthetic_count=synthetic, seen=seen)


def decision(classes: tuple[str, ...]) -> Decision:
    return Decision(
        outcome="promoted",
        sentence="Promoted: mean AP 0.603 against 0.553 of the champion.",
        better=Difference(
            of="candidate − champion", mean_ap=interval(0.047, 72), classes=dict.fromkeys(classes, interval(0.122))
        ),
        pictures_did_it=Difference(of="candidate − control", mean_ap=interval(0.022, 72), classes={}),
        attributed="cannot tell",
        attribution="not attributable: one seed",
        classes=tuple(
            ClassVerdict(
                label=label, verdict="better", photos=60, champion_ap=0.311, control_ap=0.322, candidate_ap=0.433
            )
            for label in classes
        ),
        settle="",
        openings=2,
        champion="e" * 24,
        models={"champion": "c" * 24, "control": "d" * 24, "candidate": "e" * 24},
    )


def bare(classes: tuple[str, ...] = CLASSES) -> ReportInput:
    images = ImageSet(
        classes=classes,
        photos={"train": 205, "val": 87, "test": 72},
        objects={"train": dict.fromkeys(classes, 4321)},
        images=REF,
        labels=REF,
        fields=REF,
    )
    return ReportInput(dataset="yard", round=3, images=images)


def payoff() -> Payoff:
    return Payoff(
        finding_id="f1", words="small cone", pictures=42, objects=50, photos=40, champion=0.28, control=0.3,
        candidate=0.42, gain=interval(0.12), verdict="cannot be shown",
    )  # fmt: skip


LOSS = Loss(words="vest", since_round=1, before=0.9, now=0.7, change=interval(-0.2))


def crop(number: int) -> Crop:
    return Crop(jpeg=JPEG, caption=f"changed {number}", box=(0.2, 0.2, 0.8, 0.8))


ACTION = Action(finding_id="f1", action="generate", pictures=48, share=1, reason="the rule that decided it")


def full(classes: tuple[str, ...] = CLASSES) -> ReportInput:
    target = classes[1]
    found = [finding(1, target), finding(2, classes[0], "open", 0.04), finding(3, classes[2], "refuted", -0.2)]
    aps = {label: 0.3 + 0.2 * number / len(classes) for number, label in enumerate(classes)}
    return replace(
        bare(classes),
        champion=evaluation("val", aps),
        tests={
            "candidate": evaluation("test", {label: ap + 0.03 for label, ap in aps.items()}),
            "champion": evaluation("test", {label: ap + 0.01 for label, ap in aps.items()}),
            "control": evaluation("test", {label: ap + 0.02 for label, ap in aps.items()}),
        },
        findings=Findings(findings=tuple(found), split="val", min_effect=0.1, max_q=0.05),
        briefs=Briefs(actions=(ACTION,), briefs=(brief(1, target), brief(1, target, "label", 30)), note=""),
        plan=Plan(requests=REF, count=48, label_briefs=()),
        batch=Batch(pictures=REF, failures=REF, made=47, failed=1),
        review=Review(verdicts=REF, accepted=42, rejected=5, reasons={"too much covered": 5}),
        mix=TrainingMix(
            control=arm("control", 0, classes),
            candidate=arm("candidate", 42, classes),
            settings=FitSettings(imgsz=320, epochs=12, batch=16, lr0=0.001, seed=7, device="cpu"),
            seeds=(7, 8),
            new_count=42,
        ),
        payoffs=Payoffs(findings=(payoff(),), losses=(LOSS,)),
        decision=decision(classes),
        elapsed_s={"evaluate": 41.2, "generate": 9.7, "retrain": 602.0},
        counts={"f1": PictureCounts(requested=48, made=47, accepted=42)},
        examples=Examples(gained=9, lost=1, of_gained=(crop(1), crop(2)), of_lost=(crop(3),)),
        crops={"f1": [Crop(jpeg=JPEG, caption=f"photo {number}", box=(0.2, 0.2, 0.8, 0.8)) for number in range(11)]},
        gallery=[picture(), picture(accepted=False, reason="too much covered"), picture(accepted=None)],
    )


SECTIONS = ["ap", "errors", "findings", "pictures", "lineage", "cost", "training", "verdicts", "reading"]


def sections_of(html: str) -> list[str]:
    return [attributes["id"] for tag, attributes in Page(html).tags if tag == "section"]


def test_a_whole_round_has_all_sections_in_order_and_links_to_them():
    html = render(full())
    assert sections_of(html) == SECTIONS
    links = [attributes["href"] for tag, attributes in Page(html).tags if tag == "a"]
    assert links == [f"#{section}" for section in SECTIONS]


PARTS = {
    "nothing measured": (["champion", "tests", "findings", "briefs", "plan"], "Nothing has been measured yet."),
    "evaluated": (["tests", "findings", "briefs", "plan"], "The champion has been evaluated on val."),
    "analysed": (["tests", "briefs", "plan"], "1 of 3 tested slices confirmed as weak; nothing has been trained yet."),
}


@pytest.mark.parametrize(("missing", "sentence"), PARTS.values(), ids=PARTS.keys())
def test_what_a_round_does_not_have_yet_is_absent(missing, sentence):
    empty = bare()
    later = ["batch", "review", "mix", "decision", "elapsed_s", "counts", "gallery"]
    given = replace(full(), **{name: getattr(empty, name) for name in [*missing, *later]})
    html = render(given)
    page = Page(html)
    assert sentence in page.text
    assert "in progress" in page.text
    expected = {"ap", "errors"} if "champion" not in missing else set()
    assert set(sections_of(html)) == expected | ({"findings"} if "findings" not in missing else set()) | {"reading"}


@pytest.mark.parametrize(
    "name", ["champion", "tests", "findings", "briefs", "plan", "batch", "review", "mix", "decision"]
)
@pytest.mark.parametrize("others", ["with all others", "alone"])
def test_any_part_may_be_missing_or_the_only_one(name, others):
    part = {name: getattr(full() if others == "alone" else bare(), name)}
    Page(render(replace(bare() if others == "alone" else full(), **part)))


def test_the_verdict_stands_first_and_the_outcome_is_not_said_twice():
    page = Page(render(full()))
    badge, sentence = page.text.index("promoted"), page.text.index("Mean AP 0.603 against 0.553 of the champion.")
    assert badge < sentence < page.text.index("AP by class")
    assert "Promoted:" not in page.text


def test_the_page_loads_nothing_and_runs_nothing():
    html = render(full())
    page = Page(html)
    policies = [attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    assert not page.count("script")
    assert not page.count("link")
    assert "://" not in html
    assert "url(" not in html
    assert "@import" not in html
    for _, attributes in page.tags:
        assert attributes.get("href", "#").startswith("#")
        assert attributes.get("src", "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
        assert not any(name.startswith("on") for name in attributes)


def test_hostile_names_are_text_everywhere():
    names = (HOSTILE, HOSTILE + " again", HOSTILE + " more")
    given = full(names)
    given = replace(
        given,
        dataset=HOSTILE,
        gallery=[picture(False, HOSTILE, HOSTILE)],
        crops={"f1": [Crop(jpeg=JPEG, caption=HOSTILE)]},
        elapsed_s={HOSTILE: 3.0},
        review=given.review.model_copy(update={"reasons": {HOSTILE: 5}}),
        decision=given.decision.model_copy(update={"sentence": HOSTILE, "attribution": HOSTILE, "settle": HOSTILE}),
        briefs=given.briefs.model_copy(update={"note": HOSTILE}),
    )
    html = render(given)
    page = Page(html)
    assert not page.count("script")
    assert not page.count("img", src="x")
    assert "{{ 7 * 7 }}" in page.text
    assert "\u202e" not in html
    assert "\x1b" not in html
    assert page.text.count("<script>alert('x')</script>") >= 15
    assert "Markup" not in html


def test_each_class_has_its_ap_of_every_model_with_interval_and_photos():
    given = full()
    page = Page(render(given))
    for label in CLASSES:
        row = page.row(label, "better", "+0.122")
        assert "60" in row
        for role in ("champion", "control", "candidate"):
            score = next(score for score in given.tests[role].classes if score.label == label)
            assert score_text(score.ap) in row
        assert "+0.122 [+0.051, +0.186]" in row


def test_dots_and_whiskers_stand_where_the_axis_puts_the_values():
    given = full()
    tests = {role: given.tests[role] for role in plots.ROLES}
    plot = plots.score_plot(tests)
    html = render(given)
    for role in plots.ROLES:
        for score in tests[role].classes:
            at, low, high = (plot.axis.at(value) for value in (score.ap.value, score.ap.low, score.ap.high))
            drawn = f'<line x1="{low}%" x2="{high}%" y1="'
            assert drawn in html
            assert f'<use href="#{role}" x="{at}%"' in html
    assert Page(html).count("use", href="#control") == 1 + 1 + len(CLASSES)  # legend, mean, classes


def test_without_test_the_plot_is_of_the_champion_on_val():
    page = Page(render(replace(full(), tests={}, decision=None)))
    assert "AP by class on val" in page.text
    assert page.count("use", href="#control") == 0
    assert page.row("cone", "60").startswith("cone")


def test_a_class_without_objects_is_named_and_few_photos_are_marked():
    val = evaluation("val", {"person": 0.5, "cone": None}, photos=12)
    page = Page(render(replace(bare(), champion=val)))
    assert "val holds no object of: cone." in page.text
    assert "12*" in page.row("person", "12")
    assert "fewer than 50 photos" in page.text
    assert "fewer than 50 photos" not in Page(render(full())).text


def test_error_kinds_are_counted_by_class_and_by_model():
    page = Page(render(full()))
    rows = [" ".join(row.split()) for row in page.rows]
    assert rows.index("安全帽 43 7 0 0 0 0") < rows.index("person 41 7 0 0 0 0")
    assert page.row("cone", "42", "7", "0").startswith("cone 42 7 0 0 0 0")
    assert page.row("missed", "126").startswith("missed 126 126 126")


def test_a_finding_shows_its_test_its_action_and_eight_crops_before_unfolding():
    html = render(full())
    page = Page(html)
    row = page.row("confirmed", "small cone")
    for shown in (
        "0.46",
        "rest 0.84",
        "0.38 [0.26, 0.48]",
        "76",
        "in 54 photos",
        "0.012",
        "+0.081",
        "generate 48",
        "the rule that decided it",
    ):
        assert shown in row
    evidence = html[html.index('class="evidence"') :]
    before = evidence[: evidence.index("<details>")]
    assert before.count("<figure>") == 8
    assert "3 more missed objects" in page.text
    assert "needs ~140" in page.row("open", "small person")


def test_findings_come_confirmed_first():
    given = full()
    backwards = given.findings.model_copy(update={"findings": given.findings.findings[::-1]})
    text = Page(render(replace(given, findings=backwards))).text
    assert text.index("small cone") < text.index("small person") < text.index("small 安全帽")


def test_lineage_follows_a_finding_to_its_outcome():
    page = Page(render(full()))
    flow = page.row("generate 48 pictures")
    pictures = ("small cone", "42 accepted", "48 asked, 47 made")
    gain = ("cannot be shown to pay", "recall 0.30 → 0.42", "+0.286 per 100 pictures", "+0.742 per minute")
    for shown in (*pictures, *gain, "better", "60 photos"):
        assert shown in flow
    assert "a task for people" in page.row("label real photos")


def test_cost_training_and_openings_are_those_of_the_records():
    text = " ".join(Page(render(full())).text.split())
    assert "10 min 53 s in all. 48 pictures asked for, 47 made, 1 failed, 42 accepted, 5 refused" in text
    assert "(too much covered: 5)" in text
    assert Page(render(full())).row("retrain", "min") == "retrain 10 min 02 s"
    assert "320 px, 12 epochs, batch 16, first learning rate 0.001, seeds 7, 8, on cpu" in text
    assert "277 pictures an epoch: 235 real (repetitions counted), 42 synthetic" in text
    assert Page(render(full())).row("cone", "4,321") == "cone 4,321 1,234 1,234"
    assert "Test has been opened 2 times" in text
    assert "Not attributable: one seed." in text


def test_pictures_show_their_boxes_their_verdict_and_why():
    html = render(full())
    text = " ".join(Page(html).text.split())
    assert 'class="new" d="M100 200H300V400H100Z"' in html
    assert 'class="old" d="M500 500H1000V900H500Z"' in html
    assert "refused: too much covered" in text
    assert "not reviewed" in text
    assert "for small cone; put in: 1 small cone" in text


def test_drawn_pictures_are_called_drawn():
    assert "drawings made by this program" in render(replace(full(), drawn=True))
    assert "drawings made by this program" not in render(full())


def test_the_footer_names_every_record_by_its_fingerprint():
    given = full()
    text = Page(render(given)).text
    records = [given.images, given.champion, *given.tests.values(), given.findings, given.briefs, given.plan]
    for record in [*records, given.batch, given.review, given.mix, given.decision]:
        assert record.fingerprint() in text
    assert "e" * 24 in text


def test_equal_input_gives_the_same_page():
    assert render(full()) == render(full())


def test_a_page_with_everything_in_excess_stays_below_three_megabytes():
    classes = tuple(f"class {number} with a rather long name that goes on" for number in range(80))
    heavy = bytes(range(256)) * 60
    found = tuple(finding(number, classes[number % 80]) for number in range(320))
    given = replace(
        full(classes),
        findings=Findings(findings=found, split="val", min_effect=0.1, max_q=0.05),
        briefs=Briefs(actions=(), briefs=tuple(brief(number, classes[number % 80]) for number in range(320)), note=""),
        crops={each.finding_id: [Crop(jpeg=heavy, caption="photo")] * 30 for each in found},
        gallery=[replace(picture(), jpeg=heavy * 4, labels=picture().labels * 200)] * 60,
    )
    html = render(given)
    page = Page(html)
    assert len(html.encode()) < 3_000_000
    assert page.count("img") > 20
    assert "left out to keep this page small" in page.text
    assert "56 more classes" in page.text


def test_each_finding_gets_crops_at_once_before_any_is_unfolded():
    found = (finding(1), finding(2))
    crops = {each.finding_id: [Crop(jpeg=bytes(60_000), caption="photo")] * 24 for each in found}
    given = replace(bare(), findings=Findings(findings=found, split="val", min_effect=0.1, max_q=0.05), crops=crops)
    html = render(given)
    assert [part.split("</tbody>")[0].count("<img") for part in html.split('<tbody class="finding">')[1:]] == [17, 8]
    assert "16 crops left out" in Page(html).text


def test_more_classes_than_a_page_can_hold_are_counted():
    val = evaluation("val", {f"class {number}": 0.5 for number in range(1203)})
    html = render(replace(bare(), champion=val))
    assert len(html) < 1_500_000
    assert "963 more are not on this page" in html


def test_a_picture_whose_labels_nobody_has_checked_is_marked():
    html = render(replace(full(), gallery=[picture(is_unverified=True), picture()]))
    assert Page(html).text.count("labels unverified") == 1


MANY, FEW = [picture()] * 30, [picture()] * 3
REFUSED = [picture(accepted=False, reason="dark")] * 30
GALLERIES = {
    "many of both": (MANY + REFUSED, 16, 8),
    "no refused": (MANY, 24, 0),
    "few accepted": (REFUSED + FEW, 3, 21),
    "few refused": (MANY + REFUSED[:2], 22, 2),
    "none": ([], 0, 0),
}


@pytest.mark.parametrize(("pictures", "accepted", "refused"), GALLERIES.values(), ids=GALLERIES.keys())
def test_refused_pictures_are_shown_too(pictures, accepted, refused):
    shown = gallery_within(pictures, 24, max_bytes=10**9)
    assert [sum(each.accepted is True for each in shown), sum(each.accepted is False for each in shown)] == [
        accepted,
        refused,
    ]


scores = (
    st.tuples(*[st.floats(0, 1)] * 3)
    .map(sorted)
    .map(lambda three: Interval(low=three[0], value=three[1], high=three[2], photos=9))
)


@for_all(st.lists(scores, max_size=8))
def test_an_axis_holds_every_interval_within_the_bounds(intervals):
    axis = plots.axis_over(intervals, 0.0, 1.0)
    assert 0 <= axis.low < axis.high <= 1
    assert 2 <= len(axis.ticks) <= 7
    assert len({f"{tick:.{axis.digits}f}" for tick in axis.ticks}) == len(axis.ticks)
    for score in intervals:
        assert axis.low - 1e-6 <= score.low <= score.high <= axis.high + 1e-6
        mark = plots.mark("champion", score, axis)
        assert 0 <= mark.low <= mark.at <= mark.high <= 100


def test_the_effect_axis_holds_zero():
    found = Findings(findings=(finding(1, effect=0.6),), split="val", min_effect=0.1, max_q=0.05)
    assert 0 in plots.effect_axis(found).labels(2)


sides = st.integers(min_value=20, max_value=3000)
fractions = st.floats(min_value=0, max_value=0.98)


@for_all(width=sides, height=sides, left=fractions, top=fractions, size=st.floats(min_value=0.005, max_value=0.9))
def test_a_crop_window_lies_in_the_picture_and_holds_the_box(width, height, left, top, size):
    box = (left, top, min(left + size, 1.0), min(top + size, 1.0))
    x1, y1, x2, y2 = crop_window(box, width_px=width, height_px=height)
    assert 0 <= x1 < x2 <= width
    assert 0 <= y1 < y2 <= height
    assert x1 <= box[0] * width + 1e-6
    assert x2 >= min(box[2] * width, width) - 1e-6
    assert y1 <= box[1] * height + 1e-6
    assert y2 >= min(box[3] * height, height) - 1e-6
    assert min(x2 - x1, y2 - y1) >= min(48, width, height)


@pytest.mark.parametrize("corner", [(0.4, 0.4), (0.0, 0.0), (0.9, 0.95)])
def test_the_box_of_a_crop_frames_the_object(corner):
    pixels = np.zeros((400, 600, 3), np.uint8)
    x, y = round(corner[0] * 600), round(corner[1] * 400)
    pixels[y : y + 20, x : x + 60] = (0, 0, 255)
    crop = evidence_crop(pixels, (x / 600, y / 400, (x + 60) / 600, (y + 20) / 400), caption="photo")
    shown = cv2.imdecode(np.frombuffer(crop.jpeg, np.uint8), cv2.IMREAD_COLOR)
    height, width = shown.shape[:2]
    x1, y1, x2, y2 = (np.array(crop.box) * [width, height, width, height]).round().astype(int)
    red = shown[..., 2] > 128
    assert red[y1:y2, x1:x2].mean() > 0.9
    assert red.sum() < 1.15 * (x2 - x1) * (y2 - y1)
    assert max(width, height) <= 160


THUMBNAILS = {
    "landscape": ((480, 640), (240, 320)),
    "portrait": ((640, 480), (320, 240)),
    "small": ((40, 60), (40, 60)),
    "sliver": ((4000, 10), (320, 1)),
}


@pytest.mark.parametrize(("shape", "expected"), THUMBNAILS.values(), ids=THUMBNAILS.keys())
def test_a_thumbnail_shrinks_to_the_longer_side_and_never_grows(shape, expected):
    pixels = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    jpeg = thumbnail(pixels, max_side_px=320)
    assert jpeg[:2] == b"\xff\xd8"
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape[:2] == expected


def test_every_class_name_of_the_style_is_used_by_the_page():
    html = render(replace(full(), drawn=True, decision=decision(CLASSES)))
    style, body = html.split("</style>")
    named = {name for name in re.findall(r"\.([a-z]+)(?=[\s,:{.>])", style) if name not in {"num"}}
    used = {name for classes in re.findall(r'class="([^"]*)"', body) for name in classes.split()}
    outcomes = {"rejected", "inconclusive", "worse", "cannot"}
    assert named - used - outcomes == set()


def test_what_train_lacks_is_shown_with_its_reason_and_evidence():
    short = Shortage(
        finding_id="s1", conditions=(), label="vest", size=None, words="vest, colour: pink", why="3 objects in train",
        train_objects=3, val_objects=12, val_photos=9, recall=0.25, gain=0.02, evidence=(), view="view",
    )  # fmt: skip
    found = full().findings.model_copy(update={"shortages": (short,)})
    page = Page(render(replace(full(), findings=found, crops={"s1": [Crop(jpeg=JPEG, caption="pink vest")]})))
    row = page.row("vest, colour: pink", "3 objects in train")
    assert "in 9 photos" in row
    assert "0.25" in row


def test_every_field_is_shown_value_by_value_the_weakest_first():
    def of(number: int, column: str, value: str, q: float) -> Finding:
        return finding(number, "cone", "open").model_copy(
            update={"conditions": (Condition(column=column, value=value),), "q": q, "finding_id": f"c{number}"}
        )

    found = Findings(
        findings=(of(1, "site", "north", 0.9), of(2, "camera", "gate", 0.02), of(3, "camera", "roof", 0.8)),
        split="val", min_effect=0.1, max_q=0.05,
    )  # fmt: skip
    html = render(replace(bare(), findings=found))
    section = html[html.index("By every field") :]
    assert section.index("gate") < section.index("roof") < section.index("north")


def test_suspected_labels_and_what_kinds_of_error_cost_are_said():
    found = full().findings.model_copy(
        update={
            "suspects": Suspects(
                table=REF, counts={"train": {"duplicate label": 7}, "val": {}}, view="round 3: suspects"
            ),
            "kinds": (KindGain(kind="missed", label=None, count=41, ap_gain=0.12),),
        }
    )
    text = " ".join(render(replace(full(), findings=found)).split())
    assert "7 duplicate label on train" in text
    assert "missed +0.120" in text


def test_objects_that_only_one_model_finds_are_shown_with_their_number() -> None:
    text = Page(render(full())).text
    assert "9 objects found by the candidate, but not the champion; 2 of them:" in text
    assert "1 object found by the champion, but not the candidate:" in text
    assert "changed 3" in text
    assert "changed 1" not in Page(render(replace(full(), examples=None))).text


def test_what_was_forgotten_since_an_earlier_round_is_said() -> None:
    text = " ".join(Page(render(full())).text.split())
    assert "vest: recall 0.90 in round 1, now 0.70" in text
