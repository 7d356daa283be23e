"""What each step of a round does, from records to a record; the training of arms is in `arms`."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from curation import decide, disputed
from curation.brief import Words, make_briefs
from curation.compare import Contender
from curation.consultation import Consulted
from curation.desk import Board, Desk, Frozen
from curation.journal import note_settled, read_journal
from curation.judging import Studied, judge, judge_arms, load_judged
from curation.ledger import Ledger, RoundFolder
from curation.records import (
    Batch,
    Briefs,
    Comparison,
    Decision,
    FindingEdits,
    Findings,
    Payoffs,
    Plan,
    Review,
    TrainedArms,
)
from curation.serving import Stock, serve
from generation import draw_layout, layout
from generation.card import CapabilityCard
from generation.priors import Priors
from generation.prompts import narrowed
from generation.records import GENERATION_REQUEST, Brief, Failure, GenerationRequest, SyntheticImage
from training.errors import CurateError, DataError
from training.fields import save_fields
from training.files import digest_of
from training.metrics import prepare
from training.records import SPLITS, Evaluation, ImageSet, ModelVersion, Split
from training.tables import save_table


def freeze(desk: Desk, folder: RoundFolder) -> ImageSet:
    """Read photos and labels from FiftyOne; later edits count from the next round."""
    board = desk.board()
    photos = board.read_photos()
    _tell_skipped(desk, board, photos.skipped, folder.number)
    images, labels, classes = photos.images, photos.labels, photos.classes
    counts = {
        split: np.bincount(labels.of_images(images.rows_of(split)).label, minlength=len(classes)) for split in SPLITS
    }
    for split in SPLITS:
        if not counts[split].any():
            hint = "add labelled photos: curate add PATH; or make the workspace again from a source with more"
            raise DataError(f"{split} holds no labelled object, so a round cannot be played", hint=hint)
    return ImageSet(
        classes=classes,
        photos={split: len(images.rows_of(split)) for split in SPLITS},
        objects={split: dict(zip(classes, map(int, counts[split]), strict=True)) for split in SPLITS},
        images=save_table(folder.path / "freeze.images.npz", images),
        labels=save_table(folder.path / "freeze.labels.npz", labels),
        fields=save_fields(folder.path / "freeze.fields.npz", photos.fields),
        kept_labels=note_settled(desk.ledger.root, board.settled_labels()),
    )


def _tell_skipped(desk: Desk, board: Board, skipped: Sequence[str], number: int) -> None:
    """Tell people of boxes that they left without a class or an area, and show them."""
    if skipped:
        name = f"round {number}: boxes that are not used"
        board.save_view(name, label_ids=skipped, description="without a class or an area")
        desk.warn(f"boxes without a class or an area: {len(skipped)}, not used; the view '{name}' shows them")


def judge_on_val(desk: Desk, frozen: Frozen, champion: ModelVersion) -> Evaluation:
    """Evaluate the champion on val, and show it in FiftyOne."""
    (evaluation,) = judge(desk, frozen, {"evaluate": champion}, split="val")
    judged = load_judged(frozen, evaluation)
    desk.board().publish_evaluation(
        f"round_{frozen.folder.number:03d}_val",
        images=judged.images,
        labels=judged.labels,
        predictions=judged.predictions,
        matches=judged.matches,
        errors=judged.errors,
        classes=frozen.image_set.classes,
        split="val",
        mean_ap=evaluation.mean_ap.value,
    )
    return evaluation


def write_briefs(
    desk: Desk,
    studied: Studied,
    findings: Findings,
    said: Consulted | None,
    card: CapabilityCard | None,
    paid: Mapping[int, Payoffs],
    reviews: Sequence[Review],
    edits: FindingEdits,
) -> Briefs:
    """Turn findings into actions and briefs, by what the generators can serve; the language model may lend words.

    `paid` gives what pictures did in earlier rounds, by number, `reviews` what people said of them, oldest first, and
    `edits` what people said about this round's findings.
    """
    priors, study = studied.frozen.priors, studied.study
    settings, generator = desk.config.generate, desk.config.generator
    photo_ids = study.images.id[study.learned.photo]
    stock = Stock(study.learned, photo_ids, desk.config.vocabulary)
    return make_briefs(
        findings,
        pictures=settings.pictures,
        min_pictures=settings.min_pictures,
        suspect_shares={each.finding_id: study.suspect_share(each) for each in findings.findings if each.missed},
        words=_words_of(findings, said) if said else {},
        history=paid,
        stopped={key: why for each in reviews if each.sitting for key, why in each.sitting.stopped.items()},
        edits=edits.edits,
        means_for=lambda brief, conditions: serve(
            brief, conditions, stock, first=generator.backend, cannot_make=lambda one: _cannot_make(one, priors, card)
        ),
    )


def _words_of(findings: Findings, said: Consulted) -> dict[str, Words]:
    """Give the words for each finding that the language model proposed, by the finding's id."""
    words = {one.claim: Words(one.phrases, one.scene_words) for one in said.consultation.hypotheses}
    return {each.finding_id: words[each.claim] for each in findings.findings if each.claim in words}


def _cannot_make(brief: Brief, priors: Priors, card: CapabilityCard | None) -> str | None:
    if brief.backend == "paste":
        return layout.cannot_serve(brief, priors)
    assert brief.backend is not None  # it is asked of briefs with a backend
    reason = draw_layout.cannot_draw(brief, priors, brief.backend)
    return reason or (card.against(brief.label, brief.size) if card and brief.backend == "gligen" else None)


