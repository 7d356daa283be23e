"""Paint whole pictures with GLIGEN: many different prompts and layouts in one batch, each from its own seed.

GLIGEN: Li et al., "GLIGEN: open-set grounded text-to-image generation" (CVPR 2023). Built on diffusers' Stable
Diffusion pipeline and a UNet with gated attention. Sampler: DPM-Solver++, Lu et al. (2022).
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from generation.fitting import Batches
from generation.gligen_weights import Loaded, load
from generation.grounding import Layout, PaintFailure, PaintSettings, Pixels, fill_slots, refusal
from training.errors import ModelError

Tensor = Any
"""`torch.Tensor`: torch is imported when it is needed."""

HANDLED_AT_ONCE = 8  # pictures in the encoder or decoder, which need more memory a picture than all the rest
NOT_FINITE = "the model's arithmetic overflowed and left no picture: use another precision or seed"
BLACKED_OUT = "the safety checker blacked the picture out"


class GligenDoor:
    """A loaded GLIGEN model. Not for several threads at once.

    A picture depends on its own layout and seed, not on the others of its batch; on a GPU, and where the batch has
    another size, up to the rounding of the arithmetic.
    """

    def __init__(self, loaded: Loaded, settings: PaintSettings) -> None:
        from diffusers.models.attention import GatedSelfAttentionDense

        self.loaded, self.settings = loaded, settings
        self.pipe, self.device = loaded.pipe, loaded.device
        self.batches = Batches(settings.batch_count, self.device)
        self._gates = [part for part in self.pipe.unet.modules() if isinstance(part, GatedSelfAttentionDense)]
        self._embedded: dict[str, Tensor] = {}

    @classmethod
    def load(
        cls,
        model: str,
        settings: PaintSettings | None = None,
        *,
        device: str | None = None,
        allow_download: bool = False,
        allow_cpu: bool = False,
    ) -> Self:
        """Load a folder or a hub id; `device` is `cpu`, `cuda`, `cuda:1` or `1`, None for the best there is.

        A hub id that is not on this machine is fetched only with `allow_download`, and a full-size model runs on a CPU
        only with `allow_cpu`. Raises `ModelError` for what is not a whole text-box GLIGEN.
        """
        settings = settings or PaintSettings()
        loaded = load(model, settings, device=device, allow_download=allow_download, allow_cpu=allow_cpu)
        return cls(loaded, settings)

    @property
    def side_px(self) -> int:
        """Side of the square pictures that the model paints."""
        return int(self.pipe.unet.config.sample_size * self.pipe.vae_scale_factor)

    @property
    def is_inpainting(self) -> bool:
        """The UNet has the nine channels of GLIGEN's inpainting weights, and paints into photos only."""
        return int(self.pipe.unet.config.in_channels) == 9

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text with its two end marks, uncut."""
        return len(self.pipe.tokenizer(text, truncation=False, verbose=False).input_ids)

    def refusals(self, layouts: Sequence[Layout]) -> list[str | None]:
        """Say for each layout why `paint` would refuse it, None where it would not; nothing is painted."""
        return [refusal(layout, self.count_tokens) for layout in layouts]

    def paint(self, layouts: Sequence[Layout]) -> list[Pixels | PaintFailure]:
        """Give a picture (side, side, 3) in blue, green and red, or a failure, for each layout, in order.

        What is refused is refused before anything is painted. Raises `ModelError` for inpainting weights and where
        memory does not suffice for a single picture.
        """
        if self.is_inpainting:
            raise ModelError(
                "these are inpainting weights, and whole pictures were asked for",
                hint="use generation weights, or paint into photos",
            )
        refused = self.refusals(layouts)
        fit = [layout for layout, reason in zip(layouts, refused, strict=True) if reason is None]
        painted = iter(self.batches.of(fit, self._paint_batch))
        return [PaintFailure(reason) if reason else next(painted) for reason in refused]

    def _paint_batch(self, layouts: Sequence[Layout]) -> list[Pixels | PaintFailure]:
        import torch

        with torch.no_grad():
            return self.pictures(self.latents(layouts))

    def latents(self, layouts: Sequence[Layout]) -> Tensor:
        """Give the latents (n, 4, h, w) of a batch of layouts after the last step."""
        import torch

        def after_step(_pipe: Any, number: int, _time: Tensor, kept: dict[str, Tensor]) -> dict[str, Tensor]:
            self.open_gates(number + 1)
            return kept

        self.open_gates(0)
        told, free = self.texts(layouts)
        noise = self.noise([torch.Generator().manual_seed(layout.seed) for layout in layouts])
        return self.pipe(
            prompt_embeds=told,
            negative_prompt_embeds=free,
            latents=noise.to(self.pipe.unet.dtype),
            num_inference_steps=self.settings.steps,
            guidance_scale=self.settings.guidance,
            cross_attention_kwargs=self.grounding(layouts),
            callback_on_step_end=after_step,
            output_type="latent",
        ).images

    def texts(self, layouts: Sequence[Layout]) -> tuple[Tensor, Tensor | None]:
        """Give the encoded prompts and negative prompts, (n, 77, d) each; the latter are None without guidance."""
        told, free = self.pipe.encode_prompt(
            [layout.prompt for layout in layouts],
            self.device,
            1,
            self.settings.guidance > 1,
            negative_prompt=[layout.negative_prompt for layout in layouts],
        )
        return told, free

    def noise(self, generators: Sequence[Tensor]) -> Tensor:
        """Draw noise (n, 4, h, w), a picture from each generator: on the CPU, so that it is the same on any device."""
        import torch

        side = self.pipe.unet.config.sample_size
        return torch.stack([torch.randn(4, side, side, generator=chance) for chance in generators]).to(self.device)

    def open_gates(self, step: int) -> None:
        """Let the step of this number, from 0, see the boxes if it is one of the first `grounded_share`."""
        is_open = step < int(self.settings.grounded_share * self.settings.steps)
        for gate in self._gates:
            gate.enabled = is_open

    def grounding(self, layouts: Sequence[Layout]) -> dict[str, Any]:
        """Give the UNet's keyword for where each object goes.

        It holds (n, 30, d); with guidance (2n, 30, d), the first half of which, the unguided one, has no objects.
        """
        import torch

        slots = fill_slots(layouts)
        used = torch.from_numpy(slots.used)
        texts = torch.zeros(*used.shape, self.pipe.unet.config.cross_attention_dim)
        if slots.phrases:
            texts[used] = self._embed(slots.phrases)
        masks, boxes = used.float(), torch.from_numpy(slots.boxes)
        if self.settings.guidance > 1:
            masks = torch.cat([torch.zeros_like(masks), masks])
            boxes, texts = torch.cat([boxes, boxes]), torch.cat([texts, texts])
        masks, boxes, texts = (values.to(self.device) for values in (masks, boxes, texts))
        objects = self.loaded.ground(boxes=boxes, masks=masks, positive_embeddings=texts)
        return {"gligen": {"input": objects.to(self.pipe.unet.dtype)}}

    def _embed(self, phrases: Sequence[str]) -> Tensor:
        """Give the text encoder's summary of each phrase, (k, d); each is encoded once and kept."""
        import torch

        for phrase in dict.fromkeys(phrases):
            if phrase not in self._embedded:  # alone, so that it does not depend on its company
                tokens = self.pipe.tokenizer(phrase, return_tensors="pt").to(self.device)
                self._embedded[phrase] = self.pipe.text_encoder(**tokens).pooler_output[0].float().cpu()
        return torch.stack([self._embedded[phrase] for phrase in phrases])

    def pictures(self, latents: Tensor) -> list[Pixels | PaintFailure]:
        """Decode latents (n, 4, h, w) to pictures in blue, green and red; what cannot be shown is a failure."""
        made: list[Pixels | PaintFailure] = []
        for part in latents.split(HANDLED_AT_ONCE):
            made += self._decoded(part)
        return made

    def _decoded(self, latents: Tensor) -> list[Pixels | PaintFailure]:
        vae = self.pipe.vae
        images = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor).sample.float()
        finite = images.isfinite().flatten(1).all(dim=1).tolist()
        images, flagged = self.pipe.run_safety_checker(images.nan_to_num(0, 0, 0), self.device, vae.dtype)
        levels = (images / 2 + 0.5).clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        return [
            PaintFailure(NOT_FINITE)
            if not is_finite
            else PaintFailure(BLACKED_OUT)
            if is_flagged
            else np.ascontiguousarray(picture[:, :, ::-1])
            for picture, is_finite, is_flagged in zip(levels, finite, flagged or [False] * len(finite), strict=True)
        ]
