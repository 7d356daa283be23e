"""Paint objects, or plain background, into real photos with GLIGEN; outside the feathered boxes nothing changes.

Works with GLIGEN's inpainting weights (nine channels: the noisy picture, what is kept of the photo, and where) and
with those for whole pictures (four: what is kept is blended in at every step).
Blending: Avrahami et al., "Blended latent diffusion" (2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from generation.gligen import HANDLED_AT_ONCE, GligenDoor, Tensor
from generation.grounding import Layout, PaintFailure, Pixels, Repaint, text_refusal
from generation.windows import Pass, cells_to_paint, cut_out, feather, in_window, is_too_thin, passes, put_back
from training.boxes import Bools


@dataclass(frozen=True, eq=False)
class Shot:
    """One window of a photo at the model's size, and what is to be painted in it."""

    pixels: Pixels
    """(side, side, 3) blue, green, red."""
    cells: Bools
    """(c, c) of the model's cells, which are painted anew."""
    layout: Layout
    """Its boxes are fractions of the window."""


def refusals(door: GligenDoor, repaints: Sequence[Repaint]) -> list[str | None]:
    """Say for each photo why `inpaint` would refuse it, None where it would not; nothing is painted."""
    return [_refusal(door, repaint) for repaint in repaints]


def inpaint(door: GligenDoor, repaints: Sequence[Repaint]) -> list[Pixels | PaintFailure]:
    """Give each photo with its objects painted in, or a failure, in order; photos of any shape, boxes of any size.

    A pixel changes only where `windows.feather` is above 0. Objects that would be too small in a common window are
    painted one by one, largest first, and then their phrase is the prompt: the window shows nothing else. What is
    refused is refused before anything is painted. Raises `ModelError` where memory does not suffice for one window.
    """
    results = [
        PaintFailure(reason) if reason else repaint.photo.copy()
        for repaint, reason in zip(repaints, refusals(door, repaints), strict=True)
    ]
    plans = [
        () if isinstance(result, PaintFailure) else _passes(repaint)
        for repaint, result in zip(repaints, results, strict=True)
    ]
    for turn in range(max(map(len, plans), default=0)):
        work = [
            (row, picture, plan[turn])
            for row, (picture, plan) in enumerate(zip(results, plans, strict=True))
            if turn < len(plan) and not isinstance(picture, PaintFailure)
        ]
        shots = [_shot(door, repaints[row], picture, here, turn) for row, picture, here in work]
        painted = door.batches.of(shots, partial(repaint_shots, door))
        for (row, picture, here), new in zip(work, painted, strict=True):
            results[row] = new if isinstance(new, PaintFailure) else _back(repaints[row], picture, here, new)
    return results


def _refusal(door: GligenDoor, repaint: Repaint) -> str | None:
    height, width = repaint.photo.shape[:2]
    thin = is_too_thin(repaint.boxes_px, width_px=width, height_px=height)
    if repaint.layout.phrases and thin.any():
        phrase = repaint.layout.phrases[int(np.argmax(thin))]
        return f"the box of {phrase!r} is so long and narrow that it covers less than 1 % of any window around it"
    return text_refusal(repaint.layout, door.count_tokens)


def _passes(repaint: Repaint) -> tuple[Pass, ...]:
    height, width = repaint.photo.shape[:2]
    return passes(repaint.boxes_px, width_px=width, height_px=height)


def _shot(door: GligenDoor, repaint: Repaint, picture: Pixels, here: Pass, turn: int) -> Shot:
    """Cut a window out of a photo as it is by now, with its own share of the layout and its own seed."""
    whole, members = repaint.layout, list(here.members)
    boxes_px = repaint.boxes_px[members]
    phrases = tuple(whole.phrases[member] for member in members) if whole.phrases else ()
    layout = replace(
        whole,
        prompt=whole.prompt if len(members) == len(repaint.boxes_px) or not phrases else phrases[0],
        phrases=phrases,
        boxes=in_window(boxes_px, here.window) if phrases else np.zeros((0, 4)),
        seed=_seed_of_turn(whole.seed, turn),
    )
    cells = door.side_px // door.pipe.vae_scale_factor
    return Shot(
        pixels=cut_out(picture, here.window, side_px=door.side_px),
        cells=cells_to_paint(feather(boxes_px, here.window), cells=cells),
        layout=layout,
    )


def _seed_of_turn(seed: int, turn: int) -> int:
    """Give each of a photo's passes noise of its own: equal noise in neighbouring windows would show."""
    return int(np.random.SeedSequence([seed, turn]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _back(repaint: Repaint, picture: Pixels, here: Pass, painted: Pixels) -> Pixels:
    share = feather(repaint.boxes_px[list(here.members)], here.window)
    return put_back(picture, painted, here.window, share)


def repaint_shots(door: GligenDoor, shots: Sequence[Shot]) -> list[Pixels | PaintFailure]:
    """Paint one batch of windows; what is kept of each comes back only as good as the model's decoder has it."""
    import torch

    with torch.no_grad():
        return door.pictures(repaint_latents(door, shots))


def repaint_latents(door: GligenDoor, shots: Sequence[Shot]) -> Tensor:
    """Give the latents (n, 4, c, c) of a batch of windows after the last step; kept cells are those of the photo."""
    import torch

    pipe, settings = door.pipe, door.settings
    generators = [torch.Generator().manual_seed(shot.layout.seed) for shot in shots]
    known = _encoded(door, shots)
    keep = torch.from_numpy(np.stack([~shot.cells for shot in shots]))[:, None].to(door.device, torch.float32)
    layouts = [shot.layout for shot in shots]
    (told, free), grounding = door.texts(layouts), door.grounding(layouts)
    texts, halves = (told, 1) if free is None else (torch.cat([free, told]), 2)
    pipe.scheduler.set_timesteps(settings.steps, device=door.device)
    latents = door.noise(generators) * pipe.scheduler.init_noise_sigma
    for step, moment in enumerate(pipe.scheduler.timesteps):
        door.open_gates(step)
        kept = pipe.scheduler.add_noise(known, door.noise(generators), moment.reshape(1))
        latents = kept * keep + latents * (1 - keep)
        seen = pipe.scheduler.scale_model_input(torch.cat([latents] * halves), moment)
        if door.is_inpainting:
            seen = torch.cat([seen, torch.cat([torch.cat([known * keep, keep], dim=1)] * halves)], dim=1)
        guess = pipe.unet(
            seen.to(pipe.unet.dtype), moment, encoder_hidden_states=texts, cross_attention_kwargs=grounding
        ).sample.float()
        if halves == 2:
            unguided, guided = guess.chunk(2)
            guess = unguided + settings.guidance * (guided - unguided)
        latents = pipe.scheduler.step(guess, moment, latents).prev_sample
    return known * keep + latents * (1 - keep)


def _encoded(door: GligenDoor, shots: Sequence[Shot]) -> Tensor:
    """Give the latents of the windows as they are; the middle of what the encoder allows, so no chance is in them."""
    import torch

    vae = door.pipe.vae
    pixels = np.stack([shot.pixels[:, :, ::-1] for shot in shots])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(door.device).float() / 127.5 - 1
    parts = [vae.encode(part.to(vae.dtype)).latent_dist.mode() for part in images.split(HANDLED_AT_ONCE)]
    return torch.cat(parts).float() * vae.config.scaling_factor
