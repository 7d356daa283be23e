"""The configuration: one YAML file, every key known, all problems reported at once.

Each field's docstring is its help; `configs/default.yaml` is generated from them.
"""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError
from yaml.constructor import ConstructorError

from curation.records import DecideSettings
from generation.allowance import LlmSettings
from generation.gligen_files import GENERATION_ID
from generation.grounding import PaintSettings
from generation.records import Backend, ReviewSettings
from generation.verify import VerifySettings
from generation.vocabulary import Vocabulary
from training import overrides
from training.errors import ConfigError
from training.records import Record


class DatabaseSettings(Record):
    """FiftyOne's database."""

    uri: str | None = None
    """MongoDB server to use instead of the workspace's own; FIFTYONE_DATABASE_URI goes before it."""


class EvaluateSettings(Record):
    """The operating point."""

    min_score: float = Field(0.25, gt=0, lt=1)
    """Predictions below this score do not count for recall, precision and error kinds."""
    replicates: int = Field(1000, ge=100, le=20_000)
    """Photo draws behind each interval of an AP."""


class AnalyzeSettings(Record):
    """When a finding is confirmed, and when it is refuted."""

    min_effect: float = Field(0.1, gt=0, lt=1)
    """Smallest loss of recall that matters; a slice that is surely better than this is refuted."""
    max_q: float = Field(0.05, gt=0, lt=1)
    """Largest share of false findings among the confirmed ones."""
    expected: dict[str, dict[str, Annotated[tuple[str, ...], Field(min_length=1)]]] = Field(default_factory=dict)
    """Values that the detector should meet, by class and column: {vest: {colour: [orange, yellow, pink]}}."""

    @property
    def expected_columns(self) -> frozenset[str]:
        """Give the names of the columns that values are expected of."""
        return frozenset(column for columns in self.expected.values() for column in columns)


class GenerateSettings(Record):
    """How many pictures, made by what."""

    pictures: int = Field(100, ge=1, le=100_000)
    """Pictures to ask for in a round, shared among the confirmed findings by what fixing them would gain."""
    min_pictures: int = Field(20, ge=1)
    """Every funded finding gets at least this many."""
    seed: int = Field(0, ge=0)
    """Another seed gives other pictures."""


class GeneratorSettings(PaintSettings):
    """What makes the pictures, and how GLIGEN paints them."""

    backend: Backend = "paste"
    """`paste`, `gligen` (whole pictures) or `gligen-inpaint` (into train photos); what it cannot make is left to those
    that come after it: gligen, gligen-inpaint, paste."""
    model: str = GENERATION_ID
    """Weights of GLIGEN: a folder, or an id of the hub."""


class JudgeSettings(VerifySettings):
    """Who checks what was drawn, and by which rules."""

    backend: Literal["zero-shot", "none"] = "zero-shot"
    """`zero-shot` looks at every picture that was drawn; with `none` pictures are marked unverified."""
    model: str = "google/owlv2-base-patch16-ensemble"
    """Weights of the zero-shot detector: a folder, or an id of the hub."""


class MixSettings(Record):
    """What the candidate learns from."""

    max_synthetic_share: float = Field(0.5, gt=0, lt=1)
    """Largest share of synthetic pictures in the candidate's list."""


class TrainingSettings(Record):
    """How every arm is trained: AdamW with a cosine schedule."""

    model: str = "yolov8n.yaml"
    """Network of the first model where none was brought: a YAML of ultralytics, or `tiny`, the built-in small one."""
    imgsz: int | None = Field(None, ge=32, le=2048)
    """Longer side of training pictures in pixels; empty: 256 on a CPU, 640 on a GPU."""
    max_updates: int | None = Field(None, ge=1)
    """Optimiser steps of an arm at most, but at least one epoch; empty: 200 on a CPU, 3000 on a GPU."""
    batch: int = Field(16, ge=1)
    """Pictures in one optimiser step."""
    lr0: float = Field(0.001, gt=0, lt=1)
    """Initial learning rate of every training that starts from weights."""
    scratch_updates: int | None = Field(None, ge=1)
    """Optimiser steps of a first model that starts from nothing; empty: 450 on a CPU, 10000 on a GPU."""
    scratch_lr0: float = Field(0.003, gt=0, lt=1)
    """Initial learning rate of a first model that starts from nothing."""
    seed: int = Field(0, ge=0)
    """Seed of every arm, the first where there are several."""
    seeds: int | None = Field(None, ge=1, le=20)
    """How often each arm is trained, each time with another seed: with a single one, what the pictures did cannot
    be told from luck. Empty: 1 on a CPU, 3 on a GPU."""
    skip_suspect: bool = False
    """Whether train photos with a suspected label are left out of both arms alike."""
    overrides: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Further settings of ultralytics' training, for every arm: {mosaic: 0.5, weight_decay: 0.001}."""
    device: str = Field("auto", coerce_numbers_to_str=True, pattern="^(auto|cpu|[0-9]+)$")
    """`auto`, `cpu`, or a CUDA device number."""


