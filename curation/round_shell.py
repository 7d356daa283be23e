"""What the commands of a round show: its findings, its verdict, and what its pictures did."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from curation import shell
from curation.wording import wrap

if TYPE_CHECKING:
    from curation.desk import Desk
    from curation.ledger import RoundFolder
    from curation.stopping import Stop


def analyze(desk: "Desk", as_json: bool) -> "RoundFolder":
    """Do a round up to what is done about its findings; where the language model stops, show what there is first."""
    from training.errors import LlmBudget, LlmUnavailable

    try:
        return shell.advance(desk, "analyze", may_review=False)
    except (LlmUnavailable, LlmBudget):
        if not as_json:
            shell.say("\n".join(_finding_lines(desk.ledger.rounds()[-1])))
        raise


def tell_findings(folder: Path, last: "RoundFolder", as_json: bool) -> None:
    """Show the findings of a round and what is done about them."""
    from curation.consultation import Consulted
    from curation.desk import findings_of
    from curation.records import Briefs

    findings, briefs, consulted = findings_of(last), last.read("brief", Briefs), last.read("consult", Consulted)
    assert findings is not None
    assert briefs is not None
    if as_json:
        actions = [action.plain() for action in briefs.actions]
        asked = consulted.consultation.plain() if consulted else None
        shell.say(json.dumps(findings.plain() | {"actions": actions, "llm": asked}, indent=2, ensure_ascii=False))
    else:
        shell.say("\n".join(_finding_lines(last)))
        shell.say_next(folder, "generate")


def _finding_lines(last: "RoundFolder") -> list[str]:
    from curation.consultation import Consulted
    from curation.desk import findings_of
    from curation.finding_lines import findings_lines
    from curation.records import Briefs

    findings, consulted = findings_of(last), last.read("consult", Consulted)
    assert findings is not None
    asked = consulted.consultation if consulted else None
    return findings_lines(findings, last.read("brief", Briefs), shell.columns(), asked=asked)


def rehearse(folder: Path, as_json: bool) -> None:
    """Write down what the language model would be asked, and say where it lies."""
    with shell.writing(folder, "analyze", may_ask=False) as desk:
        from curation import wiring

        rehearsal = wiring.rehearse(desk)
    if as_json:
        shell.say(json.dumps({"folder": str(rehearsal.folder), "requests": rehearsal.asked}, indent=2))
    else:
        shell.say(f"written to {rehearsal.folder}, nothing was sent")
        shell.say(f"{rehearsal.asked} request, at most {rehearsal.max_tokens:,} tokens; answers lead to more")
        shell.say_next(folder, "analyze")


def tell_decision(
    folder: Path, last: "RoundFolder", as_json: bool, *, report: Path | None = None, stop: "Stop | None" = None
) -> None:
    """Show how a round ended, where its report lies if it was written, and why no other round follows."""
    from curation import screen
    from curation.records import Decision

    decision = last.read("decide", Decision)
    assert decision is not None
    lines = screen.decision_lines(decision, shell.columns())
    after = [f"report: {report}"] if report else []
    after += [line for text in (stop.sentence, *stop.lines) for line in wrap(text, shell.columns())] if stop else []
    lines += _payoff_lines(last, decision.seeds, room=screen.MAX_LINES - len(lines) - len(after)) + after
    shell.show_record(decision, lines, as_json, folder, "report" if stop or not report else "run")


def leave_out(folder: Path, finding: str, as_json: bool) -> None:
    """Train a candidate without a finding's pictures, and show what it lacks."""
    with shell.writing(folder, "retrain") as desk:
        from curation.ablation import leave_out as trained_without
        from curation.payoff_lines import ablation_lines

        found = trained_without(desk, finding)
    shell.show_record(found, ablation_lines(found, shell.columns()), as_json, folder, "report")


def _payoff_lines(last: "RoundFolder", seeds: int, *, room: int) -> list[str]:
    """Say what the pictures of each finding did, where there is room for it on the screen."""
    from curation.payoff import minutes_of
    from curation.payoff_lines import payoff_lines
    from curation.records import Payoffs

    measured = last.read("payoff", Payoffs)
    if measured is None or not measured.findings:
        return []
    lines = [
        "",
        *payoff_lines(measured, shell.columns(), seeds=seeds, minutes=minutes_of(measured.findings, last.elapsed_s())),
        "",
    ]
    return lines if len(lines) <= room else []
