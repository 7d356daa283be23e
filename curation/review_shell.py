"""What `curate review` does with people: open the App on what is to be looked at, and take over what they decided."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from curation import shell
from curation.wording import count_text
from training.errors import UsageError

if TYPE_CHECKING:
    from curation.desk import Frozen
    from curation.ledger import RoundFolder
    from curation.records import Sitting
    from curation.session import Session

What = Literal["pictures", "findings", "labels", "photos"]
REVIEWER = "CURATE_REVIEWER"
"""Environment variable with the reviewer's name, where it is not that of the login."""


def refuse_mixed(*, auto: bool, collect: bool, what: What, port: int | None, redo: str | None) -> None:
    """Raise `UsageError` for options of `review` that do not go together."""
    if what != "pictures" and (auto or collect):
        raise UsageError(
            f"--what {what} opens a session, so --auto and --collect do not go with it", hint="leave them out"
        )
    if auto and collect:
        raise UsageError("--auto and --collect do not go together", hint="--auto collects, too")
    if port and (auto or collect):
        raise UsageError("--port is for the App, which neither --auto nor --collect opens", hint="leave it out")
    if redo and not auto:
        raise UsageError("--redo goes with --auto", hint=f"curate review --auto --redo {redo}")


def sit(folder: Path, what: What, port: int | None, as_json: bool) -> None:
    """Open a session, wait until somebody ends it, and collect."""
    sessions = {"pictures": _on_pictures, "findings": _on_findings, "labels": _on_labels, "photos": _on_photos}
    sessions[what](folder, port, as_json)


def _on_findings(folder: Path, port: int | None, as_json: bool) -> None:
    with shell.writing(folder, "review") as desk:
        from curation import review_wiring

        last = shell.advance(desk, "analyze", may_review=False)
        if last.finished("generate"):
            raise UsageError(
                f"the pictures of round {last.number} are made, so its findings are decided on",
                hint="review the findings of the next round, after curate analyze",
            )
        with review_wiring.on_findings(desk, _frozen(last), reviewer=_reviewer(), port=port) as session:
            _wait(session)
            edits = review_wiring.collect_edits(desk, last.number)
    said = len(edits.edits)
    lines = [f"{count_text(said, 'decision')} about findings of round {last.number}"]
    shell.show_record(edits, lines, as_json, folder, "generate --redo brief --yes" if said else "generate")


def _on_labels(folder: Path, port: int | None, as_json: bool) -> None:
    with shell.writing(folder, "review") as desk:
        from curation import review_wiring

        last = shell.advance(desk, "analyze", may_review=False)
        with review_wiring.on_labels(desk, _frozen(last), reviewer=_reviewer(), port=port) as session:
            _wait(session)
            settled = review_wiring.collect_settled(desk)
    if as_json:
        shell.say(json.dumps({"settled": settled}, indent=2))
    else:
        said = count_text(settled, "suspected label")
        shell.say(f"{said} settled so far; what changed counts from the next round on")
        shell.say_next(folder, shell.following(folder))


def _on_photos(folder: Path, port: int | None, as_json: bool) -> None:
    with shell.writing(folder, "review") as desk:
        from curation import review_wiring

        with review_wiring.on_photos(desk, reviewer=_reviewer(), port=port) as session:
            _wait(session)
            labelled = review_wiring.labelled(desk)
    if as_json:
        shell.say(json.dumps({"labelled": labelled}, indent=2))
    else:
        shell.say(f"{labelled} selected {'photo' if labelled == 1 else 'photos'} labelled and not taken in yet")
        shell.say_next(folder, "add --labelled" if labelled else "review --what photos")


def _on_pictures(folder: Path, port: int | None, as_json: bool) -> None:
    with shell.writing(folder, "review") as desk:
        from curation import review_wiring
        from curation.reviewing import collect, sitting_of, to_review
        from training.records import ModelVersion

        last = shell.advance(desk, "generate", may_review=False)
        champion = last.read("champion", ModelVersion)
        assert champion is not None
        if last.finished("review"):
            raise UsageError(
                f"the pictures of round {last.number} are decided on",
                hint="curate retrain goes on; curate review --auto --redo review --yes decides again",
            )
        given = to_review(desk, _frozen(last), champion)
        with review_wiring.on_pictures(desk, given, reviewer=_reviewer(), port=port) as session:
            _wait(session)
            sitting, _ = sitting_of(desk, given.made, collect(desk, given.made.pictures))
    _show(folder, sitting, as_json)


def _frozen(last: "RoundFolder") -> "Frozen":
    from curation.desk import Frozen
    from training.records import ImageSet

    images = last.read("freeze", ImageSet)
    assert images is not None
    return Frozen(images, last)


def _reviewer() -> str:
    from curation.plugin.sitting import login_name

    return os.environ.get(REVIEWER) or login_name()


def _wait(session: "Session") -> None:
    shell.say_now(f"{session.text}\n")
    session.wait()


def collect_now(folder: Path, as_json: bool) -> None:
    """Copy what people decided so far into the workspace; takes no lock, and joins the database of a session."""
    from curation import review_wiring

    with shell.hints_for(folder):
        sitting = review_wiring.collect_now(shell.workspace_in(folder, "review"))
    _show(folder, sitting, as_json)


def _show(folder: Path, sitting: "Sitting", as_json: bool) -> None:
    shell.show_record(sitting, sitting_lines(sitting), as_json, folder, "review --auto")


def sitting_lines(sitting: "Sitting") -> list[str]:
    """Give what people said, as lines for the terminal."""
    from curation.review_lines import session_lines

    return session_lines(
        {each.request_id: each for each in sitting.said},
        sitting.precision,
        sitting.agreement,
        sitting.taught,
        shell.columns(),
        pictures=sitting.pictures,
        stopped=tuple(sitting.stopped.values()),
    )
