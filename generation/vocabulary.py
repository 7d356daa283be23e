"""The words for what is drawn: phrases of the classes, what may vary about them, and the scenes around them."""

from typing import Annotated

from pydantic import Field

from training.records import Record

Words = Annotated[str, Field(min_length=1, max_length=80)]
Values = Annotated[tuple[Words, ...], Field(min_length=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class Placing(Record):
    """Where an object goes that belongs to another: a hard hat sits on a head."""

    on: str
    """The class that it belongs to."""
    xyxy: tuple[float, float, float, float]
    """Its corners as fractions of the other's box; they may reach beyond it."""
    chance: float = Field(0.7, ge=0, le=1)
    """How many of the others have one."""


class ClassWords(Record):
    """How one class is spoken of, and how it looks."""

    phrases: Values = ()
    """Short noun phrases; `{colour}` stands for a value of the attribute. Empty: the class name with an article."""
    attributes: dict[Words, Values] = Field(default_factory=dict)
    """What may vary about the object: {colour: [orange, yellow, pink]}."""
    judged_as: Words | None = None
    """What the judge is asked for, without attributes. Empty: the class name."""
    height: tuple[Share, Share] = (0.15, 0.45)
    """Smallest and largest height of an object as a share of the picture, where there are no photos to learn from."""
    aspect: tuple[float, float] = (0.6, 1.2)
    """Smallest and largest width of an object as a share of its height, where there are no photos to learn from."""
    placing: Placing | None = None
    """What it belongs to, where there are no photos to learn from."""


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

    def words_of(self, label: str) -> ClassWords:
        """Give the words of a class, the defaults for one that is not named."""
        return self.classes.get(label, ClassWords())

    def judged_as(self, label: str) -> str:
        """Give what the judge is asked for."""
        return self.words_of(label).judged_as or label.replace("_", " ")
