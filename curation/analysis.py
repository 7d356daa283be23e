"""Measure the objects of a round, test slices of them, ask the language model, and test what it proposes, too."""

from collections.abc import Sequence

import numpy as np

from curation.analyst import Asks, Lens, consult, first_question
from curation.clusters import crops_to_embed
from curation.consultation import Consultation, Consulted, HypothesesReply
from curation.desk import Board, Desk, Frozen, Interview
from curation.diagnose import ErrorTable
from curation.findings import find
from curation.halves import halves, too_small_to_halve
from curation.hypotheses import Proposal
from curation.judging import Studied, load_judged, studied_labels
from curation.material import Material
from curation.questions import offer_of
from curation.records import Finding, Findings, KindGain, Measured, Shortage, Suspects
from curation.shortage import find_shortages, mask_of, untestable
from curation.study import Embedded, Study
from curation.tagging import TagTable, attribute_columns
from training.matching import match
from training.records import ERROR_KINDS, Evaluation, ModelVersion
from training.suspects import SuspectTable
from training.tables import load_table, save_table


def measure(desk: Desk, frozen: Frozen, champion: ModelVersion, evaluation: Evaluation) -> Measured:
    """Measure how the labelled objects of train and val look, to us and to the detector."""
    images, path = frozen.images, frozen.folder.path
    labels = studied_labels(frozen)
    judged = load_judged(frozen, evaluation)
    rows = crops_to_embed(
        np.isin(labels.id, judged.labels.id[~judged.errors.label_found]), rng=np.random.default_rng(0)
    )
    (predictions,) = desk.predict([champion], images, images.rows_of("train"), frozen.image_set.classes)
    embedded = Embedded(row=rows, vector=desk.embed(champion, images, labels.take(rows)))
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
        "kinds": _kinds(study),
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
    table = _with_attributes(studied, said)
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
    split = halves(study.images.id)
    discover = split.in_discover(study.tested) & (not too_small_to_halve(study.tested, split))
    material = Material(
        classes=study.classes,
        table=study.tested,
        discover=discover,
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


def _with_attributes(studied: Studied, said: Consultation) -> ErrorTable:
    """Give the tested objects with a column for each attribute that the language model tagged."""
    table = studied.study.tested
    if said.tags is None:
        return table
    tags = load_table(studied.frozen.folder.path / said.tags.name, TagTable, said.tags)
    return table.with_columns(attribute_columns(said.attributes, tags, table.id))


def _kinds(study: Study) -> tuple[KindGain, ...]:
    """Give the kinds of error by what mending them would return: over all classes, then by class."""
    gains = study.kinds
    overall = zip(ERROR_KINDS, gains.count.sum(axis=1).tolist(), gains.mean_gain.tolist(), strict=True)
    found = [KindGain(kind=kind, label=None, count=count, ap_gain=gain) for kind, count, gain in overall]
    for number, label in enumerate(study.classes):
        by_kind = zip(
            ERROR_KINDS, gains.count[:, number].tolist(), np.nan_to_num(gains.gain[:, number]).tolist(), strict=True
        )
        found += [KindGain(kind=kind, label=label, count=n, ap_gain=gain) for kind, n, gain in by_kind if n]
    return tuple(sorted(found, key=lambda each: (each.label is not None, -each.ap_gain)))


def _keep_suspects(frozen: Frozen, study: Study, view: str) -> Suspects | None:
    """Keep the table of suspected label errors; None where nothing is suspected."""
    tables = study.suspects
    counts = {split: {kind: n for kind, n in table.counts().items() if n} for split, table in tables.items()}
    if not any(counts.values()):
        return None
    columns = {name: np.concatenate([getattr(each, name) for each in tables.values()]) for name in vars(tables["val"])}
    kept = save_table(frozen.folder.path / "analyze.suspects.npz", SuspectTable(**columns))
    return Suspects.model_validate({"table": kept, "counts": counts, "view": view})


def _show(board: Board, studied: Studied, found: Findings, table: ErrorTable) -> None:
    """Mark val's labels with the findings that they are missed in, and save a view of each that people should see."""
    study, key = studied.study, f"round_{studied.frozen.folder.number:03d}_findings"
    seen: list[Finding | Shortage] = [*(each for each in found.findings if each.is_shown), *found.shortages]
    marks: dict[str, list[str]] = {}
    for each in seen:
        for label_id in table.id[mask_of(table, each.conditions) & ~table.found].tolist():
            marks.setdefault(label_id, []).append(each.finding_id)
    board.mark_labels(key, study.images, study.val.labels, marks)
    for each in seen:
        status = each.status if isinstance(each, Finding) else "rare in train"
        board.save_view(each.view, marked=(key, each.finding_id), description=f"{status}: {each.words}")
    if found.suspects:
        rows = np.unique(np.concatenate([suspects.image for suspects in study.suspects.values()]))
        ids = study.images.id[rows].tolist()
        board.save_view(found.suspects.view, photo_ids=ids, description="labels that are probably wrong")
