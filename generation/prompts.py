"""Words for pictures: what each picture of a brief is to show, the phrase of each object, and the prompt of the whole.

A prompt names every object that has a box, as the captions did that GLIGEN learned from, and then the scene.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
from scipy.optimize import linear_sum_assignment

from generation.vocabulary import ClassWords, Values, Vocabulary, flaw, slots_of, word_count
from training.boxes import Ints
from training.errors import ConfigError

MAX_PROMPT_WORDS = 50
"""Words and marks of a prompt: with up to 1.5 tokens each, no more than the 75 that CLIP has room for."""
MAX_PHRASE_WORDS = 8
UNMET = -10.0  # what a pair that has not occurred yet costs; without this preference, some would be late
_FILLED = re.compile(r"(?:\b(an?) )?\{([^{}]+)\}")  # a slot, and the article before it


def cover(factors: Mapping[str, Sequence[str]], count: int, *, rng: np.random.Generator) -> list[dict[str, str]]:
    """Give `count` rows, each with one value of every factor, in which values and pairs of values occur evenly.

    * Of a factor with v values, each occurs count / v times, rounded up or down; so it does in every first part of the
      rows, so that a run that is cut short is balanced, too.
    * Pairs of values of two factors occur about equally often: each v rows in turn get v different values in the way
      that leaves the fewest pairs out, then repeats the fewest. Every pair occurs once `count` is 4 times the largest
      product of two factors' numbers of values: not proven, but 3 times was enough for all designs that were tried,
      of up to 8 factors of up to 10 values.

    Takes time in proportion to `count`. Raises `ValueError` for a factor without values.
    """
    if bare := [name for name, values in factors.items() if not values]:
        raise ValueError(f"a factor wants values, {bare[0]} has none")
    columns: dict[str, list[str]] = {}
    others = np.zeros((count, 0), np.int64)  # a column a factor so far: which of all their values each row has
    taken = 0
    for name in sorted(factors, key=lambda name: -len(factors[name])):  # the pair with most cells is spread best
        column = _spread(len(factors[name]), others, taken, rng)
        columns[name] = np.array(factors[name], object)[column].tolist()
        others = np.column_stack([others, column + taken])
        taken += len(factors[name])
    return [{name: columns[name][row] for name in factors} for row in range(count)]


def _spread(size: int, others: Ints, taken: int, rng: np.random.Generator) -> Ints:
    """Give each row one of `size` values so that they meet the values that the rows have, 0 to `taken`, equally often.

    Among `size` rows each value occurs at most once, so no choice in them changes what another costs, and the cheapest
    assignment is the one that adds least to the sum of squares of the pairs' counts.
    """
    met = np.full((taken, size), UNMET)
    column = np.empty(len(others), np.int64)
    for start in range(0, len(others), size):
        rows = others[start : start + size]
        chance = rng.random((len(rows), size)) / (2 * size)  # decides between equals, and never more
        chosen = linear_sum_assignment(met[rows].sum(axis=1) + chance)[1]
        met[rows, chosen[:, None]] = np.maximum(met[rows, chosen[:, None]], 0) + 1
        column[start : start + size] = chosen
    return column


def factors_of(vocabulary: Vocabulary, label: str) -> dict[str, tuple[str, ...]]:
    """Give what a brief about a class can vary: the scene's ("light"), the class's ("vest.colour"), and "place"."""
    own = {f"{label}.{name}": values for name, values in vocabulary.words_of(label).attributes.items()}
    return {**vocabulary.scene, **own, "place": vocabulary.place}


def phrase(label: str, attributes: Mapping[str, str], vocabulary: Vocabulary, *, rng: np.random.Generator) -> str:
    """Give a noun phrase for one object: `an orange safety vest`.

    It is drawn from the phrases of the class that say most of what is planned for it ("vest.colour" in `attributes`);
    what they name beyond the plan is drawn, too.
    """
    words = vocabulary.words_of(label)
    if not words.phrases:
        return _with_article("a", label.replace("_", " "))
    planned = {name: attributes[f"{label}.{name}"] for name in words.attributes if f"{label}.{name}" in attributes}
    said = [len(planned.keys() & slots_of(template)) for template in words.phrases]
    fullest = [template for template, names in zip(words.phrases, said, strict=True) if names == max(said)]
    template = fullest[rng.integers(len(fullest))]
    drawn = {name: words.attributes[name][rng.integers(len(words.attributes[name]))] for name in slots_of(template)}
    filled = drawn | planned
    return _FILLED.sub(lambda slot: _with_article(slot[1], filled[slot[2]]), template)


def prompt(phrases: Sequence[str], attributes: Mapping[str, str], vocabulary: Vocabulary) -> str:
    """Give the text of a picture: `A photo of a loading dock with a worker, a red hard hat, at dusk`.

    Every object is named, then what is planned of the scene. Where that makes more than 50 words and marks, phrases
    that occur again are left out; then phrases give way to the names of their classes, each name once, one by one: the
    longest first, and last those that say what is planned for an object. The scene stays, for the picture is to show
    it: 10 classes of two words make at most 61 words and marks with any scene that a vocabulary may hold. The painter
    counts tokens, and refuses a text that CLIP would cut after all.
    """
    scene = [attributes[name] for name in vocabulary.scene if name in attributes]
    text = ""
    planned = [value for name, value in attributes.items() if name != "place" and name not in vocabulary.scene]
    for named in _namings(phrases, planned, vocabulary):
        subject = " with ".join(part for part in (attributes.get("place"), ", ".join(named)) if part)
        text = ", ".join([f"A photo of {subject}" if subject else "A photo", *scene])
        if word_count(text) <= MAX_PROMPT_WORDS:
            break
    return text


def _namings(phrases: Sequence[str], planned: Sequence[str], vocabulary: Vocabulary) -> Iterator[Sequence[str]]:
    """Give ways to name all objects, each shorter than the one before."""
    yield phrases
    named = list(dict.fromkeys(phrases))
    yield named
    for long in sorted(named, key=lambda one: (any(value in one for value in planned), -word_count(one))):
        named = list(dict.fromkeys(_class_name(one, vocabulary) if one == long else one for one in named))
        yield named


def _class_name(said: str, vocabulary: Vocabulary) -> str:
    """Give the name of the class that a phrase was made for, the phrase itself where no class has such a phrase."""
    for label, words in vocabulary.classes.items():
        if _pattern(words.phrases, tuple(words.attributes.items())).fullmatch(said):
            return vocabulary.judged_as(label)
    return said


@lru_cache(maxsize=256)
def _pattern(templates: tuple[str, ...], attributes: tuple[tuple[str, Values], ...]) -> re.Pattern[str]:
    """Give what matches every text that the phrases of a class can become."""
    values = {name: "|".join(map(re.escape, said)) for name, said in attributes}
    texts = []
    for template in templates:
        parts = _FILLED.split(template)  # text, article, slot, text, article, slot, …, text
        slots = zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
        filled = [f"{'an? ' if article else ''}(?:{values[name]}){re.escape(text)}" for article, name, text in slots]
        texts.append(re.escape(parts[0]) + "".join(filled))
    return re.compile("|".join(texts))


def _with_article(article: str | None, text: str) -> str:
    return text if article is None else f"{'an' if text[0].lower() in 'aeiou' else 'a'} {text}"


def narrowed(
    vocabulary: Vocabulary,
    *,
    label: str,
    phrases: Sequence[str] = (),
    wanted: Mapping[str, Sequence[str]] = {},
) -> Vocabulary:
    """Give the vocabulary of one brief: `phrases` for its class, and of each factor in `wanted` only these values.

    * A phrase of unknown origin is taken if it prints, has at most 8 words, and slots only for attributes of the class;
      one without a slot for a wanted attribute would leave the brief's point to chance, and is left out. Where none is
      left, the vocabulary's own stay. Attributes that no phrase names any more are no longer varied.
    * A wanted value is in the vocabulary, or prints and has at most 8 words, or is left out. A new name
      without a dot becomes part of the scene, and of every prompt: {"scene": ["wet floor"]}; one without a value that
      fits is left out.

    Raises `ConfigError` for an attribute that no class has, and where a factor keeps no value.
    """
    attributes = {
        f"{one}.{name}": values
        for one, words in vocabulary.classes.items()
        for name, values in words.attributes.items()
    }
    said = attributes | vocabulary.scene | {"place": vocabulary.place}
    limits = {
        name: tuple(value for value in dict.fromkeys(values) if value in said.get(name, ()) or _fits(value))
        for name, values in wanted.items()
    }
    known = attributes.keys()
    new = {name for name in limits if name not in {*known, *vocabulary.scene, "place"} and "." not in name}
    limits = {name: values for name, values in limits.items() if values or name not in new}
    for name, values in limits.items():
        if name not in known and "." in name:
            raise ConfigError(f"the vocabulary has no attribute {name}", hint="add it, and a slot for it in a phrase")
        if not values:
            raise ConfigError(f"no value that is wanted of {name} can stand in a prompt", hint="use a few plain words")
    classes = {one: _limited(one, words, limits) for one, words in vocabulary.classes.items()}
    own = _spoken_of(label, classes.get(label, ClassWords()), phrases, limits)
    scene = {name: values for name, values in limits.items() if name not in known and name != "place"}
    return vocabulary.model_copy(
        update={
            "classes": classes | ({label: own} if own != ClassWords() else {}),
            "scene": vocabulary.scene | scene,
            "place": limits.get("place", vocabulary.place),
        }
    )


def _limited(label: str, words: ClassWords, limits: Mapping[str, Values]) -> ClassWords:
    attributes = {name: limits.get(f"{label}.{name}", values) for name, values in words.attributes.items()}
    return words.model_copy(update={"attributes": attributes})


def _spoken_of(label: str, words: ClassWords, phrases: Sequence[str], limits: Mapping[str, Values]) -> ClassWords:
    """Give the words of a class with those of the phrases that fit, and the attributes that the fullest one names."""
    wanted = {name for name in words.attributes if f"{label}.{name}" in limits}
    fit = tuple(one for one in dict.fromkeys(phrases) if _fits(one, words.attributes) and wanted <= {*slots_of(one)})
    if not fit:
        return words
    named = max(map(slots_of, fit), key=len)
    kept = tuple(one for one in fit if {*slots_of(one)} <= {*named})
    attributes = {name: values for name, values in words.attributes.items() if name in named}
    return words.model_copy(update={"phrases": kept, "attributes": attributes})


def _fits(text: str, slots: Mapping[str, Values] = {}) -> bool:
    return not flaw(text, slots) and len(text.split()) <= MAX_PHRASE_WORDS
