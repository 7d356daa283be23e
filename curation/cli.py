"""The command line: arguments in, one screen out, the next command on the last line.

Nothing heavy is imported before a command needs it: `--help` and `status` start in a fraction of a second.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from curation import round_shell, shell

HERE = Path()
Format = Literal["yolo", "coco", "voc"]
app = typer.Typer(
    name="curate",
    help="Find what a detector fails on, make the pictures that are missing, promote only what is honestly better.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


Folder = Annotated[Path, typer.Option("-C", "--workspace", metavar="DIR", help="The workspace, if not this folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print the record as JSON.")]
Redo = Annotated[
    str | None, typer.Option("--redo", metavar="STEP", help="Move this step and all after it aside, and do them again.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do what --redo says; without it, only say what would be moved.")]
Source = Annotated[
    str | None, typer.Option("--from", metavar="PATH", help="A folder of labelled photos, or fiftyone:NAME.")
]
ColdStart = Annotated[
    Path | None,
    typer.Option("--cold-start", metavar="FILE", help="A configuration that names classes, where there are no photos."),
]
SourceFormat = Annotated[
    Format | None, typer.Option("--format", help="How the labels are written; found out if not given.")
]
NoLlm = Annotated[bool, typer.Option("--no-llm", help="Leave the language model out.")]
AllowDownload = Annotated[
    bool, typer.Option("--allow-download", help="Fetch the weights that the configuration names, if they are not here.")
]
AllowCpu = Annotated[bool, typer.Option("--allow-cpu", help="Draw with a full-size GLIGEN on a CPU: hours.")]
Requests = Annotated[
    Path | None,
    typer.Option("--requests", metavar="FILE", help="Draw the requests of this file, a JSON object a line."),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where pictures, labels and manifest go.")]
Images = Annotated[
    int | None, typer.Option("--images", min=1, metavar="N", help="In a cold start: draw so many pictures in all.")
]
Shard = Annotated[
    str | None, typer.Option("--shard", metavar="I/N", help="Draw only the Ith of N parts of the requests.")
]
AllowBad = Annotated[bool, typer.Option("--allow-bad", help="Go on although more than a tenth cannot be used.")]


@app.command()
def demo(folder: Annotated[Path, typer.Argument(metavar="[DIR]")] = Path("demo"), as_json: Json = False) -> None:
    """Draw the built-in dataset and run one round on it.

    Trains a first model, goes on to the verdict and writes the report: about five minutes on two cores. Started
    again, it goes on where it stopped, and a finished one is only shown.

    \b
    Examples:
      curate demo
      curate demo yard
    """
    from curation import wiring

    wiring.draw_demo(folder)
    with shell.writing(folder, "demo") as desk:
        last, _ = shell.advance_rounds(desk, 1)
    round_shell.tell_decision(folder, last, as_json, report=shell.write_report(folder))


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    source: Source = None,
    cold_start: ColdStart = None,
    format: SourceFormat = None,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="FILE", help="Weights of the detector, a .pt of ultralytics.")
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Load weights that run code while they are loaded.")] = False,
    allow_bad: AllowBad = False,
    as_json: Json = False,
) -> None:
    """Make a workspace from labelled photos and a detector.

    Photos are linked or copied, never changed. Splits are kept where the source has them, else made by content.
    Without --model the first model is trained on train.

    With --cold-start there are no photos: pictures of the configuration's vocabulary are drawn, and a first model is
    trained on them.

    \b
    Examples:
      curate init ws --from photos
      curate init ws --from photos --format voc --model best.pt
      curate init ws --from fiftyone:yard --model best.pt
      curate init ws --cold-start configs/ppe.yaml
    """
    from curation import cold_shell, tallies, wiring

    if source is None or cold_start is not None:
        given = {"--from": source, "--format": format, "--model": model, "--trust": trust, "--allow-bad": allow_bad}
        cold_shell.init(folder, cold_shell.the_one(cold_start, given), as_json)
        return
    brought = wiring.init(folder, source, format=format, model=model, trust=trust, allow_bad=allow_bad)
    shell.show_record(brought, tallies.import_lines(brought, shell.columns()), as_json, folder, "analyze")


@app.command()
def add(
    source: Annotated[
        str | None, typer.Argument(metavar="PATH", help="A folder of labelled photos, or fiftyone:NAME.")
    ] = None,
    labelled: Annotated[
        bool, typer.Option("--labelled", help="Take the selected photos that carry the tag `labelled` in FiftyOne.")
    ] = False,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who labelled selected photos; else who is logged in.")
    ] = None,
    folder: Folder = HERE,
    format: SourceFormat = None,
    allow_bad: AllowBad = False,
    as_json: Json = False,
) -> None:
    """Add more labelled photos.

    Most go into train; val and test grow by a fixed share. They count from the next round. Photos that `curate select`
    handed out are known by their bytes: they go into train, but those that were drawn at random go into val and test.

    \b
    Examples:
      curate add more-photos -C ws
      curate add to-label --by ann
      curate add --labelled
    """
    from curation import select_shell, tallies

    brought = select_shell.add(folder, source, labelled=labelled, by=by, format=format, allow_bad=allow_bad)
    shell.show_record(brought, tallies.import_lines(brought, shell.columns()), as_json, folder, "analyze")


@app.command()
def evaluate(folder: Folder = HERE, redo: Redo = None, yes: Yes = False, as_json: Json = False) -> None:
    """Judge the champion on val, class by class.

    Gives AP with n and interval, and the kinds of its errors.

    \b
    Examples:
      curate evaluate -C ws
      curate evaluate --redo evaluate --yes
    """
    from curation import screen
    from training.records import Evaluation

    record = shell.take_step(folder, "evaluate", Evaluation, redo=redo, yes=yes)
    shell.show_record(record, screen.evaluation_lines(record, shell.columns()), as_json, folder, "analyze")


@app.command()
def analyze(
    folder: Folder = HERE,
    no_llm: NoLlm = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write down what the language model would be asked, and send nothing.")
    ] = False,
    redo: Redo = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Find what the champion is weak on, test it, and say what to do about it.

    Every class, size, field and look on val, and conjunctions that one half of val proposes and the other tests.
    With `llm` in the configuration and OPENAI_API_KEY set, a language model proposes, too. Evaluates first, if needed.

    \b
    Examples:
      curate analyze -C ws
      curate analyze --no-llm
      curate analyze --dry-run
    """
    if dry_run:
        round_shell.rehearse(folder, as_json)
    else:
        with shell.writing(folder, "analyze", redo=redo, yes=yes, may_ask=not no_llm) as desk:
            last = round_shell.analyze(desk, as_json)
        round_shell.tell_findings(folder, last, as_json)


