"""What was imported, made and reviewed, in a few lines for a terminal."""

from curation.imports import Import, Returned
from curation.records import Batch, Review
from curation.wording import count_text, fit, printable
from generation.batch import BatchResult


def import_lines(brought: Import, width: int) -> list[str]:
    """Say what was brought, what was refused, and how little could be seen."""
    counts = ", ".join(f"{count} {split}" for split, count in brought.photos.items())
    total = sum(brought.photos.values())
    lines = [f"{brought.source} ({brought.format}): {total} photos ({counts}), {brought.objects} objects"]
    lines += [f"classes: {', '.join(brought.classes)}", *brought.notes]
    if brought.returned:
        lines += _returned_lines(brought.returned)
    if brought.refused:
        lines.append(f"not used: {count_text(len(brought.refused), 'item')}, listed in data/imports")
        lines += [f"  {item.file}{f':{item.line}' if item.line else ''}: {item.reason}" for item in brought.refused[:4]]
    lines.append("smallest change of recall that could be seen there, at 95 %:")
    blindest = sorted(brought.visible, key=lambda item: (-item.share, item.split, item.label))[:6]
    lines += [
        f"  {item.share:4.0%}  {item.label} on {item.split} ({item.objects} on {count_text(item.photos, 'photo')})"
        for item in blindest
    ]
    return [fit(printable(line), width) for line in lines]


def _returned_lines(back: Returned) -> list[str]:
    """Say what came back for labelling, and what nobody touched."""
    numbers = ", ".join(map(str, back.selections))
    into = ", ".join(f"{count} into {split}" for split, count in back.into.items() if count)
    which = f"selection{'s' if len(back.selections) > 1 else ''} {numbers}"
    lines = [f"of {which}: {count_text(back.photos, 'photo')} back ({into}), labelled by {back.by}"]
    if back.prelabels:
        lines.append(f"pre-labels that nobody touched: {back.untouched} of {back.prelabels}")
    if back.untouched_photos:
        lines.append(f"photos that came back as they went out: {back.untouched_photos} of {back.photos}")
    return lines


def batch_lines(batch: Batch, width: int) -> list[str]:
    """Say how many pictures were made."""
    lines = [f"{count_text(batch.made, 'picture')} made, {batch.failed} requests failed"]
    if batch.refused:
        lines.append(f"{batch.refused} of the failed were refused: the judge did not see in them what was asked for")
    if count := batch.verified.get("unverified"):
        lines.append(f"{count_text(count, 'picture')} unverified: nobody has checked that the labels are right")
    if batch.disputed:
        lines.append(f"in {count_text(len(batch.disputed), 'picture')} the judge sees what the champion does not find")
    return [fit(line, width) for line in lines]


def result_lines(result: BatchResult, width: int) -> list[str]:
    """Say what came of a file of requests, and what lies where in the folder."""
    lines = [f"{count_text(result.lines, 'line')}: {count_text(result.pictures, 'picture')}, {result.errors} without"]
    if result.refused:
        lines.append(f"{result.refused} of those were refused: the judge did not see in them what was asked for")
    lines.append(f"each line: {result.manifest}; labels: labels/ with data.yaml, {result.coco}")
    return [fit(line, width) for line in lines]


def review_lines(review: Review, width: int) -> list[str]:
    """Say how many pictures were accepted, and why the others were not."""
    lines = [f"{count_text(review.accepted, 'picture')} accepted, {review.rejected} rejected"]
    lines += [f"  {count:4d}  {reason}" for reason, count in sorted(review.reasons.items(), key=lambda item: -item[1])]
    if review.disputed and review.disputed.reviewed:
        accepted = f"{review.disputed.right} of {review.disputed.reviewed} that people reviewed"
        lines.append(f"pictures in which the judge sees what the champion does not find: {accepted} were accepted")
    return [fit(printable(line), width) for line in lines]
