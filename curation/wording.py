"""Numbers, counts and names as people read them: the same words in the terminal and on the report page."""

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `status` starts without pydantic
    from curation.records import Briefs, Decision, Finding, Shortage, Status
    from training.records import Interval

NOTHING = "–"
STATUSES: "tuple[Status, ...]" = ("confirmed", "open", "refuted")  # in the order in which they are shown
VERDICTS = ("worse", "better", "cannot be shown", "too few photos")
PLAIN = str.maketrans({"≥": ">=", "≤": "<=", "–": "-", "−": "-", "×": "x"})
JOINERS = "\u200c\u200d"  # format characters that Persian, Indic and emoji names need


def number_text(value: float | None, *, digits: int = 3, signed: bool = False) -> str:
    """Write a number with a real minus sign, or a dash where there is none."""
    if value is None:
        return NOTHING
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("+-")


def score_text(score: "Interval | None", *, digits: int = 3, signed: bool = False) -> str:
    """Write a value with its interval: `0.412 [0.371, 0.450]`."""
    if score is None:
        return NOTHING
    value = number_text(score.value, digits=digits, signed=signed)
    return f"{value} {span_text(score, digits=digits, signed=signed)}"


def span_text(score: "Interval", *, digits: int = 3, signed: bool = False) -> str:
    """Write an interval alone: `[0.371, 0.450]`."""
    low, high = (number_text(bound, digits=digits, signed=signed) for bound in (score.low, score.high))
    return f"[{low}, {high}]"


def q_text(q: float) -> str:
    """Write a q value, small ones as a bound."""
    return "<0.001" if q < 0.001 else f"{q:.3f}"


def q_words(q: float) -> str:
    """Write a q value in a sentence: `q = 0.023`, `q < 0.001`."""
    return "q < 0.001" if q < 0.001 else f"q = {q_text(q)}"


def count_text(count: int, thing: str) -> str:
    """Write a count with its noun: `1 photo`, `2 photos`, `1,200 photos`."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def duration_text(seconds: float) -> str:
    """Write a duration with its two largest units."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def short(identity: str) -> str:
    """Give the first 12 digits of an id, enough to tell models apart by eye."""
    return identity[:12]


def action_text(finding: "Finding | Shortage", briefs: "Briefs | None") -> str:
    """Say in two or three words what is done about a finding, or how many objects an open one still needs."""
    settle = getattr(finding, "objects_to_settle", None)
    if settle:
        return f"needs ~{settle:,}"
    action = next((each for each in briefs.actions if each.finding_id == finding.finding_id), None) if briefs else None
    if action is None:
        return NOTHING
    return {"generate": f"generate {action.pictures:,}", "label": "label photos"}.get(action.action, action.action)


def share_text(finding: "Finding | Shortage", briefs: "Briefs | None") -> str:
    """Write a finding's share of the budget of pictures."""
    shares = {each.finding_id: each.share for each in briefs.actions} if briefs else {}
    share = shares.get(finding.finding_id, 0)
    return f"{share:.0%}" if share else NOTHING


def view_name(words: str, finding_id: str) -> str:
    """Name a saved view; FiftyOne drops what is not ASCII from names, so the id must tell two of them apart."""
    plain = words.translate(PLAIN).encode("ascii", "replace").decode()
    return f"{plain} ({finding_id[:6]})"


def without_outcome(decision: "Decision") -> str:
    """Give the decision's sentence for places where the outcome stands before it: not said twice."""
    return full_sentence(re.sub(rf"^{decision.outcome}\W+", "", decision.sentence, flags=re.IGNORECASE))


def full_sentence(text: str) -> str:
    """Begin with a capital and end with a full stop."""
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith((".", "!", "?")) else ".")


def printable(text: str) -> str:
    """Replace what a terminal or a browser would obey instead of showing: control, direction and surrogate characters.

    Any kind of white space becomes a plain space.
    """
    return "".join(map(_printable_character, text))


def cells_of(text: str) -> int:
    """Count the terminal cells of printable text: wide East Asian characters take two, combining marks none."""
    return sum(map(_cells_of_character, text))


def fit(text: str, width: int) -> str:
    """Cut printable text to at most `width` cells, the last one an ellipsis."""
    if cells_of(text) <= width:
        return text
    kept, used = [], 1
    for character in text:
        used += _cells_of_character(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def wrap(text: str, width: int, *, max_lines: int = 2) -> list[str]:
    """Break text into printable lines that fit; what is left after `max_lines` is cut with an ellipsis."""
    words = printable(text).split()
    lines = words[:1]
    for word in words[1:]:
        if len(lines) == max_lines or cells_of(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return [fit(line, width) for line in lines]


def _printable_character(character: str) -> str:
    if character.isspace():
        return " "
    return character if character.isprintable() or character in JOINERS else "\N{REPLACEMENT CHARACTER}"


def _cells_of_character(character: str) -> int:
    if character in JOINERS or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
