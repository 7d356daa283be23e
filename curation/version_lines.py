"""The models of a workspace, and what came of choosing or exporting one, as lines of text for a terminal."""

from curation.columns import Column, table
from curation.versions import Choice, Export, Version, Versions
from curation.wording import NOTHING, count_text, fit, printable, score_text, short, wrap

MAX_LINES = 22  # a screen of 24 lines, less two for the next command


def versions_lines(versions: Versions, width: int) -> list[str]:
    """Give a line a model, those of earlier rounds first; of too many the newest stay, and the champion."""
    if not versions.versions:
        return ["no model yet: the first one comes with the first round, or with curate init --model"]
    after = wrap("* champion; mean AP with its 95 % interval, by the first round that judged it", width)
    shown = _shown(versions, MAX_LINES - len(after) - 3)
    columns = [
        Column("", ["*" if each.is_champion else "" for each in shown]),
        Column("id", [short(each.model.model_id) for each in shown]),
        Column("origin", [each.model.origin for each in shown]),
        Column("round", [str(each.model.round or NOTHING) for each in shown], right=True),
        Column("parent", [short(each.model.parent or NOTHING) for each in shown], rank=2),
        Column("mean AP", [score_text(each.mean_ap) for each in shown]),
        Column("on", [_judged_on(each) for each in shown]),
        Column("learned from", [short(each.model.trained_on or NOTHING) for each in shown], rank=1),
    ]
    hidden = len(versions.versions) - len(shown)
    more = [fit(f"and {count_text(hidden, 'earlier model')} in models --json", width)] if hidden else []
    return [*table(columns, width=width), *more, *after]


def choice_lines(choice: Choice, width: int) -> list[str]:
    """Say what a choice changed."""
    if choice.champion == choice.before:
        return [fit(f"{short(choice.champion)} is the champion already", width)]
    before = f", it was {short(choice.before)}" if choice.before else ""
    moved = [f"moved aside: {', '.join(choice.moved)}"] if choice.moved else []
    return [line for text in [f"champion {short(choice.champion)}{before}", *moved] for line in wrap(text, width)]


def export_lines(exported: Export, width: int) -> list[str]:
    """Say what lies where, and what is left to people."""
    told = [
        f"model {short(exported.model_id)} written to {exported.folder}: {', '.join(exported.files)}",
        "README.md is its card: state there the licences that only you know",
    ]
    return [line for text in told for line in wrap(printable(text), width)]


def _shown(versions: Versions, room: int) -> list[Version]:
    every = versions.versions
    champion = [each for each in every[:-room] if each.is_champion]
    return [*champion, *every[len(champion) - room :]] if len(every) > room else list(every)


def _judged_on(each: Version) -> str:
    return f"{each.split}, {count_text(each.mean_ap.photos, 'photo')}" if each.mean_ap else NOTHING
