"""Measure the objects of a round, test slices of them, ask the language model, and test what it proposes, too."""

from collections.abc import Sequence

import numpy as np

from curation.analyst import Asks, Lens, consult, first_question
from curation.consultation import Consultation, Consulted
from curation.desk import Board, Desk, Frozen
from curation.diagnose import ErrorTable
from curation.findings import find
from curation.halves import objects_to_show
from curation.hypotheses import Proposal
from curation.judging import Studied, load_judged, studied_labels
from curation.material import Material
from curation.questions import offer_of
from curation.records import Finding, Findings, Measured, Shortage, Suspects
from curation.reply import HypothesesReply
from curation.shortage import find_shortages, untestable
from curation.step_settings import Interview
from curation.study import Embedded, Study, missed_marks, to_embed
from curation.tagging import TagTable, attribute_columns
from training.matching import match
from training.records import Evaluation, ModelVersion
from training.tables import load_table, save_table


def measure(desk: Desk, frozen: Frozen, champion: ModelVersion, evaluation: Evaluation) -> Measured:
    """Measure how the labelled objects of train and val look, to us and to the detector."""
    images, path = frozen.images, frozen.folder.path
    labels = studied_labels(frozen)
    judged = load_judged(frozen, evaluation)
    missed = judged.labels.id[~judged.errors.label_found]
    rows, sampled = to_embed(labels, images, missed, np.random.default_rng(0))
    (predictions,) = desk.predict([champion], images, images.rows_of("train"), frozen.image_set.classes)
    embedded = Embedded(row=rows, sampled=sampled, vector=desk.embed(champion, images, labels.take(rows)))
    return Measured(
        looks=save_table(path / "measure.looks.npz", desk.look_at(images, labels)),
        embedded=save_table(path / "measure.embedded.npz", embedded),
        predictions=save_table(path / "measure.predictions.npz", predictions),
        matches=save_table(path / "measure.matches.npz", match(predictions, frozen.labels_of("train"))),
    )


def find_weak_slices(desk: Desk, studied: Studied) -> Findings:
    """Set suspected labels aside, test slices of val, find what train lacks, and show all of it in FiftyOne."""
    study, settings = studied.study, desk.config.analyze
    prefix = f"round {studied.frozen.folder.number}"
    tested = _test(desk, studied, study.tested, ())
    shortages = find_shortages(
        study.learned,
        study.tested,
        classes=study.classes,
        train_area=study.learned_areas,
        val_area=study.tested_areas,
        gain=study.gain,
        expected=settings.expected,
        max_q=settings.max_q,
        view_prefix=prefix,
    )
    names = [column.name for column in study.objects.columns]
    notes = (tested.note, *untestable(settings.expected, classes=study.classes, columns=names))
    more = {
        "shortages": shortages,
        "kinds": study.kind_gains,
        "suspects": _keep_suspects(studied.frozen, study, f"{prefix}: suspected labels"),
        "note": "; ".join(note for note in notes if note),
    }
    found = tested.model_copy(update=more)
    _show(desk.board(), studied, found, study.tested)
    return found


def ask(desk: Desk, studied: Studied, findings: Findings, interview: Interview) -> Consulted:
    """Let the language model propose slices, and test them together with all others.

    Raises `LlmUnavailable` and `LlmBudget`; the statistical findings were written before.
    """
    folder = studied.frozen.folder
    chat = desk.chat(folder.number)
    said = consult(
        _lens(desk, studied.study, interview),
        chat,
        seed=0,
        spending=chat.spending,
        save_tags=lambda tags: save_table(folder.path / "consult.tags.npz", tags),
        max_tagged=interview.max_tagged,
    )
    table = with_attributes(studied, said)
    proposals = [Proposal(one.conditions, "llm", one.claim) for one in said.proposals]
    after = _test(desk, studied, table, proposals)
    retested = findings.model_copy(update={"findings": after.findings, "note": after.note or findings.note})
    _show(desk.board(), studied, retested, table)
    return Consulted(consultation=said, findings=retested)


def rehearse(desk: Desk, studied: Studied, interview: Interview, chat: Asks) -> None:
    """Put the first question to somebody who only writes it down; there is none where val is too small to halve."""
    lens = _lens(desk, studied.study, interview)
    if not lens.material.discover.any():
        return
    question = first_question(lens, offer_of(lens.material.table.take(lens.material.discover)), seed=0)
    question.put_to(chat, HypothesesReply)


def _lens(desk: Desk, study: Study, interview: Interview) -> Lens:
    """Give what may be shown: train and the discover half, of which there is none where val is too small to halve."""
    material = Material(
        classes=study.classes,
        table=study.tested,
        discover=objects_to_show(study.tested, study.images.id),
        images=study.images,
        labels=study.labels,
        predictions=study.val.predictions,
        blur_classes=interview.blur_classes,
    )
    return Lens(material, lambda row: desk.read_photo(study.images, row), desk.encode_jpeg)


def _test(desk: Desk, studied: Studied, table: ErrorTable, proposals: Sequence[Proposal]) -> Findings:
    study = studied.study
    return find(
        table,
        photo_ids=study.images.id,
        classes=study.classes,
        areas=study.tested_areas,
        gain=study.gain,
        min_effect=desk.config.analyze.min_effect,
        max_q=desk.config.analyze.max_q,
        proposals=proposals,
        view_prefix=f"round {studied.frozen.folder.number}",
    )


def with_attributes(studied: Studied, said: Consultation) -> ErrorTable:
    """Give the tested objects with a column for each attribute that the language model tagged."""
    table = studied.study.tested
    if said.tags is None:
        return table
    tags = load_table(studied.frozen.folder.path / said.tags.name, TagTable, said.tags)
    return table.with_columns(attribute_columns(said.attributes, tags, table.id))


def _keep_suspects(frozen: Frozen, study: Study, view: str) -> Suspects | None:
    """Keep the table of suspected label errors; None where nothing is suspected."""
    if not len(study.all_suspects):
        return None
    kept = save_table(frozen.folder.path / "analyze.suspects.npz", study.all_suspects)
    return Suspects.model_validate({"table": kept, "counts": study.suspect_counts, "view": view})


def _show(board: Board, studied: Studied, found: Findings, table: ErrorTable) -> None:
    """Mark val's labels with the findings that they are missed in, and save a view of each that people should see."""
    study, key = studied.study, f"round_{studied.frozen.folder.number:03d}_findings"
    seen: list[Finding | Shortage] = [*(each for each in found.findings if each.is_shown), *found.shortages]
    board.mark_labels(key, study.images, study.val.labels, missed_marks(table, seen))
    for each in seen:
        status = each.status if isinstance(each, Finding) else "rare in train"
        board.save_view(each.view, marked=(key, each.finding_id), description=f"{status}: {each.words}")
    if found.suspects:
        ids = study.suspected_photo_ids
        board.save_view(found.suspects.view, photo_ids=ids, description="labels that are probably wrong")
