"""What a cold start says of itself: a screen, and estimates that can be checked."""

import pytest

from curation.cold import ColdDrawn, ColdModel, ColdPlan
from curation.cold_lines import disk_gb, drawn_lines, estimate_lines, gpu_hours, model_lines, picture_tflop, plan_lines
from curation.wording import cells_of
from generation.grounding import PaintSettings
from training.records import FileRef, FitSettings

TFLOP = {
    # name: settings, arithmetic of a picture
    "20 steps": ({}, 48.0),
    "25 steps": ({"steps": 25}, 59.4),
    "boxes in half of the steps": ({"grounded_share": 0.5}, 41.3),
    "without guidance": ({"guidance": 1}, 25.3),
}


@pytest.mark.parametrize("name", TFLOP)
def test_the_arithmetic_of_a_picture_is_as_it_was_counted(name: str) -> None:
    settings, expected = TFLOP[name]
    assert picture_tflop(PaintSettings(**settings)) == pytest.approx(expected, abs=0.06)


def test_hours_and_disk_grow_with_the_pictures() -> None:
    hours = gpu_hours(75_000, PaintSettings())
    assert {name: round(value, 1) for name, value in hours.items()} == {"H200": 4.2, "A10G": 35.7}
    assert gpu_hours(150_000, PaintSettings()) == {name: pytest.approx(2 * value) for name, value in hours.items()}
    assert disk_gb(75_000) == pytest.approx(9.0)


def plan_of(classes: int) -> ColdPlan:
    labels = tuple(f"a_rather_long_class_{number}" for number in range(classes))
    values = {f"{label}.{name}": {"one": 5, "two": 4} for label in labels for name in ("colour", "state", "occlusion")}
    values |= {name: {f"in {n}": 10_714 for n in range(7)} for name in ("light", "weather", "floor", "camera", "place")}
    return ColdPlan(
        made_from="m",
        count=75_000,
        classes=labels,
        pictures=dict.fromkeys(labels, 9_375),
        objects=dict.fromkeys(labels, 20_000),
        values=values,
        requests=FileRef(name="requests.jsonl", digest="d"),
    )


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("classes", [1, 8, 40])
def test_a_plan_with_its_estimates_fits_a_screen(classes: int, width: int) -> None:
    lines = plan_lines(plan_of(classes), width)
    lines += estimate_lines(75_000, PaintSettings(), max_tries=3, width=width)
    assert len(lines) <= 21, "of 24, less the command for a cluster and the next one"
    assert max(map(cells_of, lines)) <= width
    assert ("more classes" in "\n".join(lines)) == (classes == 40)


def test_a_plan_names_the_least_pictures_of_a_value() -> None:
    said = "\n".join(plan_lines(plan_of(1), 120))
    assert "colour 2×4, state 2×4" in said
    assert "light 7×10,714" in said


def test_drawing_again_is_told_only_where_a_judge_looks() -> None:
    assert "up to 3 times" in "\n".join(estimate_lines(1, PaintSettings(), max_tries=3, width=100))
    assert "times" not in "\n".join(estimate_lines(1, PaintSettings(), max_tries=1, width=100))


def test_classes_are_named_in_the_order_of_what_was_refused() -> None:
    drawn = ColdDrawn(
        plan="p", pictures=4, errors=5, refused={"cone": 1, "tote": 0, "pallet": 3}, verified={"unverified": 4}
    )
    said = "\n".join(drawn_lines(drawn, 120))
    assert said.index("pallet 3") < said.index("cone 1")
    assert "tote" not in said
    assert "4 pictures unverified" in said


def test_a_model_without_real_photos_says_so() -> None:
    fit = FitSettings(imgsz=64, epochs=1, batch=4, lr0=0.1, seed=0, device="cpu")
    model = ColdModel(model_id="m", classes=("cone",), pictures=3, verified={"judged": 3}, trained_on="t", settings=fit)
    assert "not verified on real photos" in "\n".join(model_lines(model, "cold/model.pt", 100))
