"""The words for what is drawn: phrases of the classes, what may vary about them, and the scenes around them."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from training.records import Record

MAX_CHARACTERS = 80
MAX_SCENE_WORDS = 28
"""Words and marks of the longest place and scene together: objects need the rest of the 77 tokens that CLIP reads."""
_SLOT = re.compile(r"\{([^{}]+)\}")


@lru_cache(maxsize=1024)  # asked again for every object of every picture
def slots_of(phrase: str) -> tuple[str, ...]:
    """Give the names of the attributes that a phrase has slots for."""
    return tuple(_SLOT.findall(phrase))


def flaw(text: str, slots: Iterable[str] = ()) -> str:
    """Say why a text cannot stand in a prompt, empty where it can; its slots may be of the attributes `slots`."""
    if not text.strip() or not text.isprintable() or len(text) > MAX_CHARACTERS:
        return f"{text[:MAX_CHARACTERS]!r} is blank, not printable, or longer than {MAX_CHARACTERS} characters"
    if unknown := set(slots_of(text)) - set(slots):
        return f"{text!r} has a slot {{{min(unknown)}}}, and there is no such attribute"
    return f"{text!r} has a brace without its partner" if set(_SLOT.sub("", text)) & set("{}") else ""


@lru_cache(maxsize=4096)  # phrases come again and again
def word_count(text: str) -> int:
    """Count words and marks as CLIP sees them before it cuts rare words into tokens: `a red, old cone` has 5."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def _all_different(texts: tuple[str, ...]) -> tuple[str, ...]:
    if repeated := {text for text in texts if texts.count(text) > 1}:
        raise ValueError(f"{min(repeated)!r} stands twice")
    return texts


def _rising(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"the smallest comes first, got {bounds[0]} and {bounds[1]}")
    return bounds


def _refuse_flaws(texts: Iterable[str], slots: Iterable[str] = ()) -> None:
    for text in texts:
        if why := flaw(text, slots):
            raise ValueError(why)


Words = Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]
Phrases = Annotated[tuple[Words, ...], AfterValidator(_all_different)]
Values = Annotated[Phrases, Field(min_length=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(gt=0)]


class Placing(Record):
    """Where an object goes that belongs to another: a hard hat sits on a head."""

    belongs_to: str
    """The class that it belongs to."""
    xyxy: tuple[float, float, float, float]
    """Its corners as fractions of the other's box; they may reach beyond it."""
    chance: float = Field(0.7, ge=0, le=1)
    """How many of the others have one."""

    @model_validator(mode="after")
    def _has_an_area(self) -> Self:
        x1, y1, x2, y2 = self.xyxy
        if not (x1 < x2 and y1 < y2):
            raise ValueError(f"left and top come before right and bottom, got {list(self.xyxy)}")
        return self


class ClassWords(Record):
    """How one class is spoken of, and how it looks."""

    phrases: Phrases = ()
    """Short noun phrases; `{colour}` stands for a value of the attribute. Empty: the class name with an article."""
    attributes: dict[Words, Values] = Field(default_factory=dict)
    """What may vary about the object: {colour: [orange, yellow, pink]}. One of the phrases names all of them."""
    judged_as: Words | None = None
    """What the judge is asked for, without attributes. Empty: the class name."""
    height: Annotated[tuple[Share, Share], AfterValidator(_rising)] = (0.15, 0.45)
    """Smallest and largest height of an object as a share of the picture, where there are no photos to learn from."""
    aspect: Annotated[tuple[Ratio, Ratio], AfterValidator(_rising)] = (0.6, 1.2)
    """Smallest and largest width of an object as a share of its height, where there are no photos to learn from."""
    placing: Placing | None = None
    """What it belongs to, where there are no photos to learn from."""

    @model_validator(mode="after")
    def _phrases_and_attributes_agree(self) -> Self:
        _refuse_flaws(self.phrases, self.attributes)
        _refuse_flaws([self.judged_as] if self.judged_as else [])
        for values in self.attributes.values():
            _refuse_flaws(values)
        if not any(set(slots_of(phrase)) == set(self.attributes) for phrase in self.phrases or ("",)):
            raise ValueError(f"no phrase names all attributes: {' '.join(f'{{{name}}}' for name in self.attributes)}")
        return self


class Vocabulary(Record):
    """All words of a generator's requests."""

    classes: dict[str, ClassWords] = Field(default_factory=dict)
    """By class; a class that is not named is spoken of by its name."""
    scene: dict[Words, Values] = Field(default_factory=dict)
    """What may vary about the picture, as words of a prompt: {light: [at dusk], floor: [on a wet concrete floor]}."""
    place: Values = ("a workplace",)
    """Where pictures are taken."""
    negative_prompt: str = Field("lowres, cropped, worst quality, low quality", max_length=200)
    """What pictures should not be like."""

    @model_validator(mode="after")
    def _can_be_said(self) -> Self:
        _refuse_flaws([*self.classes, *self.place, *(value for values in self.scene.values() for value in values)])
        if taken := [name for name in self.scene if name == "place" or "." in name]:
            raise ValueError(f"a part of the scene cannot be called {taken[0]!r}")
        longest = [max(map(word_count, values)) for values in (self.place, *self.scene.values())]
        if (count := sum(longest) + len(self.scene)) > MAX_SCENE_WORDS:
            raise ValueError(
                f"the longest scene has {count} words and commas, and a prompt has room for {MAX_SCENE_WORDS}"
            )
        return self

    @model_validator(mode="after")
    def _is_placed_on_something(self) -> Self:
        for label in self.classes:
            chain = [label]
            while placing := self.classes[chain[-1]].placing:
                chain.append(placing.belongs_to)
                if placing.belongs_to not in self.classes:
                    raise ValueError(f"{chain[-2]} belongs to {chain[-1]!r}, which is no class of the vocabulary")
                if placing.belongs_to in chain[:-1]:
                    raise ValueError(f"classes belong to each other in a circle: {' to '.join(chain)}")
        return self

    def words_of(self, label: str) -> ClassWords:
        """Give the words of a class, the defaults for one that is not named."""
        return self.classes.get(label) or ClassWords()

    def judged_as(self, label: str) -> str:
        """Give what the judge is asked for."""
        return self.words_of(label).judged_as or label.replace("_", " ")
