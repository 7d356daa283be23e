"""DOOR disk: the few keys of a YOLO `data.yaml` that we use, read without building any object from it."""

import posixpath
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from training.errors import DataError
from training.folder import read_text_inside
from training.intake import repeated
from training.records import Split
from training.source import BadItem, checked_name, printable

MAX_YAML_BYTES = 2**19  # thousands of class names; more takes many seconds to read
_PREFERRED = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_KEYS: dict[str, Split] = {"train": "train", "val": "val", "valid": "val", "test": "test"}
_SAFE_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp", "merge")
)


@dataclass(frozen=True)
class Entry:
    """A text of the YAML and its line."""

    text: str
    line: int


@dataclass(frozen=True)
class DataYaml:
    """What a `data.yaml` says."""

    file: str
    """Relative to the source folder."""
    names: dict[int, str]
    path: Entry | None
    splits: dict[Split, tuple[Entry, ...]]
    ignored: tuple[tuple[int, str], ...]
    """Line and reason of keys that are not followed."""


def find_yaml(root: Path, names: list[str]) -> str | None:
    """Give the YAML that describes the dataset, in the root or one folder below; None where there is none.

    Raises `DataError` where several could be meant.
    """
    for depth in (0, 1):
        found = [name for name in names if name.count("/") == depth and name.endswith((".yaml", ".yml"))]
        usual = [name for name in found if posixpath.basename(name) in _PREFERRED]
        meant = usual or [name for name in found if _holds_names(root, name)]
        if len(meant) > 1:
            shown = ", ".join(printable(name) for name in meant[:4])
            raise DataError(f"several YAML files in {root} could describe the data: {shown}", hint="name the one meant")
        if meant:
            return meant[0]
    return None


def read_yaml(root: Path, file: str) -> DataYaml:
    """Read a `data.yaml`; raises `DataError` where it is not one, or names no classes.

    Nothing of it is executed: `download` is listed and ignored, tags beyond plain data are refused.
    """
    try:
        text = read_text_inside(root, file, max_bytes=MAX_YAML_BYTES)
        top = _composed(text)
    except BadItem as bad:
        raise DataError(f"{printable(file)}: {bad.reason}", hint="it needs train, val and names") from bad
    values = {key.value: value for key, value in top.value if isinstance(key, yaml.ScalarNode)}
    splits: dict[Split, tuple[Entry, ...]] = {}
    for key, split in _KEYS.items():
        if key in values:
            splits[split] = (*splits.get(split, ()), *_entries(values[key]))
    if not any(splits.values()):
        raise DataError(f"{printable(file)} names no train, val or test", hint="give at least train a folder")
    path = _entries(values["path"]) if "path" in values else ()
    download = values.get("download")
    ignored = [] if download is None else [(_line(download), "download is ignored: nothing is fetched or run")]
    return DataYaml(
        file=file,
        names=_class_names(file, values.get("names")),
        path=path[0] if path else None,
        splits=splits,
        ignored=tuple(ignored),
    )


def _composed(text: str) -> yaml.MappingNode:
    """Give the tree of nodes: plain texts with their lines, no object ever built."""
    try:
        top = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise BadItem(f"not YAML: {printable(str(getattr(error, 'problem', None) or error), 100)}{where}") from error
    if not isinstance(top, yaml.MappingNode):
        raise BadItem("not a list of keys and values: it is no data.yaml")
    for node in _nodes(top):
        if node.tag not in _SAFE_TAGS:
            raise BadItem(f"unsafe YAML: {printable(node.tag)} in line {_line(node)}")
    twice = sorted(repeated(str(key.value) for key, _ in top.value if isinstance(key, yaml.ScalarNode)))
    if twice:
        raise BadItem(f"key given twice: {printable(twice[0])!r}")
    return top


def _nodes(top: yaml.Node) -> Iterator[yaml.Node]:
    """Give every node once, however often an alias repeats it."""
    seen, waiting = {id(top)}, [top]
    while waiting:
        node = waiting.pop()
        yield node
        inner = node.value if isinstance(node, yaml.CollectionNode) else ()
        for child in (part for item in inner for part in (item if isinstance(item, tuple) else (item,))):
            if id(child) not in seen:
                seen.add(id(child))
                waiting.append(child)


def _entries(node: yaml.Node) -> tuple[Entry, ...]:
    """Give the texts of a scalar or of a list of scalars; empty for null."""
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    return tuple(
        Entry(text=inner.value, line=_line(inner))
        for inner in nodes
        if isinstance(inner, yaml.ScalarNode) and inner.tag != "tag:yaml.org,2002:null"
    )


def _class_names(file: str, node: yaml.Node | None) -> dict[int, str]:
    """Give class names by number; texts as they stand, so that a class `no` is not read as false."""
    found: dict[int, str] = {}
    for number, value in _numbered(node):
        try:
            name = checked_name(value.value)
            found[_class_number(number, found)] = name
        except BadItem as bad:
            where = f"{printable(file)}, line {_line(value)}"
            raise DataError(f"{where}: {bad.reason}", hint="give each class one number and one name") from bad
    if not found:
        raise DataError(f"{printable(file)} names no classes", hint="add names: a list, or numbers with names")
    twice = sorted(repeated(found.values()))
    if twice:
        raise DataError(f"{printable(file)} names class {twice[0]!r} twice", hint="give each class one name")
    return found


def _class_number(text: str, taken: Container[int]) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) in taken:
        raise BadItem(f"class number not whole or given twice: {printable(text, 20)!r}")
    return int(text)


def _numbered(node: yaml.Node | None) -> list[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.SequenceNode):
        return [(str(index), value) for index, value in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return [(str(key.value), value) for key, value in node.value]
    return []


def _holds_names(root: Path, name: str) -> bool:
    try:
        return "names:" in read_text_inside(root, name, max_bytes=MAX_YAML_BYTES)
    except BadItem:
        return False


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