def plan(desk: Desk, frozen: Frozen, briefs: Briefs) -> Plan:
    """Lay out every picture of every brief."""
    priors = frozen.priors
    requests: list[GenerationRequest] = []
    seed = int(digest_of([desk.config.generate.seed, frozen.folder.number])[:12], 16)  # each round asks for new ones
    for brief in briefs.briefs:
        if brief.action == "generate":
            requests += _requests(desk, brief, priors, seed)
    return Plan(
        requests=frozen.folder.save_lines("plan.requests.jsonl", requests),
        count=len(requests),
        label_briefs=tuple(brief for brief in briefs.briefs if brief.action == "label"),
    )


def _requests(desk: Desk, brief: Brief, priors: Priors, seed: int) -> Sequence[GenerationRequest]:
    if brief.backend == "paste":
        return layout.plan(brief, priors, count=brief.pictures, seed=seed)
    assert brief.backend is not None  # the step before gave every brief to generate one
    scene = {"as proposed": brief.scene_words} if brief.scene_words else {}
    words = narrowed(desk.config.vocabulary, label=brief.label, phrases=brief.phrases, wanted=scene | brief.wanted)
    return draw_layout.plan(
        brief,
        priors,
        backend=brief.backend,
        vocabulary=words,
        generator=desk.drawing.digest,
        count=brief.pictures,
        seed=seed,
    )


def generate(desk: Desk, frozen: Frozen, planned: Plan, champion: ModelVersion) -> Batch:
    """Make the pictures, and show them in FiftyOne."""
    requests = frozen.folder.load_lines(planned.requests, GENERATION_REQUEST)
    made = desk.produce(requests, frozen.priors) if requests else ()
    pictures = [item for item in made if isinstance(item, SyntheticImage)]
    failures = [item for item in made if isinstance(item, Failure)]
    if failures and not pictures and all(failure.refused for failure in failures):
        raise CurateError(
            f"{len(failures)} of {len(failures)} pictures were refused, the last because {failures[-1].reason}",
            hint="look at what the generator paints; no check is weakened to let such pictures through",
        )
    if pictures:
        desk.board().publish_pictures(pictures, read_journal(desk.ledger.root))
    return Batch(
        pictures=frozen.folder.save_lines("generate.pictures.jsonl", pictures),
        failures=frozen.folder.save_lines("generate.failures.jsonl", failures),
        made=len(pictures),
        failed=len(failures),
        refused=sum(failure.refused for failure in failures),
        verified=dict(Counter(picture.verified for picture in pictures)),
        disputed=_disputed(desk, frozen, champion, [picture for picture in pictures if picture.verified == "judged"]),
    )


def _disputed(desk: Desk, frozen: Frozen, champion: ModelVersion, judged: Sequence[SyntheticImage]) -> tuple[str, ...]:
    """Give the ids of the pictures in which the judge sees an object that the champion does not find."""
    if not judged:
        return ()
    classes = frozen.image_set.classes
    images, labels = disputed.tables_of(judged, classes)
    (predictions,) = desk.predict([champion], images, np.arange(len(images)), classes)
    min_score = desk.config.evaluate.min_score
    held = disputed.holds_missed(labels, predictions, image_count=len(images), min_score=min_score)
    return tuple(images.id[held].tolist())


def compare(desk: Desk, frozen: Frozen, champion: ModelVersion, trained: TrainedArms) -> Comparison:
    """Open test: judge champion, and control and candidate of each seed on it."""
    first, control, candidate = judge_arms(desk, frozen, [champion], trained, split="test", step="compare")
    return Comparison(
        champion=first[0], control=control, candidate=candidate, test_photos=photos_digest(frozen, "test")
    )


def reach_decision(desk: Desk, frozen: Frozen, comparison: Comparison) -> Decision:
    """Decide by the paired photo bootstrap on test."""
    return decide.decide(
        champion=_on_test(frozen, comparison.champion),
        control=[_on_test(frozen, each) for each in comparison.control],
        candidate=[_on_test(frozen, each) for each in comparison.candidate],
        classes=frozen.image_set.classes,
        settings=desk.config.decide,
        openings=openings_of(desk.ledger, comparison.test_photos),
        rng=np.random.default_rng(0),
    )


def _on_test(frozen: Frozen, evaluation: Evaluation) -> Contender:
    judged = load_judged(frozen, evaluation)
    curves = prepare(
        judged.predictions,
        judged.labels,
        judged.matches,
        image_rows=frozen.images.rows_of("test"),
        class_count=len(frozen.image_set.classes),
    )
    return Contender(evaluation, curves)


def openings_of(ledger: Ledger, test_photos: str) -> int:
    """Count how often these test photos have been opened: in every round, and in steps that were moved aside."""
    paths = (ledger.root / "rounds").glob("*/**/compare.json")
    opened = [json.loads(path.read_text(encoding="utf-8"))["record"]["test_photos"] for path in paths]
    return opened.count(test_photos)


def photos_digest(frozen: Frozen, split: Split) -> str:
    """Give the digest of the ids of a split's photos."""
    return digest_of(sorted(frozen.images.id[frozen.images.rows_of(split)].tolist()))
