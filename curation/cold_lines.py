"""What a cold start asks for, what that takes, and what came of it, in a few lines for a terminal."""

from collections.abc import Mapping
from dataclasses import dataclass

from curation.cold import ColdDrawn, ColdModel, ColdPlan, ColdStart
from curation.columns import Column, table
from curation.wording import count_text, fit, printable, short, wrap
from generation.gligen_weights import FULL_DECODE_TFLOP, FULL_UNET_TFLOP
from generation.grounding import PaintSettings

BARE_UNET_TFLOP = 0.8033
"""Of one evaluation of the network at 512 × 512 that does not see the boxes."""
PICTURE_BYTES = 120_000
"""An assumption: a JPEG of 512 × 512 pixels at quality 95, its note and its labels."""
MAX_CLASSES = 9


@dataclass(frozen=True)
class Device:
    """A GPU, and what is assumed of it."""

    name: str
    peak_tflop_per_s: float
    """Of products in half precision."""
    share: float
    """Of that, what a whole network is taken to reach."""


DEVICES = (Device("H200", 790, 0.30), Device("A10G", 70, 0.40))


def picture_tflop(settings: PaintSettings) -> float:
    """Give the arithmetic of one picture of 512 × 512 pixels, counted for the released weights."""
    halves = 2 if settings.guidance > 1 else 1
    share = settings.grounded_share
    evaluation = share * FULL_UNET_TFLOP + (1 - share) * BARE_UNET_TFLOP
    return halves * settings.steps * evaluation + FULL_DECODE_TFLOP


def gpu_hours(count: int, settings: PaintSettings) -> dict[str, float]:
    """Give the hours that pictures take, each drawn once, by device."""
    work = count * picture_tflop(settings)
    return {device.name: work / (device.peak_tflop_per_s * device.share) / 3600 for device in DEVICES}


def disk_gb(count: int) -> float:
    """Give the gigabytes that pictures take."""
    return count * PICTURE_BYTES / 1e9


def start_lines(start: ColdStart, width: int) -> list[str]:
    """Say what a cold start was made of."""
    return [
        fit(f"cold start from {printable(start.source)}, without photos", width),
        *wrap(f"classes: {', '.join(start.classes)}", width),
    ]


def plan_lines(plan: ColdPlan, width: int) -> list[str]:
    """Say what is asked for: pictures and objects by class, and how often each value of an attribute occurs."""
    shown = plan.classes[:MAX_CLASSES]
    columns = [
        Column("class", [printable(label) for label in shown]),
        Column("pictures", [f"{plan.pictures[label]:,}" for label in shown], right=True),
        Column("objects", [f"{plan.objects[label]:,}" for label in shown], right=True),
        Column("values×pictures of each, at least", [_own_values(plan, label) for label in shown], stretch=True),
    ]
    lines = table(columns, width=width)
    if len(plan.classes) > MAX_CLASSES:
        lines.append(f"and {len(plan.classes) - MAX_CLASSES} more classes")
    scene = {name: counts for name, counts in plan.values.items() if "." not in name}
    lines += wrap(f"in all {plan.count:,} pictures: {_values(scene)}", width)
    return [*lines, fit("counts of every value: cold/plan.json, or --json", width)]


def _own_values(plan: ColdPlan, label: str) -> str:
    prefix = f"{label}."
    own = {name.removeprefix(prefix): counts for name, counts in plan.values.items() if name.startswith(prefix)}
    return _values(own)


def _values(values: Mapping[str, Mapping[str, int]]) -> str:
    return ", ".join(f"{name} {len(counts)}×{min(counts.values()):,}" for name, counts in values.items())


def estimate_lines(count: int, settings: PaintSettings, *, max_tries: int, width: int) -> list[str]:
    """Say what pictures take, and what that rests on; `max_tries` is 1 where no judge looks."""
    hours = gpu_hours(count, settings)
    lines = [f"estimates, {picture_tflop(settings):.1f} TFLOP a picture of {settings.steps} steps, each drawn once:"]
    lines += [
        f"  {hours[device.name]:7,.1f} h on one {device.name}, "
        f"if {device.share:.0%} of {device.peak_tflop_per_s:.0f} TFLOP/s are reached"
        for device in DEVICES
    ]
    lines.append(f"  {disk_gb(count):7,.1f} GB of disk, if a picture takes {PICTURE_BYTES / 1000:.0f} kB")
    if max_tries > 1:
        lines.append(f"  more where the judge has pictures drawn again, up to {max_tries} times, and for its own work")
    return [fit(line, width) for line in lines]


def drawn_lines(drawn: ColdDrawn, width: int) -> list[str]:
    """Say what came of the requests."""
    lines = [f"{count_text(drawn.pictures, 'picture')} drawn, {drawn.errors} requests without"]
    if any(drawn.refused.values()):
        most = sorted(drawn.refused.items(), key=lambda item: -item[1])
        by_class = ", ".join(f"{label} {count}" for label, count in most if count)
        lines.append(f"the judge did not see in them what was asked for, and refused: {by_class}")
    if count := drawn.verified.get("unverified"):
        lines.append(f"{count_text(count, 'picture')} unverified: nobody has checked that the labels are right")
    return [fit(printable(line), width) for line in lines]


def model_lines(model: ColdModel, weights: str, width: int) -> list[str]:
    """Say what was trained on what, and that nobody knows how good it is."""
    verified = ", ".join(f"{count:,} {how}" for how, count in model.verified.items())
    lines = [
        f"model {short(model.model_id)} learned from {count_text(model.pictures, 'drawn picture')} ({verified})",
        f"{model.note}: how good it is there is not known, and real photos decide",
        f"weights: {weights}",
    ]
    return [fit(printable(line), width) for line in lines]
