"""What the commands do that need no photos: draw a file of requests, and make a first model from a vocabulary."""

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from curation import shell
from curation.cold_folder import ColdFolder, first_import_command, next_command, state_lines, state_of
from training.errors import UsageError

if TYPE_CHECKING:
    from curation.cold import ColdPlan
    from curation.config import Config

SHARDS = 8  # as an example


def refuse_mixed(
    *, requests: Path | None, out: Path | None, shard: str | None, images: int | None, dry_run: bool, redo: str | None
) -> None:
    """Raise `UsageError` for options of `generate` that do not go together."""
    draw, cold = "curate generate --requests FILE --out DIR", "curate generate --images 75000 --dry-run"
    mixed = [
        (requests and not out, "--requests needs --out", f"say where the pictures go: {draw}"),
        (out and not requests, "--out goes with --requests", f"name the file of requests: {draw}"),
        (shard and not requests, "--shard goes with --requests", f"name the file of requests: {draw} --shard {shard}"),
        (requests and images, "--images and --requests do not go together", "leave one of them out"),
        (dry_run and not images, "--dry-run goes with --images", f"say how many: {cold}"),
        (redo and (requests or images), "--redo is for the steps of a round", "leave it out: finished pictures stay"),
    ]
    for is_so, problem, hint in mixed:
        if is_so:
            raise UsageError(problem, hint=hint)


def the_one(cold_start: Path | None, others: Mapping[str, object]) -> Path:
    """Give the configuration of a cold start; raises `UsageError` unless it alone was given to `init`."""
    if cold_start is None:
        raise UsageError("init needs photos or a cold start", hint="curate init DIR --from PATH, or --cold-start FILE")
    if given := [name for name, value in others.items() if value]:
        raise UsageError(f"{given[0]} and --cold-start do not go together", hint="leave one of them out")
    return cold_start


def is_cold(folder: Path) -> bool:
    """Say whether a folder is a cold start."""
    return ColdFolder(folder).is_there


def draw_requests(folder: Path, requests: Path, out: Path, shard: str | None, as_json: bool, **allowed: bool) -> None:
    """Draw a file of requests with the settings of a folder; `allowed` are `painters.Permissions`."""
    from curation import batches, tallies
    from curation.painters import Permissions

    with shell.hints_for(folder):
        part, config = batches.shard_of(shard), batches.config_in(folder)
        result = batches.draw_file(requests, out, config=config, allowed=Permissions(**allowed), shard=part)
    if as_json:
        shell.say(json.dumps(result.plain(), indent=2))
    else:
        shell.say("\n".join(tallies.result_lines(result, shell.columns())))


def init(folder: Path, source: Path, as_json: bool) -> None:
    """Make the folder of a cold start, and show what to do with it."""
    from curation import cold_lines, cold_wiring
    from curation.cold_folder import FIRST_LOOK

    start = cold_wiring.init(folder, source)
    shell.show_record(start, cold_lines.start_lines(start, shell.columns()), as_json, folder, FIRST_LOOK)


def draw(folder: Path, images: int | None, dry_run: bool, as_json: bool, **allowed: bool) -> None:
    """Plan pictures over the vocabulary, and draw them unless only asked what that would take."""
    with _holding(folder, "generate") as cold:
        if not cold.is_there:
            raise UsageError(f"{cold.root} is no cold start", hint="generate.pictures says how many a round asks for")
        if images is None:
            raise UsageError(f"{cold.root} has no findings to act on", hint="say how many: curate generate --images N")
        from curation import cold_lines, cold_wiring
        from curation.painters import Permissions

        if dry_run:
            plan, config = cold_wiring.plan(cold, count=images)
            _show_plan(folder, cold, plan, config, as_json)
        else:
            drawn = cold_wiring.draw(cold, count=images, allowed=Permissions(**allowed))
            shell.show_record(drawn, cold_lines.drawn_lines(drawn, shell.columns()), as_json, folder, "retrain")


def train(folder: Path, redo: str | None, as_json: bool) -> None:
    """Train the first model, and say what it is worth."""
    with _holding(folder, "retrain") as cold:
        if redo:
            raise UsageError(
                "--redo is for the steps of a round", hint="leave it out: a model is made anew when needed"
            )
        from curation import cold_lines, cold_wiring

        model = cold_wiring.train(cold)
    weights = str(ColdFolder(folder).weights)
    lines = cold_lines.model_lines(model, weights, shell.columns())
    shell.show_record(model, lines, as_json, folder, first_import_command(weights))


def show_status(folder: Path, as_json: bool) -> None:
    """Say how far a cold start is, and which real photos to label first."""
    state = state_of(ColdFolder(folder))
    shell.say(json.dumps(state, indent=2) if as_json else "\n".join(state_lines(state, shell.columns())))
    if not as_json:
        shell.say_next(folder, next_command(state))


@contextmanager
def _holding(folder: Path, command: str) -> Iterator[ColdFolder]:
    ledger = shell.ledger_in(folder)
    with shell.hints_for(folder), ledger.writing(f"curate {command}"):
        yield ColdFolder(ledger.root)


def _show_plan(folder: Path, cold: ColdFolder, plan: "ColdPlan", config: "Config", as_json: bool) -> None:
    from curation import cold_lines

    if as_json:
        told = {
            "gpu_hours": cold_lines.gpu_hours(plan.count, config.generator),
            "disk_gb": cold_lines.disk_gb(plan.count),
        }
        shell.say(json.dumps(plan.plain() | told, indent=2, ensure_ascii=False))
        return
    tries = config.verify.max_tries if config.verify.backend != "none" else 1
    width = shell.columns()
    shell.say("\n".join(cold_lines.plan_lines(plan, width)))
    shell.say("\n".join(cold_lines.estimate_lines(plan.count, config.generator, max_tries=tries, width=width)))
    place = shlex.quote(str(folder / cold.path.name))
    cluster = f"generate --requests {place}/{cold.requests.name} --out {place} --shard 1/{SHARDS}"
    shell.say(f"on a cluster, a part each: {shell.placed(folder, cluster)}")
    shell.say_next(folder, f"generate --images {plan.count}")
