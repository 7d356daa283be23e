"""What photos carry besides labels, as parts of FiftyOne's samples, and back: simple fields and tags of people."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from curation.plugin.decisions import LABELLED, TO_LABEL
from training.boxes import Ints
from training.fields import TAG_PREFIX, Fields, Value, simple_value
from training.records import SPLITS

Said = tuple[Mapping[str, Value], Sequence[str]]
"""Fields and tags of one photo."""
OWN_TAGS = frozenset({*SPLITS, "synthetic", "accepted", "rejected", TO_LABEL, LABELLED})
"""They say what a sample is to us, so tags of people that read the same are neither taken over nor read back."""


def carried_parts(fields: Fields, rows: Ints) -> list[dict[str, Any]]:
    """Give fields and tags of the photos `rows` as parts of their samples; what is unknown is absent."""
    found: list[dict[str, Any]] = [{"tags": []} for _ in range(len(rows))]
    for name, values in fields.items():
        tag = name.removeprefix(TAG_PREFIX)
        for part, value in zip(found, values[rows].tolist(), strict=True):
            if name != tag:
                part["tags"] += [tag] if value == "yes" and tag not in OWN_TAGS else []
            elif value != "" and not (isinstance(value, float) and math.isnan(value)):
                part[name] = value
    return found


def read_said(samples: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[Said]:
    """Give the simple values of these fields, and the tags, of samples."""
    return [
        (
            {name: value for name in names if (value := simple_value(sample.get(name))) is not None},
            [tag for tag in sample.get("tags") or [] if tag not in OWN_TAGS],
        )
        for sample in samples
    ]
