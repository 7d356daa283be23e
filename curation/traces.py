"""Read what the rounds of a workspace have left into one history; takes no lock, and what is absent is absent."""

from pathlib import Path
from typing import TYPE_CHECKING

from curation.consultation import Consulted
from curation.history import History, Played, Shown, SubjectKind
from curation.ledger import Ledger, RoundFolder
from curation.records import Batch, Briefs, Comparison, Decision, Findings, Payoffs, Plan, Review, TrainedArms
from generation.records import GENERATION_REQUEST, Failure, SyntheticImage, Verdict
from training.boxes import BoxTable, ImageTable
from training.errors import UsageError
from training.files import digest_of_file
from training.records import ArmName, Evaluation, FileRef, ImageSet, ModelVersion, TrainingFile, TrainingMix
from training.registry import Registry
from training.tables import load_table

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_LIST = "champion.first.jsonl"
MODELS = "models"


def registry_of(ledger: Ledger) -> Registry:
    """Give the memory of a workspace's models."""
    return Registry(ledger.root / MODELS)


def registered(ledger: Ledger) -> "dict[str, ModelVersion]":
    """Give all models of a workspace by their ids, those of earlier rounds first."""
    registry = registry_of(ledger)
    found = [registry.get(note.parent.name) for note in registry.folder.glob("*/model.json")]
    return {model.model_id: model for model in sorted(found, key=lambda model: (model.round, model.model_id))}


def history_of(ledger: Ledger) -> History:
    """Read every round, and the notes of the models."""
    return History(tuple(_played(folder) for folder in ledger.rounds()), registered(ledger))


def subject_of(history: History, root: Path, text: str) -> tuple[SubjectKind, str, str]:
    """Give what a path or an id means, with a remark about the file, empty for none.

    A file is known by its bytes wherever it lies, and by its name inside the workspace. Raises `UsageError` for what is
    not known.
    """
    path = next((path for path in (Path(text), root / text) if path.is_file()), None)
    if path is None:
        return (*history.named(text), "")
    digest = digest_of_file(path)
    if held := history.holding(digest) or _weights(history, root, digest):
        return (*held, "")
    inside = path.resolve()
    if inside.is_relative_to(root):
        place = inside.relative_to(root)
        if known := _known(history, place.parent.name if place.parts[0] == MODELS else place.stem):
            return (*known, f"the bytes of {place.as_posix()} have changed since it was made")
    raise UsageError(
        f"{text} is no picture or photo of this workspace: no round has seen a file with these bytes",
        hint="name a file of pictures/ or data/photos/, or an id; photos that were added count from the next round",
    )


def _weights(history: History, root: Path, digest: str) -> tuple[SubjectKind, str] | None:
    """Give the model whose weights have these bytes, as exported ones have."""
    for model_id in history.models:
        noted = root / MODELS / model_id / "weights.digest"
        if noted.is_file() and noted.read_text(encoding="utf-8").strip() == digest:
            return "model", model_id
    return None


def _known(history: History, name: str) -> tuple[SubjectKind, str] | None:
    try:
        return history.named(name)
    except UsageError:
        return None


def _played(folder: RoundFolder) -> Played:
    plan, batch, review = folder.read("plan", Plan), folder.read("generate", Batch), folder.read("review", Review)
    requests = folder.load_lines(plan.requests, GENERATION_REQUEST) if plan else ()
    pictures = folder.load_lines(batch.pictures, SyntheticImage) if batch else ()
    failures = folder.load_lines(batch.failures, Failure) if batch else ()
    verdicts = folder.load_lines(review.verdicts, Verdict) if review else ()
    images = folder.read("freeze", ImageSet)
    mixed, trained = folder.read("mix", TrainingMix), folder.read("train", TrainedArms)
    return Played(
        number=folder.number,
        images=load_table(folder.path / images.images.name, ImageTable, images.images) if images else None,
        labels=load_table(folder.path / images.labels.name, BoxTable, images.labels) if images else None,
        classes=images.classes if images else (),
        champion=folder.read("champion", ModelVersion),
        evaluation=folder.read("evaluate", Evaluation),
        findings=_findings(folder),
        briefs=folder.read("brief", Briefs),
        requests={each.request_id: each for each in requests},
        pictures={each.request_id: each for each in pictures},
        failures={each.request_id: each for each in failures},
        verdicts={each.request_id: each for each in verdicts},
        lists=_lists(folder, mixed),
        left_out=mixed.left_out if mixed else 0,
        trained={"control": trained.control, "candidate": trained.candidate} if trained else {},
        payoffs=folder.read("payoff", Payoffs),
        comparison=folder.read("compare", Comparison),
        decision=folder.read("decide", Decision),
    )


def _findings(folder: RoundFolder) -> Findings | None:
    """Give the findings that were tested last: `curation.desk` knows it too, but loads what takes a second."""
    consulted = folder.read("consult", Consulted)
    return consulted.findings if consulted else folder.read("analyze", Findings)


def _lists(folder: RoundFolder, mixed: TrainingMix | None) -> "Mapping[ArmName, Shown]":
    """Give what each arm shows; the list of a first model is the file that its step wrote."""
    lists: dict[ArmName, Shown] = {}
    first = folder.path / FIRST_LIST
    if folder.finished("champion") and first.is_file():
        ref = FileRef(name=FIRST_LIST, digest=digest_of_file(first))
        lists["first"] = Shown(None, folder.load_lines(ref, TrainingFile))
    for arm in (mixed.control, mixed.candidate) if mixed else ():
        lists[arm.name] = Shown(arm, folder.load_lines(arm.files, TrainingFile))
    return lists