@app.command()
def generate(
    folder: Folder = HERE,
    requests: Requests = None,
    out: Out = None,
    shard: Shard = None,
    images: Images = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only plan --images pictures, and say what they take.")
    ] = False,
    allow_download: AllowDownload = False,
    allow_cpu: AllowCpu = False,
    redo: Redo = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make the pictures that the findings ask for.

    Confirmed findings are acted on, and shortages: what train has too little of. Analyses first, if needed. By default
    real objects are cut out and pasted; `generator.backend` has GLIGEN draw them, and `verify` a judge look at them.

    In a cold start, --images pictures are planned evenly over the classes of the vocabulary, and drawn.
    With --requests no workspace is needed: each line of the file gives a picture or an error line of the manifest.

    \b
    Examples:
      curate generate -C ws
      curate generate --allow-download
      curate generate --images 75000 --dry-run
      curate generate --requests requests.jsonl --out drawn --shard 1/8
    """
    from curation import cold_shell, tallies
    from curation.records import Batch

    allowed = {"download": allow_download, "full_size_on_cpu": allow_cpu}
    cold_shell.refuse_mixed(requests=requests, out=out, shard=shard, images=images, dry_run=dry_run, redo=redo)
    if requests and out:
        cold_shell.draw_requests(folder, requests, out, shard, as_json, **allowed)
        return
    if images or cold_shell.is_cold(folder):
        cold_shell.draw(folder, images, dry_run, as_json, **allowed)
        return
    record = shell.take_step(folder, "generate", Batch, redo=redo, yes=yes, **allowed)
    shell.show_record(record, tallies.batch_lines(record, shell.columns()), as_json, folder, "review")


@app.command()
def review(
    auto: Annotated[
        bool, typer.Option("--auto", help="Decide by the rule on what people have not decided on.")
    ] = False,
    what: Annotated[
        Literal["pictures", "findings", "labels", "photos"],
        typer.Option(
            "--what",
            help="What to look at: synthetic pictures, findings, suspected labels, or photos to label.",
        ),
    ] = "pictures",
    collect: Annotated[
        bool, typer.Option("--collect", help="Copy what people decided so far, also while a session is open.")
    ] = False,
    port: Annotated[
        int | None, typer.Option("--port", min=1024, max=65535, help="Where the App is served; the next free one.")
    ] = None,
    folder: Folder = HERE,
    redo: Redo = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Decide which pictures may be learned from.

    Opens the FiftyOne App on the pictures of the open round, the most telling first, until somebody ends the session
    there or presses Ctrl-C here. What people decide is kept at once, also through tags `accepted` and `rejected` set by
    hand or by script. Then --auto decides on the rest by the rule of the configuration.

    With --what findings people confirm, dismiss or change findings before pictures are made; with --what labels they
    keep, mend or delete suspected labels of train and val, which counts from the next round on; with --what photos
    they label what `curate select --to fiftyone` has shown.

    \b
    Examples:
      curate review -C ws
      curate review --what findings
      curate review --auto
    """
    from curation import review_shell, tallies
    from curation.records import Review
    from curation.screen import MAX_LINES

    review_shell.refuse_mixed(auto=auto, collect=collect, what=what, port=port, redo=redo)
    if collect:
        review_shell.collect_now(folder, as_json)
        return
    if not auto:
        review_shell.sit(folder, what, port, as_json)
        return
    record = shell.take_step(folder, "review", Review, redo=redo, yes=yes)
    lines = tallies.review_lines(record, shell.columns())
    lines += review_shell.sitting_lines(record.sitting) if record.sitting else []
    shell.show_record(record, lines[:MAX_LINES], as_json, folder, "retrain")


