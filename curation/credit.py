"""What a round's pictures did, finding by finding, and what its champion has forgotten: both on val."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain

from curation.analysis import with_attributes
from curation.consultation import Consulted
from curation.desk import Desk, Frozen, findings_of
from curation.diagnose import ErrorTable
from curation.forgetting import PastChampion, Sightings, groups_of, losses
from curation.judging import Studied, detected_by, load_judged
from curation.ledger import Ledger, RoundFolder
from curation.payoff import Found, payoffs
from curation.records import Batch, Finding, Findings, Payoffs, Pool, TrainedArms
from generation.records import SyntheticImage
from training.matching import error_kinds
from training.records import Evaluation, ImageSet, Record, TrainingFile, TrainingMix


def pay_off(
    desk: Desk, studied: Studied, found: Findings, pool: Pool, batch: Batch, mixed: TrainingMix, trained: TrainedArms
) -> Payoffs:
    """Judge both arms of every seed on val, and count what each finding's pictures did there."""
    study, frozen = studied.study, studied.frozen
    table = tested_objects(studied)
    detected = detected_by(desk, frozen, [*trained.control, *trained.candidate], split="val")
    seen = [each.errors.label_found[study.kept] for each in detected]
    seeds = len(trained.control)
    models = Found(photo=table.photo, champion=table.found, control=seen[:seeds], candidate=seen[seeds:])
    earlier = rounds_before(desk.ledger, frozen.folder.number)
    today = study.objects.take(study.is_val)
    return Payoffs(
        findings=payoffs(found, table, models, pictures=_pictures_of_findings(frozen.folder, pool, batch, mixed)),
        losses=tuple(
            losses(
                today,
                studied.evaluation.model_id,
                [past for folder in earlier if (past := _past(folder, desk.config.evaluate.min_score))],
                groups_of(today, _confirmed(earlier)),
            )
        ),
    )


def tested_objects(studied: Studied) -> ErrorTable:
    """Give the objects of val that tests rest on, with the attributes that the language model tagged, if it did."""
    said = studied.frozen.folder.read("consult", Consulted)
    return with_attributes(studied, said.consultation) if said else studied.study.tested


def rounds_before(ledger: Ledger, number: int) -> list[RoundFolder]:
    """Give the rounds before one, oldest first."""
    return [folder for folder in ledger.rounds() if folder.number < number]


def payoffs_before(ledger: Ledger, number: int) -> dict[int, Payoffs]:
    """Give what the pictures of the rounds before one did, by the number of the round."""
    found = {folder.number: folder.read("payoff", Payoffs) for folder in rounds_before(ledger, number)}
    return {number: each for number, each in found.items() if each is not None}


def compared_with(ledger: Ledger, number: int) -> list[Record]:
    """Give what is read of the rounds before one to say what was forgotten since: evaluations and findings."""
    folders = rounds_before(ledger, number)
    found = [record for folder in folders for record in (folder.read("evaluate", Evaluation), findings_of(folder))]
    return [record for record in found if record is not None]


def _pictures_of_findings(folder: RoundFolder, pool: Pool, batch: Batch, mixed: TrainingMix) -> Counter[str]:
    """Count the pictures of each finding that the candidate shows and the control does not."""
    made = chain(folder.load_lines(batch.pictures, SyntheticImage), folder.load_lines(pool.pictures, SyntheticImage))
    finding_of = {picture.request_id: picture.finding_id for picture in made}
    ids = {
        arm.name: {file.picture_id for file in folder.load_lines(arm.files, TrainingFile) if file.synthetic}
        for arm in (mixed.control, mixed.candidate)
    }
    return Counter(finding_of[picture_id] for picture_id in ids["candidate"] - ids["control"])


def _past(folder: RoundFolder, min_score: float) -> PastChampion | None:
    """Give what the champion of an earlier round found on the val of that round, at today's operating point."""
    images, evaluation = folder.read("freeze", ImageSet), folder.read("evaluate", Evaluation)
    if images is None or evaluation is None:
        return None
    judged = load_judged(Frozen(images, folder), evaluation)
    errors = error_kinds(judged.predictions, judged.labels, judged.matches, min_score=min_score)
    seen = Sightings(label_id=judged.labels.id, found=errors.label_found)
    return PastChampion(round=folder.number, model_id=evaluation.model_id, seen=seen)


def _confirmed(folders: Sequence[RoundFolder]) -> list[Finding]:
    """Give the findings that rounds confirmed, oldest first."""
    found = (findings_of(folder) for folder in folders)
    return [each for findings in found if findings for each in findings.findings if each.status == "confirmed"]
