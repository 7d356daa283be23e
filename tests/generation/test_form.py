"""Forms, completions and settings: what is taken, what is refused, and that no text of a server breaks the reading."""

import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from generation.allowance import LlmSettings
from generation.completion import Completion, Trouble, read_completion
from generation.form import read_form, strict_schema
from tests.llm_server import completion


class Inner(BaseModel):
    """A part of it."""

    kind: Literal["only"]
    where: Literal["left", "right"] | None = None


class Form(BaseModel):
    name: str = Field("none", max_length=8, min_length=1, description="What it is called.")
    weight: float = 0.0
    inner: Inner = Field(description="The inner one.")
    others: list[Inner] = Field(default_factory=list, max_length=2)
    tags: tuple[Annotated[str, Field(max_length=4)], ...] = ()


PLAIN = {"name": "a", "weight": 1.0, "inner": {"kind": "only", "where": None}, "others": [], "tags": []}
STRICT_KEYWORDS = {
    "type", "properties", "required", "items", "enum", "anyOf", "$ref", "$defs", "description", "additionalProperties",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems",
}  # fmt: skip


def nodes_of(schema: dict[str, Any]) -> list[dict[str, Any]]:
    found = [schema]
    for key in ("properties", "$defs"):
        found += [node for child in schema.get(key, {}).values() for node in nodes_of(child)]
    children = [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]
    return found + [node for child in children for node in nodes_of(child)]


def test_a_strict_schema_requires_every_field_and_allows_no_other() -> None:
    objects = [node for node in nodes_of(strict_schema(Form)) if node.get("type") == "object"]
    assert len(objects) == 2
    for node in objects:
        assert node["required"] == list(node["properties"])
        assert node["additionalProperties"] is False


def test_a_strict_schema_uses_only_the_words_that_strict_servers_know() -> None:
    for node in nodes_of(strict_schema(Form)):
        assert node.keys() <= STRICT_KEYWORDS
        assert "$ref" not in node or node.keys() == {"$ref"}


def test_lengths_are_said_in_words() -> None:
    name = strict_schema(Form)["properties"]["name"]
    assert name["description"] == "What it is called. At least 1 characters. At most 8 characters."


def test_a_plain_form_has_the_schema_that_the_client_would_make() -> None:
    from openai.lib._pydantic import to_strict_json_schema

    class Plain(BaseModel):
        """A plain one."""

        where: Literal["left", "right"]
        many: list[int] = Field(max_length=3, description="Some.")
        share: float = Field(ge=0, le=1)
        maybe: bool | None

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: bare(inner) for key, inner in value.items() if key != "title"}
        return [bare(inner) for inner in value] if isinstance(value, list) else value

    assert strict_schema(Plain) == bare(to_strict_json_schema(Plain))


class Free(BaseModel):
    anything: dict[str, int]


class Pair(BaseModel):
    two: tuple[int, str]


class Untyped(BaseModel):
    what: Any


@pytest.mark.parametrize("form", [Free, Pair, Untyped])
def test_what_a_strict_schema_cannot_say_is_refused(form: type[BaseModel]) -> None:
    with pytest.raises(ValueError, match="strict schema"):
        strict_schema(form)


BAD_TEXTS = {
    "prose": ("It is red.", "not JSON"),
    "fenced": (f"```json\n{json.dumps(PLAIN)}\n```", "not JSON"),
    "nothing": ("", "not JSON"),
    "no object": ("[]", "all of it"),
    "NaN without bounds": (json.dumps(PLAIN | {"weight": float("nan")}), "NaN is not a number"),
    "minus infinity": (json.dumps(PLAIN | {"weight": float("-inf")}), "-Infinity is not a number"),
    "beyond a double": (json.dumps(PLAIN).replace("1.0", "1e999"), "too large"),
    "a very long number": (json.dumps(PLAIN).replace("1.0", "1" * 5000), "not JSON"),
    "a very long string": (json.dumps(PLAIN | {"name": "x" * 9}), "at most 8 characters"),
    "a very long list": (json.dumps(PLAIN | {"tags": ["a"], "others": [PLAIN["inner"]] * 3}), "at most 2 items"),
    "another choice": (json.dumps(PLAIN | {"inner": {"kind": "else"}}), "inner.kind"),
    "deep": ("[" * 100_000, "not JSON"),
}


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_what_does_not_fit_is_told_in_words(name: str) -> None:
    text, said = BAD_TEXTS[name]
    wrong = read_form(Form, text)
    assert isinstance(wrong, str)
    assert said in wrong
    assert len(wrong) <= 300


def test_what_fits_is_read() -> None:
    assert read_form(Form, json.dumps(PLAIN)) == Form(name="a", weight=1, inner=Inner(kind="only"))


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_no_text_breaks_the_reading_of_a_form(text: str) -> None:
    wrong = read_form(Form, text)
    assert isinstance(wrong, str)
    assert wrong.isprintable()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["content", "refusal", "message", "x"]), inner),
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_body_breaks_the_reading_of_a_completion(body: bytes) -> None:
    assert isinstance(read_completion(body), Completion | Trouble)


@given(json_values, json_values, json_values)
def test_no_field_breaks_the_reading_of_a_completion(content: Any, usage: Any, finish: Any) -> None:
    body = completion("") | {"usage": usage}
    body["choices"][0] |= {"message": {"content": content}, "finish_reason": finish}
    read = read_completion(json.dumps(body).encode())
    assert isinstance(read, Trouble) or read.usage is None or read.usage.prompt_tokens >= 0


BAD_SETTINGS = {
    "no address": {"base_url": "api.openai.com/v1"},
    "a file": {"base_url": "file:///etc/hosts"},
    "no host": {"base_url": "http:///v1"},
    "a key in the address": {"base_url": "https://me:secret@host/v1"},
    "a query": {"base_url": "https://host/v1?key=x"},
    "an odd host": {"base_url": "https://ho st/v1"},
    "an odd port": {"base_url": "https://host:abc/v1"},
    "a port out of range": {"base_url": "https://host:99999/v1"},
    "one price": {"input_price": 1.0},
    "no deadline": {"deadline_s": 0},
    "an unknown key": {"api_key": "sk-1"},
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_settings_that_cannot_be_meant_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        LlmSettings(**{"model": "m"} | BAD_SETTINGS[name])


@pytest.mark.parametrize(
    ("given", "server"),
    [
        ("http://127.0.0.1:8000/v1/", "127.0.0.1:8000"),
        ("https://[::1]:8000/v1", "[::1]:8000"),
        ("https://gpu-box.local/openai/v1", "gpu-box.local"),
    ],
)
def test_settings_name_the_server(given: str, server: str) -> None:
    settings = LlmSettings(model="m", base_url=given)
    assert settings.server == server
    assert settings.base_url == given.rstrip("/")
