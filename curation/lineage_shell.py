"""What the command `why` does; imported when it is typed, and quick."""

from pathlib import Path

from curation import shell
from curation.lineage import lineage_of
from curation.lineage_lines import lineage_lines
from curation.traces import history_of, subject_of


def why(folder: Path, text: str, as_json: bool) -> None:
    """Show where a thing came from, and what it led to; takes no lock."""
    with shell.hints_for(folder):
        ledger = shell.workspace_in(folder, "why")
        history = history_of(ledger)
        kind, subject_id, remark = subject_of(history, ledger.root, text)
    lineage = lineage_of(history, kind, subject_id, remark=remark)
    shell.show_record(lineage, lineage_lines(lineage, shell.columns()), as_json, folder, "report")