@app.command()
def retrain(
    folder: Folder = HERE,
    without: Annotated[
        str | None,
        typer.Option("--without", metavar="FINDING", help="Train a candidate without this finding's pictures instead."),
    ] = None,
    redo: Redo = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Train control and candidate, and decide on test.

    The two are equal but for the pictures of this round. With --without, the last candidate is trained once more
    without the pictures of one finding, and both are judged on val. In a cold start, a first model is trained on what
    was drawn.

    \b
    Examples:
      curate retrain -C ws
      curate retrain --redo train --yes
      curate retrain --without 3f2a
    """
    from curation import cold_shell

    if cold_shell.is_cold(folder):
        cold_shell.train(folder, redo, as_json)
        return
    if without:
        round_shell.leave_out(folder, without, as_json)
        return
    with shell.writing(folder, "retrain", redo=redo, yes=yes) as desk:
        last = shell.advance(desk, "decide", may_review=False)
    round_shell.tell_decision(folder, last, as_json)


@app.command()
def run(
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How many rounds to finish.")] = 1,
    folder: Folder = HERE,
    no_llm: NoLlm = False,
    allow_download: AllowDownload = False,
    allow_cpu: AllowCpu = False,
    redo: Redo = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Do all of it, round after round.

    Interrupted, it goes on where it stopped when it is started again. It ends early when there is
    nothing to try.

    \b
    Examples:
      curate run -C ws
      curate run --rounds 3
    """
    allowed = {"download": allow_download, "full_size_on_cpu": allow_cpu}
    with shell.writing(folder, "run", redo=redo, yes=yes, may_ask=not no_llm, **allowed) as desk:
        last, stop = shell.advance_rounds(desk, desk.ledger.aim(rounds))
        path = shell.write_report(folder)
        desk.ledger.arrive()
    round_shell.tell_decision(folder, last, as_json, report=path, stop=stop)


@app.command()
def select(
    pool: Annotated[
        str | None,
        typer.Option("--pool", metavar="PATH", help="Unlabelled photos: a folder, or fiftyone:NAME; else select.pool."),
    ] = None,
    count: Annotated[int | None, typer.Option("--n", min=1, help="How many photos; else select.photos.")] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="DIR", help="Hand them over in a new folder, or by `fiftyone` in the App."),
    ] = None,
    selection: Annotated[
        int | None,
        typer.Option("--selection", metavar="N", min=1, help="Hand over selection N instead of the last one."),
    ] = None,
    folder: Folder = HERE,
    as_json: Json = False,
) -> None:
    """Select unlabelled photos that people should label next.

    Half of them show what the last round found weak, a tenth is drawn at random for val and test, the rest is what the
    champion is unsure of, seems to miss or has never seen; each photo with its reason. A folder gets images, labels
    that the champion proposes (YOLO and COCO) and a CSV of reasons; `curate add` takes it back. Without --pool and --n,
    the last selection is handed over, or the one that --selection names.

    \b
    Examples:
      curate select --pool unlabelled --n 300 --to to-label
      curate select --pool fiftyone:yard --n 100
      curate select --selection 1 --to fiftyone -C ws
    """
    from curation import select_shell

    select_shell.run(folder, pool=pool, count=count, number=selection, to=to, as_json=as_json)