class RunSettings(Record):
    """What `curate run` does by itself."""

    wait_for_review: bool = False
    """Whether it stops for a person instead of deciding on pictures by the rule."""
    max_rounds_without_promotion: int = Field(3, ge=1)
    """After so many rounds in a row on the same photos it stops, and says what to label instead."""


class SelectSettings(Record):
    """Which real photos people should label next."""

    pool: str | None = None
    """Folder of unlabelled photos (as seen from where curate is started), or fiftyone:NAME; each round of `curate run`
    ends with a selection from it."""
    photos: int = Field(100, ge=1, le=100_000)
    """Photos of a selection."""


class Config(Record):
    """Everything that can be set."""

    database: DatabaseSettings = DatabaseSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    analyze: AnalyzeSettings = AnalyzeSettings()
    llm: LlmSettings | None = None
    generate: GenerateSettings = GenerateSettings()
    generator: GeneratorSettings = GeneratorSettings()
    vocabulary: Vocabulary = Vocabulary()
    verify: JudgeSettings = JudgeSettings()
    review: ReviewSettings = ReviewSettings()
    mix: MixSettings = MixSettings()
    training: TrainingSettings = TrainingSettings()
    decide: DecideSettings = DecideSettings()
    select: SelectSettings = SelectSettings()
    run: RunSettings = RunSettings()


def load_config(path: Path) -> Config:
    """Read a configuration; raises `ConfigError` with every problem and its dotted key."""
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506  # it is a safe loader
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is missing", hint="curate init makes one") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint="is it a readable file?") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {_reason(error)}", hint="mend it") from error
    return parse_config({} if value is None else value, name=str(path))


def parse_config(value: Any, *, name: str) -> Config:
    """Check a configuration that was read from the file called `name`; a section without keys is its defaults."""
    if not isinstance(value, dict):
        raise ConfigError(
            f"{name} must hold sections of keys, got {type(value).__name__}", hint="see configs/default.yaml"
        )
    config, problems = None, _overrides_problems(value)
    try:
        config = Config.model_validate({key: _section(key, section) for key, section in value.items()})
    except ValidationError as error:
        problems = [*(_problem(dict(item)) for item in error.errors()), *problems]
    if config is None or problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError(
            f"{count} in {name}:\n  " + "\n  ".join(problems), hint="configs/default.yaml explains every key"
        )
    return config


def _overrides_problems(value: dict[Any, Any]) -> list[str]:
    """Say which settings of ultralytics may not be set, whatever else is wrong."""
    section = value.get("training")
    given = section.get("overrides") if isinstance(section, dict) else None
    return overrides.problems({str(key): each for key, each in given.items()}) if isinstance(given, dict) else []


def _section(key: str, value: Any) -> Any:
    """Give what stands under a key; one without keys is its defaults, or absent where it may be."""
    field = Config.model_fields.get(key)
    return {} if value is None and field is not None and field.default is not None else value


def _problem(item: dict[str, Any]) -> str:
    keys = tuple(str(part) for part in item["loc"])
    dotted = ".".join(keys)
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(keys[-1], _known_keys(keys[:-1]), n=1)
        return f"unknown key '{dotted}'" + (f" (did you mean '{near[0]}'?)" if near else "")
    wanted = "should be a section of keys" if item["type"] == "model_type" else str(item["msg"]).lower()
    wanted = wanted.removeprefix("value error, ")
    return f"{dotted}: {wanted}" + ("" if isinstance(item["input"], dict) else f", got {item['input']!r}")


class _Loader(yaml.SafeLoader):
    """The safe loader, which also refuses a key that stands twice instead of forgetting the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise ConstructorError(None, None, f"'{key.value}' stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _reason(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error).splitlines()[0]


def _known_keys(section: tuple[str, ...]) -> list[str]:
    kind: type[BaseModel] = Config
    for key in section:
        if key not in kind.model_fields:
            return []
        annotation = kind.model_fields[key].annotation
        candidates = [annotation, *get_args(annotation)]
        kind = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), Record)
    return list(kind.model_fields)
