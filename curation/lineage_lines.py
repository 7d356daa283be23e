"""Where a thing came from and what it led to, as lines of text for a terminal: at most a screen."""

from collections.abc import Callable, Mapping, Sequence

from curation.lineage import Lineage
from curation.links import Fact, Link, LinkKind
from curation.wording import cells_of, count_text, fit, number_text, score_text, short, wrap
from training.records import Interval

MAX_LINES = 22  # a screen of 24 lines, less two for the next command
GAP = "  "
ROUND, ID, KIND_CELLS, ID_CELLS = "round", "id", 9, 12
MAX_WRAPPED = 3
Facts = Mapping[str, Fact]


def lineage_lines(lineage: Lineage, width: int) -> list[str]:
    """Give the chain from top to bottom; where a screen is too small for all words, texts are cut and links counted."""
    head = wrap(f"{lineage.kind} {lineage.subject_id}", width) + (wrap(lineage.remark, width) if lineage.remark else [])
    parts = {"came from": lineage.came_from, "it is": lineage.itself, "led to": lineage.led_to}
    rows = [(title, link) for title, links in parts.items() for link in links]
    room = MAX_LINES - len(head) - sum(bool(links) for links in parts.values())
    shown = rows if len(rows) <= room else rows[: room - 1]
    lines, last = list(head), ""
    for (title, link), max_lines in zip(shown, _shares(shown, room - (len(shown) < len(rows)), width), strict=True):
        if title != last:
            lines.append(fit(f"{title:<{len(GAP) + KIND_CELLS}}{GAP}{ROUND}{GAP}{ID}", width))
            last = title
        lines += _link_lines(link, width, max_lines=max_lines)
    missing = len(rows) - len(shown)
    return lines + ([fit(f"{GAP}and {missing:,} more in why --json", width)] if missing else [])


def _shares(rows: Sequence[tuple[str, Link]], room: int, width: int) -> list[int]:
    """Give the lines that each link may take: one, and what is left to those that need more, the last ones first."""
    needed = [len(_link_lines(link, width, max_lines=MAX_WRAPPED)) for _, link in rows]
    shares = [1] * len(rows)
    spare = room - len(rows)
    for number in reversed(range(len(rows))):
        more = max(0, min(needed[number] - 1, spare))
        shares[number] += more
        spare -= more
    return shares


def _link_lines(link: Link, width: int, *, max_lines: int) -> list[str]:
    number = "" if link.round is None else str(link.round)
    first = short(link.ids[0]) if link.ids else ""
    start = f"{GAP}{link.kind:<{KIND_CELLS}}{GAP}{number:>{len(ROUND)}}{GAP}{first:<{ID_CELLS}}{GAP}"
    others = f"and {len(link.ids) - 1:,} more: " if len(link.ids) > 1 else ""
    told = wrap(others + _WORDS[link.kind](link.facts), max(1, width - cells_of(start)), max_lines=max_lines)
    lines = [start + told[0], *(" " * cells_of(start) + line for line in told[1:])]
    return [fit(line.rstrip(), width) for line in lines]


def _finding(facts: Facts) -> str:
    if "recall" not in facts:
        return f"{facts['words']}, {facts['status']} in train: {facts['why']}"
    gap = _score(facts, "effect", signed=True, digits=2)
    told = f"{facts['words']}, {facts['status']}: recall {_number(facts, 'recall', digits=2)} against "
    told += f"{_number(facts, 'recall_rest', digits=2)} of {facts['versus']}, gap {gap}; "
    return told + f"{_count(facts, 'objects', 'object')} on {_count(facts, 'photos', 'photo')}, {facts['origin']}"


def _labels(_facts: Facts) -> str:
    return "labels that show it"


def _action(facts: Facts) -> str:
    return f"{facts['action']}: {facts['reason']}"


def _brief(facts: Facts) -> str:
    wanted = f"{facts['size']} {facts['label']}" if facts["size"] else str(facts["label"])
    if facts["action"] == "label":
        return f"people are asked to label {wanted}"
    return f"{_count(facts, 'pictures', 'picture')} of {wanted} by {facts['backend']}"


def _request(facts: Facts) -> str:
    return f"{facts['backend']}: {facts['objects']}" + (f"; {facts['prompt']}" if "prompt" in facts else "")


def _seed(facts: Facts) -> str:
    return str(facts["value"])


def _photo(facts: Facts) -> str:
    return f"{facts['split']}{', painted on' if facts['painted_on'] else ''}: {facts['path']}"