@app.command()
def status(folder: Folder = HERE, as_json: Json = False) -> None:
    """Say what is done and what comes next.

    In a cold start, it also says which real photos to label first.

    \b
    Examples:
      curate status -C ws
      curate status --json
    """
    from curation import cold_shell
    from curation.status import status_lines, status_of

    if cold_shell.is_cold(folder):
        cold_shell.show_status(folder, as_json)
        return
    state = status_of(shell.ledger_in(folder))
    shell.say(json.dumps(state, indent=2) if as_json else "\n".join(status_lines(state, shell.columns())))
    if not as_json:
        shell.say_next(folder, shell.next_command(state))


@app.command()
def report(folder: Folder = HERE, as_json: Json = False) -> None:
    """Write report.html, one page that needs no network.

    \b
    Examples:
      curate report -C ws
      curate report --json
    """
    path = shell.write_report(folder)
    shell.say(json.dumps({"report": str(path)}, indent=2) if as_json else str(path))
    if not as_json:
        shell.say_next(folder, "status")


@app.command()
def why(
    thing: Annotated[
        str, typer.Argument(metavar="FILE|ID", help="A picture, photo or weights; or an id's first digits.")
    ],
    folder: Folder = HERE,
    as_json: Json = False,
) -> None:
    """Say where a thing came from, and what it led to.

    From finding, brief, request and seed to picture, verdict, reviewer, arm, model and metric, both ways. A file is
    known by its bytes, wherever it lies; of an id four digits will do where no other begins so.

    \b
    Examples:
      curate why pictures/3f/3f2a91c04be7d85a60f1c2d3.jpg
      curate why 3f2a -C ws
      curate why 3f2a --json
    """
    from curation import lineage_shell

    lineage_shell.why(folder, thing, as_json)


@app.command()
def models(
    use: Annotated[
        str | None, typer.Option("--use", metavar="VERSION", help="Let the next round begin with this one.")
    ] = None,
    export: Annotated[
        str | None, typer.Option("--export", metavar="VERSION", help="Write weights, classes and a model card.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="A new or empty folder for --export.")
    ] = None,
    folder: Folder = HERE,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --use: move the steps of a round that has begun aside.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the models, go back to one, or export one.

    Each with its origin, its parent, the digest of the list that it learned from, and its mean AP with n and interval.
    A star marks the champion: the last decision names it, or what --use chose after that.

    \b
    Examples:
      curate models -C ws
      curate models --use 3f2a
      curate models --export 3f2a --out detector
    """
    from curation import models_shell

    models_shell.refuse_mixed(use=use, export=export, out=out, yes=yes)
    if use:
        models_shell.use(folder, use, yes=yes, as_json=as_json)
    elif export and out:
        models_shell.export(folder, export, out, as_json)
    else:
        models_shell.list_models(folder, as_json)


@app.command()
def doctor(folder: Folder = HERE, as_json: Json = False) -> None:
    """Check the machine and the workspace.

    Database, torch device, weights, language model, disk: a line each, with the fix.

    \b
    Examples:
      curate doctor -C ws
    """
    from curation import doctor as checks

    found = checks.check_all(folder)
    well = all(check.ok for check in found)
    shell.say(json.dumps([vars(check) for check in found], indent=2) if as_json else "\n".join(checks.lines(found)))
    if not as_json:
        shell.say_next(folder, shell.following(folder) if well else "doctor")
    if not well:
        raise typer.Exit(4)


def main() -> None:
    """Run the command line."""
    arguments = sys.argv[1:] or ["--help"]
    shell.leave_with(lambda: _quick_status(arguments) or app(arguments, prog_name="curate", standalone_mode=False))


def _quick_status(arguments: list[str]) -> bool:
    """Do a plain `status` at once, and say whether it was one: typer's parser would load pydantic first."""
    match arguments:
        case ["status"]:
            status()
        case ["status", "--json"]:
            status(as_json=True)
        case ["status", "-C", folder]:
            status(folder=Path(folder))
        case ["status", "-C", folder, "--json"]:
            status(folder=Path(folder), as_json=True)
        case _:
            return False
    return True
