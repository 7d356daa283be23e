"""Write the documents that are made from code: docs/cli.md from help texts, configs/default.yaml from settings.

`--check` writes nothing and fails where a document is stale.
"""

import ast
import inspect
import sys
from pathlib import Path
from typing import get_args

import yaml
from pydantic.fields import FieldInfo
from typer.testing import CliRunner

from curation.cli import app
from curation.config import Config
from training.records import Record

ROOT = Path(__file__).parent.parent


def cli_page() -> str:
    """Give docs/cli.md: the help of every command, as it is printed at 80 columns."""
    names = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    parts = ["# Commands\n\nGenerated from the program's own help by `docs/generate.py`.\n", _help([])]
    for name in names:
        parts += [f"## curate {name}\n", _help([name])]
    return "\n".join(parts)


def default_config() -> str:
    """Give configs/default.yaml: every key with its default and its meaning."""
    lines = ["# Every key, its default and its meaning. Generated from curation/config.py by docs/generate.py.", ""]
    for name, field in Config.model_fields.items():
        kind = field.annotation if field.default is not None else get_args(field.annotation)[0]
        assert kind is not None
        lines += [*_section(name, kind, is_absent=field.default is None), ""]
    return "\n".join(lines)


def _section(name: str, kind: type[Record], *, is_absent: bool) -> list[str]:
    """Give a section with its meanings; one that is absent by default is commented out."""
    lines = [f"{name}:"]
    for key, meaning in _meanings(kind).items():
        lines += _comment(meaning, "  ")
        lines.append(f"  {key}: {_default(kind.model_fields[key])}")
    meaning = _comment((kind.__doc__ or "").strip() + (" Absent by default." if is_absent else ""), "")
    return meaning + ([f"# {line}" for line in lines] if is_absent else lines)


def _default(field: FieldInfo) -> str:
    return "NAME" if field.is_required() else _scalar(field.get_default(call_default_factory=True))


def _help(arguments: list[str]) -> str:
    result = CliRunner().invoke(app, [*arguments, "--help"], prog_name="curate", env={"COLUMNS": "80"})
    return f"```\n{result.output.strip()}\n```\n"


def _meanings(kind: type[Record]) -> dict[str, str]:
    """Give the docstring under each field, those that it extends first."""
    (extended, *_) = kind.__mro__[1:]
    found = _meanings(extended) if issubclass(extended, Record) and extended is not Record else {}
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            assert isinstance(text.value, ast.Constant)
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}# {text}"]


def _scalar(value: object) -> str:
    return (
        "" if value is None else yaml.safe_dump(value, default_flow_style=True, width=200).removesuffix("...\n").strip()
    )


def main() -> int:
    """Write or check every document; give the exit status."""
    pages = {ROOT / "docs" / "cli.md": cli_page(), ROOT / "configs" / "default.yaml": default_config()}
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text() != text]
    if "--check" not in sys.argv:
        for path in stale:
            path.write_text(pages[path])
        return 0
    for path in stale:
        print(f"{path.relative_to(ROOT)} is stale: run python docs/generate.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
