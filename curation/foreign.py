"""Door to somebody else's FiftyOne: read a dataset in a child process with the user's own settings.

The child is this module: `python -m curation.foreign JOB NAME FILE`. It changes nothing; what it found goes to FILE.
"""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from training.errors import DataError
from training.files import write_json

PREFIX = "fiftyone:"
MAX_FIELDS = 32
COUNTERS = ("tp", "fp", "fn")


def read_rows(name: str) -> list[dict[str, Any]]:
    """Give a dataset's samples as plain rows: filepath, tags, fields, and boxes with label and x, y, width, height.

    Raises `DataError` where the dataset is not there or it is not clear which labels are meant.
    """
    rows: list[dict[str, Any]] = _ask("rows", name)
    return rows


def read_paths(name: str) -> list[str]:
    """Give the files of a dataset's samples, labelled or not; raises `DataError` where the dataset is not there."""
    paths: list[str] = _ask("paths", name)
    return paths


def _ask(job: str, name: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        command = [sys.executable, "-P", "-m", "curation.foreign", job, name, str(found)]
        child = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if not found.is_file():
            lines = child.stderr.strip().splitlines() or ["no reason given"]
            raise DataError(
                f"FiftyOne could not be read: {lines[-1][:200]}", hint="does `fiftyone datasets list` work?"
            )
        answer = json.loads(found.read_text(encoding="utf-8"))
    if "error" in answer:
        raise DataError(answer["error"], hint=answer["hint"])
    return answer[job]


def _found(job: str, name: str) -> dict[str, Any]:
    import fiftyone as fo

    if not fo.dataset_exists(name):
        names = ", ".join(fo.list_datasets()[:10]) or "none"
        return {"error": f"FiftyOne has no dataset {name!r}", "hint": f"it has: {names}"}
    dataset = fo.load_dataset(name)
    return {"paths": dataset.values("filepath")} if job == "paths" else _labelled(dataset)


def _labelled(dataset: Any) -> dict[str, Any]:
    import fiftyone as fo

    schema = dataset.get_field_schema(embedded_doc_type=fo.Detections)
    field = "ground_truth" if "ground_truth" in schema else next(iter(schema), None)
    if field is None or (len(schema) > 1 and field != "ground_truth"):
        hint = f"it has: {', '.join(schema) or 'none'}"
        return {"error": f"it is not clear which detections of {dataset.name!r} are the labels", "hint": hint}
    return {"rows": _rows(dataset, field)}


def _rows(dataset: Any, field: str) -> list[dict[str, Any]]:
    import fiftyone as fo

    simple = list(dataset.get_field_schema(ftype=(fo.StringField, fo.IntField, fo.FloatField, fo.BooleanField)))
    evaluated = {f"{key}_{count}" for key in dataset.list_evaluations() for count in COUNTERS}
    simple = [name for name in simple if name not in {"filepath", "media_type"} | evaluated][:MAX_FIELDS]
    paths = ["filepath", "tags", f"{field}.detections.label", f"{field}.detections.bounding_box", *simple]
    columns = dataset.values(paths)
    return [
        {
            "filepath": filepath,
            "tags": tags or [],
            "labels": labels or [],
            "boxes": boxes or [],
            "fields": {key: value for key, value in zip(simple, rest, strict=True) if _is_known(value)},
        }
        for filepath, tags, labels, boxes, *rest in zip(*columns, strict=True)
    ]


def _is_known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


if __name__ == "__main__":
    write_json(Path(sys.argv[3]), _found(sys.argv[1], sys.argv[2]))
