"""What the command `models` does; imported when it is typed."""

from pathlib import Path

from curation import shell, versions
from curation.version_lines import choice_lines, export_lines, versions_lines
from training.errors import UsageError


def refuse_mixed(*, use: str | None, export: str | None, out: Path | None, yes: bool) -> None:
    """Raise `UsageError` for options of `models` that do not go together."""
    mixed = [
        (use and export, "--use and --export do not go together", "give one after the other"),
        (export and not out, "--export needs --out", f"say where it goes: curate models --export {export} --out DIR"),
        (out and not export, "--out goes with --export", "say which model: curate models --export VERSION --out DIR"),
        (yes and not use, "--yes goes with --use", "leave it out"),
    ]
    for is_so, problem, hint in mixed:
        if is_so:
            raise UsageError(problem, hint=hint)


def list_models(folder: Path, as_json: bool) -> None:
    """Show the models of a workspace; takes no lock."""
    with shell.hints_for(folder):
        found = versions.versions_of(shell.workspace_in(folder, "models"))
    following = f"why {found.champion}" if found.champion else "run"
    shell.show_record(found, versions_lines(found, shell.columns()), as_json, folder, following)


def use(folder: Path, version: str, *, yes: bool, as_json: bool) -> None:
    """Make a model the champion, and say so."""
    with shell.locked(folder, "models") as ledger:
        choice = versions.use(ledger, version, yes=yes)
    shell.show_record(choice, choice_lines(choice, shell.columns()), as_json, folder, "run")


def export(folder: Path, version: str, out: Path, as_json: bool) -> None:
    """Write a model with its card, and say where; takes no lock."""
    with shell.hints_for(folder):
        exported = versions.export(shell.workspace_in(folder, "models"), version, out)
    shell.show_record(exported, export_lines(exported, shell.columns()), as_json, folder, "models")
