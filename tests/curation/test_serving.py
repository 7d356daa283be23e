import numpy as np
import pytest

from curation.diagnose import Column, ErrorTable
from curation.records import Condition
from curation.serving import Means, Stock, means_for, serve
from generation.records import Backend, Brief
from generation.vocabulary import ClassWords, Vocabulary

CLASSES = ("cone", "hat")
COLUMNS = {
    # name: values, source, codes of twelve objects on six photos
    "class": (CLASSES, "label", [0, 1] * 6),
    "size": (("small", "large"), "label", [0] * 12),
    "light": (("dark", "bright"), "photo", [0] * 6 + [1] * 4 + [-1] * 2),
    "camera": (("gate", "yard"), "field", [0] * 2 + [1] * 10),
    "colour": (("red", "blue"), "object", [0] * 6 + [1] * 2 + [0] * 4),
    "position": (("left", "right"), "object", [0] * 12),
    "crop cluster": (("cluster 1",), "cluster", [0] * 12),
}  # fmt: skip


def train() -> ErrorTable:
    columns = tuple(
        Column(name, values, np.array(codes, np.int16), source)  # type: ignore[arg-type]
        for name, (values, source, codes) in COLUMNS.items()
    )
    ids = np.array([f"label {row:02d}" for row in range(12)])
    return ErrorTable(ids, np.repeat(np.arange(6), 2), np.array([0, 1] * 6), np.zeros(12, bool), columns)


WORDS = Vocabulary(
    classes={"cone": ClassWords(phrases=("a {colour} cone",), attributes={"colour": ("red", "pink")})},
    scene={"light": ("dark", "at dusk")},
)


def stock() -> Stock:
    return Stock(train(), np.repeat([f"photo {row}" for row in range(6)], 2), WORDS)


def conditions(**wanted: str) -> list[Condition]:
    return [Condition(column=column.replace("_", " "), value=value) for column, value in wanted.items()]


def means(backend: Backend = "paste", **wanted: str) -> Means | str:
    return means_for(conditions(**wanted), "cone", stock(), backend=backend)


SERVED: dict[str, tuple[dict[str, str], Means]] = {
    "class and size are said by the brief": ({"class": "cone", "size": "small"}, Means("paste")),
    "light is a kind of photo": ({"light": "dark"}, Means("paste", background_ids=("photo 0", "photo 1", "photo 2"))),
    "colour is a look": (
        {"class": "cone", "colour": "red"},
        Means("paste", source_ids=("label 00", "label 02", "label 04", "label 08", "label 10")),
    ),
    "both": (
        {"light": "dark", "colour": "red"},
        Means(
            "paste",
            background_ids=("photo 0", "photo 1", "photo 2"),
            source_ids=("label 00", "label 02", "label 04", "label 08", "label 10"),
        ),
    ),
}


@pytest.mark.parametrize("name", SERVED)
def test_what_pasting_can_vary_becomes_photos_and_objects_to_use(name: str) -> None:
    wanted, served = SERVED[name]
    assert means(**wanted) == served


LEFT_TO_PEOPLE = {
    "a place": ({"position": "left"}, "pasting cannot vary position: left"),
    "an attribute, which train has no column for": ({"dirt": "muddy"}, "pasting cannot vary dirt: muddy"),
    "a cluster": ({"crop_cluster": "cluster 1"}, "pasting cannot vary crop cluster: cluster 1"),
    "too few photos": ({"camera": "gate"}, "train has 1 photos with camera: gate, and 3 are needed to paint on"),
    "too few objects": ({"colour": "blue"}, "train has 1 of cone with colour: blue, and 3 are needed to cut out"),
}


@pytest.mark.parametrize("name", LEFT_TO_PEOPLE)
def test_what_pasting_cannot_vary_is_said(name: str) -> None:
    wanted, reason = LEFT_TO_PEOPLE[name]
    assert means(**wanted) == reason


DRAWN: dict[str, tuple[Backend, dict[str, str], Means | str]] = {
    "photos with that light are painted into": (
        "gligen-inpaint", {"light": "dark"},
        Means("gligen-inpaint", background_ids=("photo 0", "photo 1", "photo 2")),
    ),
    "a light that the scenes know is asked for": (
        "gligen", {"light": "dark"}, Means("gligen", wanted={"light": ("dark",)})
    ),
    "one that they do not know": ("gligen", {"light": "bright"}, "drawing whole pictures cannot vary light: bright"),
    "a colour is asked for, though train has none": (
        "gligen-inpaint", {"class": "cone", "colour": "pink"},
        Means("gligen-inpaint", wanted={"cone.colour": ("pink",)}),
    ),
    "a colour that the vocabulary does not know": (
        "gligen-inpaint", {"colour": "blue"}, "painting into photos cannot vary colour: blue"
    ),
    "a place": ("gligen", {"position": "left"}, "drawing whole pictures cannot vary position: left"),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_is_asked_for_in_words_that_the_vocabulary_knows(name: str) -> None:
    backend, wanted, served = DRAWN[name]
    assert means(backend, **wanted) == served


def test_the_first_generator_that_can_serve_a_brief_does() -> None:
    brief = Brief(
        brief_id="b", finding_id="f", action="generate", label="cone", size="small", pictures=9, reason="missed"
    )
    tried = []

    def cannot_make(one: Brief) -> str | None:
        tried.append((one.backend, one.background_ids))
        return "too small" if one.backend == "gligen" else None

    served = serve(brief, conditions(light="dark"), stock(), first="gligen", cannot_make=cannot_make)
    assert isinstance(served, Means)
    assert (served.backend, served.instead_of) == ("gligen-inpaint", "too small")
    assert tried == [("gligen", ()), ("gligen-inpaint", ("photo 0", "photo 1", "photo 2"))]
    pasted = serve(brief, conditions(light="dark"), stock(), first="paste", cannot_make=lambda _: None)
    assert isinstance(pasted, Means)
    assert pasted.backend == "paste"
    nothing = serve(brief, conditions(position="left"), stock(), first="gligen-inpaint", cannot_make=lambda _: None)
    assert nothing == "painting into photos cannot vary position: left; pasting cannot vary position: left"