def _label(facts: Facts) -> str:
    return f"{facts['label']} on photo {short(str(facts['photo_id']))}"


def _picture(facts: Facts) -> str:
    tries = f", attempt {facts['attempts']}" if facts["attempts"] != 1 else ""
    mended = f"; {facts['repairs']}" if facts["repairs"] else ""
    return f"{_labels_are(str(facts['verified']))}{tries}{mended}; {facts['path']}"


def _labels_are(verified: str) -> str:
    return {
        "by construction": "labels right by construction",
        "judged": "a judge saw its objects",
        "unverified": "unverified: nobody has checked its labels",
    }[verified]


def _failure(facts: Facts) -> str:
    return f"{'refused' if facts['refused'] else 'not made'}: {facts['reason']}"


def _pictures(facts: Facts) -> str:
    if "taught" in facts:
        return f"{_count(facts, 'taught', 'picture')} for {facts['words']}"
    told = f"{_count(facts, 'requested', 'request')}, {facts['made']} made, {facts['accepted']} accepted"
    told += f", {facts['rejected']} rejected ({facts['by_people']} by people)"
    return told + (f", {facts['failed']} failed" if facts["failed"] else "")


def _verdict(facts: Facts) -> str:
    reason = f": {facts['reason']}" if facts["reason"] else ""
    return f"{'accepted' if facts['accepted'] else 'rejected'}{reason}; reviewer: {facts['reviewer']}"


def _arm(facts: Facts) -> str:
    if "photos" in facts:
        made = f"{_count(facts, 'photos', 'photo')} and {_count(facts, 'pictures', 'picture')}"
        return f"{facts['arm']}: {made}, {facts['length']} entries"
    shown = "it" if facts["pictures"] == 1 else _count(facts, "pictures", "picture")
    return f"{facts['arm']} shows {shown} in {facts['times']} of {facts['length']} entries"


def _model(facts: Facts) -> str:
    if "models" in facts:
        return f"trained as {facts['origin']}"
    return f"{facts['origin']}" + ("" if facts["seed"] is None else f", seed {facts['seed']}")


def _recall(facts: Facts) -> str:
    arms = ", ".join(f"{role} {_number(facts, role, digits=2)}" for role in ("champion", "control", "candidate"))
    gain = _score(facts, "gain", signed=True, digits=2)
    told = f"{facts['verdict']}: candidate − control {gain} recall of {facts['words']} on val, "
    return told + f"{_count(facts, 'photos', 'photo')} ({arms}; {_count(facts, 'pictures', 'picture')})"


def _mean_ap(facts: Facts) -> str:
    return f"mean AP {_score(facts, 'mean_ap')} on {_count(facts, 'photos', 'photo')}"


def _test(facts: Facts) -> str:
    if "mean_ap" in facts:
        return _mean_ap(facts)
    told = f"mean AP of the candidate {_score(facts, 'candidate')} on {_count(facts, 'photos', 'photo')}; champion "
    return told + f"{_number(facts, 'champion')}, control {_number(facts, 'control')}"


def _decision(facts: Facts) -> str:
    gain = f", candidate − champion {_score(facts, 'gain', signed=True)} mean AP" if "gain" in facts else ""
    judged = f"; it was the {facts['role']}" if "role" in facts else ""
    return f"{facts['outcome']}{gain}; whether it was the pictures: {facts['attributed']}{judged}"


_WORDS: dict[LinkKind, Callable[[Facts], str]] = {
    "finding": _finding,
    "labels": _labels,
    "action": _action,
    "brief": _brief,
    "request": _request,
    "seed": _seed,
    "photo": _photo,
    "label": _label,
    "picture": _picture,
    "failure": _failure,
    "pictures": _pictures,
    "verdict": _verdict,
    "arm": _arm,
    "model": _model,
    "recall": _recall,
    "val": _mean_ap,
    "test": _test,
    "decision": _decision,
}


def _number(facts: Facts, name: str, *, digits: int = 3) -> str:
    value = facts[name]
    return number_text(None if value is None else float(value), digits=digits)


def _score(facts: Facts, name: str, *, signed: bool = False, digits: int = 3) -> str:
    score = Interval.model_validate(
        {"value": facts[name], "low": facts["low"], "high": facts["high"], "photos": facts["photos"]}
    )
    return score_text(score, digits=digits, signed=signed)


def _count(facts: Facts, name: str, thing: str) -> str:
    return count_text(int(facts[name] or 0), thing)
