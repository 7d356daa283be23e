"""What steps of a round depend on besides records: of the configuration, with this machine's usual values filled in.

Each is written into the key of the step that it is passed to, so it holds what changes that step's result and no more.
"""

from typing import Self

from curation.config import Config, TrainingSettings
from generation.records import Backend
from training.files import digest_of
from training.records import Record


class Profile(Record):
    """How much this machine can do: what is set, else by its kind."""

    device: str
    imgsz: int
    max_updates: int
    scratch_updates: int
    seeds: int = 1


class Sight(Record):
    """What predictions depend on besides model and photos: of `training`. Another device changes them by rounding."""

    imgsz: int


class FineTuning(Record):
    """How a model is trained on from weights: of `training`, with this machine's usual values filled in."""

    imgsz: int
    max_updates: int
    batch: int
    lr0: float
    seed: int
    device: str
    overrides: dict[str, bool | int | float | str]


class ArmSettings(FineTuning):
    """How both arms of a round are listed and trained: of `training`."""

    seeds: int
    skip_suspect: bool


class FromScratch(Record):
    """How a first model is trained from nothing: of `training`, with this machine's usual values filled in."""

    model: str
    imgsz: int
    scratch_updates: int
    batch: int
    scratch_lr0: float
    seed: int
    device: str
    overrides: dict[str, bool | int | float | str]

    @classmethod
    def of(cls, settings: TrainingSettings, profile: Profile) -> Self:
        """Take it from a configuration and a machine."""
        return cls(
            model=settings.model,
            imgsz=profile.imgsz,
            scratch_updates=profile.scratch_updates,
            batch=settings.batch,
            scratch_lr0=settings.scratch_lr0,
            seed=settings.seed,
            device=profile.device,
            overrides=settings.overrides,
        )


class Drawing(Record):
    """What a drawn picture and its labels depend on besides its request; a folder of weights is told by its path."""

    backend: Backend
    model: str
    steps: int
    guidance: float
    grounded_share: float
    precision: str | None
    verify: dict[str, str | float | int]
    judged_as: dict[str, str]

    @classmethod
    def of(cls, config: Config) -> Self:
        """Take it from a configuration."""
        generator = config.generator
        return cls(
            backend=generator.backend,
            model=generator.model,
            steps=generator.steps,
            guidance=generator.guidance,
            grounded_share=generator.grounded_share,
            precision=generator.precision,
            verify=config.verify.model_dump(),
            judged_as={label: words.judged_as for label, words in config.vocabulary.classes.items() if words.judged_as},
        )

    @property
    def digest(self) -> str:
        """Give what a request names its generator by; which of the backends comes first changes no picture."""
        return digest_of(self.model_dump(mode="json", exclude={"backend"}))


class Interview(Record):
    """What the answers of the language model depend on: of `llm`."""

    model: str
    base_url: str
    detail: str
    blur_classes: tuple[str, ...]
    max_tagged: int
