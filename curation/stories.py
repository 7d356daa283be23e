"""What the panel says about a synthetic picture: why it was asked for, what came of it, and what the champion sees."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from curation.wording import number_text
from generation.records import DrawRequest, GenerationRequest, SyntheticImage, Verdict
from training.boxes import BoxTable

SPECIAL = "\\`*_{}[]<>#|"


def stories_of(
    pictures: Sequence[SyntheticImage],
    *,
    words: Mapping[str, str],
    requests: Mapping[str, GenerationRequest],
    verdicts: Mapping[str, Verdict],
    seen: BoxTable,
    classes: Sequence[str],
) -> dict[str, str]:
    """Give the story of each picture in Markdown, by request id.

    `words` are findings in words by their id; `seen` is what the champion predicts at its operating point, with image
    rows in the order of `pictures`.
    """
    return {
        picture.request_id: "\n\n".join(
            _lines(
                picture,
                words.get(picture.finding_id, picture.finding_id),
                requests.get(picture.request_id),
                verdicts.get(picture.request_id),
                _seen(seen, row, classes),
            )
        )
        for row, picture in enumerate(pictures)
    }


def _lines(
    picture: SyntheticImage, words: str, request: GenerationRequest | None, verdict: Verdict | None, seen: str
) -> Iterator[str]:
    yield f"**made for** {_plain(words)}"
    added = [label.label for label in picture.labels if label.added]
    counts = ", ".join(f"{added.count(name)} × {_plain(name)}" for name in sorted(set(added)))
    yield f"**put in** {counts or 'nothing'}, by {picture.backend}"
    if isinstance(request, DrawRequest):
        yield f"**prompt** {_plain(request.prompt)}"
    for check in picture.checks:
        score = f" {number_text(check.score, digits=2)}" if check.score is not None else ""
        yield f"**judge** {_plain(check.label)}: {check.verdict}{score}"
    if picture.repairs:
        yield f"**mended** {_plain('; '.join(picture.repairs))}"
    if picture.verified == "unverified":
        yield "**nobody has checked** that its labels are right"
    if verdict is not None:
        why = f": {_plain(verdict.reason)}" if verdict.reason else ""
        yield f"**the rule** would {'accept' if verdict.accepted else 'reject'} it{why}"
    yield f"**the champion sees** {seen}"


def _seen(boxes: BoxTable, row: int, classes: Sequence[str]) -> str:
    """Say what the champion sees in a picture: `2 × cone (0.91, 0.40), 1 × vest (0.33)`."""
    rows = np.flatnonzero(boxes.image == row)
    found = []
    for number in np.unique(boxes.label[rows]).tolist():
        scores = np.sort(boxes.score[rows[boxes.label[rows] == number]])[::-1]
        shown = ", ".join(number_text(float(score), digits=2) for score in scores[:4])
        found.append(f"{len(scores)} × {_plain(classes[number])} ({shown}{', …' if len(scores) > 4 else ''})")
    return ", ".join(found) or "nothing"


def _plain(text: str) -> str:
    """Make people's words show as they are: none of them is Markdown."""
    return "".join(f"\\{sign}" if sign in SPECIAL else sign for sign in text)
