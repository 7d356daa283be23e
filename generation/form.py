"""Forms that a language model fills in: the strict JSON schema of one, and reading one back."""

import json
import math
from typing import Any, Never, TypeVar

from pydantic import BaseModel, ValidationError

from training.source import printable

T = TypeVar("T", bound=BaseModel)
KEPT = frozenset(
    {"type", "enum", "$ref", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems"}
)
"""Keywords that servers with strict schemas take as they are; others are translated, or left to our own check."""
MAX_PROBLEMS = 5


def strict_schema(form: type[BaseModel]) -> dict[str, Any]:
    """Give the JSON schema of a form in the subset that strict structured outputs take.

    Every field is required and no other is allowed; lengths of strings, which the subset lacks, are said in words.
    Raises `ValueError` for what it cannot say: a `dict`, a tuple of fixed length, a field of any type.
    """
    whole = form.model_json_schema()
    strict = _strict(whole)
    if definitions := whole.get("$defs"):
        strict["$defs"] = {name: _strict(definition) for name, definition in definitions.items()}
    return strict


def read_form(form: type[T], text: str) -> T | str:
    """Give the filled-in form, or what is wrong with the text, in words.

    The bounds are the form's own; NaN, infinities and numbers beyond a double are refused everywhere.
    """
    try:
        json.loads(text, parse_constant=_refuse_number, parse_float=_finite)
        return form.model_validate_json(text)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        shown = [f"{'.'.join(map(str, problem['loc'])) or 'all of it'}: {problem['msg']}" for problem in problems]
        return printable("; ".join(shown[:MAX_PROBLEMS]), 300)
    except (ValueError, RecursionError) as error:
        return printable(f"not JSON: {error}", 300)


def _strict(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:  # with a description beside it, a reference is not taken
        reference = {"$ref": node["$ref"]}
        return {"anyOf": [reference], "description": node["description"]} if "description" in node else reference
    strict = {key: value for key, value in node.items() if key in KEPT}
    if "const" in node:
        strict["enum"] = [node["const"]]
    if options := node.get("anyOf", node.get("oneOf")):
        strict["anyOf"] = [_strict(option) for option in options]
    if node.get("type") == "object":
        strict |= _object(node)
    if node.get("type") == "array":
        strict["items"] = _strict(node.get("items", {}))
    if not strict.keys() & {"type", "enum", "anyOf"}:
        raise ValueError(f"a strict schema cannot say this: {node}")
    return strict | _description(node)


def _object(node: dict[str, Any]) -> dict[str, Any]:
    if not node.get("properties"):
        raise ValueError(f"a strict schema names every field: {node}")
    properties = {name: _strict(value) for name, value in node["properties"].items()}
    return {"properties": properties, "required": list(properties), "additionalProperties": False}


def _description(node: dict[str, Any]) -> dict[str, str]:
    said = [node["description"]] if "description" in node else []
    if "minLength" in node:
        said.append(f"At least {node['minLength']} characters.")
    if "maxLength" in node:
        said.append(f"At most {node['maxLength']} characters.")
    return {"description": " ".join(said)} if said else {}


def _refuse_number(text: str) -> Never:
    raise ValueError(f"{text} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large")
    return value
