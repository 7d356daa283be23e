"""People's part of a round: what they look at, what they decided, and what that teaches about the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from curation import disputed
from curation.decisions import Journal, take_over
from curation.desk import Desk, Frozen, findings_of
from curation.journal import read_journal, write_journal
from curation.ledger import RoundFolder
from curation.precision import about_what_was_made, agreement, label_precision, stopped_findings
from curation.queue import RANDOM_EVERY, Queue, draw_of, queue_of
from curation.records import Batch, Finding, PersonSaid, Plan, Review, Shortage, Sitting, Taught
from curation.redecide import teach
from curation.refit import Refit, doubts_by
from curation.stories import stories_of
from curation.wording import count_text
from generation.auto_review import judge_by_rule
from generation.records import GENERATION_REQUEST, GenerationRequest, SyntheticImage, Verdict
from training.boxes import BoxTable
from training.errors import UsageError
from training.records import ModelVersion

MAX_NAMED = 5
"""Pictures that are named in a sentence."""


@dataclass(frozen=True)
class Made:
    """The pictures of a round, and what the program itself says of them."""

    number: int
    pictures: tuple[SyntheticImage, ...]
    requests: Mapping[str, GenerationRequest]
    ruled: Mapping[str, Verdict]
    """The rule's verdicts by request id."""
    disputed: tuple[str, ...]
    """Request ids of those in which the judge sees what the champion does not find."""

    @property
    def at_random(self) -> frozenset[str]:
        """Give the request ids of those that are drawn at random, whoever decides on them and when."""
        ids = (picture.request_id for picture in self.pictures)
        return frozenset(each for each in ids if draw_of(each, self.number) < 1 / RANDOM_EVERY)

    @property
    def backgrounds(self) -> dict[str, str]:
        """Give the photo that each picture was made on."""
        return {key: request.background_id for key, request in self.requests.items()}


@dataclass(frozen=True)
class ToReview:
    """What people look at, the most telling first, and what they are told about each picture."""

    made: Made
    queue: Queue
    stories: Mapping[str, str]
    """Markdown by request id."""


def made_in(desk: Desk, folder: RoundFolder) -> Made:
    """Give the pictures of a round; raises `UsageError` where it has none."""
    batch = folder.read("generate", Batch)
    if batch is None or not batch.made:
        raise UsageError(f"round {folder.number} has no pictures to review", hint="curate generate")
    return _made(desk, folder, batch)


def _made(desk: Desk, folder: RoundFolder, batch: Batch) -> Made:
    pictures = folder.load_lines(batch.pictures, SyntheticImage)
    return Made(
        number=folder.number,
        pictures=pictures,
        requests={one.request_id: one for one in _requests(folder)},
        ruled={each.request_id: each for each in judge_by_rule(pictures, settings=desk.config.review)},
        disputed=batch.disputed,
    )


def _requests(folder: RoundFolder) -> Sequence[GenerationRequest]:
    planned = folder.read("plan", Plan)
    return folder.load_lines(planned.requests, GENERATION_REQUEST) if planned else ()


def to_review(desk: Desk, frozen: Frozen, champion: ModelVersion) -> ToReview:
    """Give what people may review of a round."""
    made, found = made_in(desk, frozen.folder), findings_of(frozen.folder)
    said = _about(made, _collect_again(desk, made.pictures))
    named: list[Finding | Shortage] = [*found.findings, *found.shortages] if found else []
    return ToReview(
        made=made,
        queue=_queue(desk, made, said),
        stories=stories_of(
            made.pictures,
            words={each.finding_id: each.words for each in named},
            requests=made.requests,
            verdicts=made.ruled,
            seen=_seen_by(desk, frozen, champion, made.pictures),
            classes=frozen.image_set.classes,
        ),
    )


def collect(desk: Desk, pictures: Sequence[SyntheticImage]) -> Journal:
    """Copy what people decided and corrected into the workspace's journal, newer over older, and give all of it."""
    found = desk.board().collect(pictures)
    if found.tagged_both_ways:
        desk.warn(_both_ways_text(found.tagged_both_ways))
    journal = take_over(read_journal(desk.ledger.root), found, pictures)
    write_journal(desk.ledger.root, journal)
    return journal


def _collect_again(desk: Desk, pictures: Sequence[SyntheticImage]) -> Journal:
    """Collect from a database that may have been made anew: pictures that it lacks come back as people left them."""
    desk.board().publish_pictures(pictures, read_journal(desk.ledger.root))
    return collect(desk, pictures)


def _both_ways_text(request_ids: Sequence[str]) -> str:
    named = ", ".join(request_ids[:MAX_NAMED]) + (" and more" if len(request_ids) > MAX_NAMED else "")
    count = count_text(len(request_ids), "picture")
    return f"{count} tagged both accepted and rejected, where the later tag counts: {named}"


def sitting_of(desk: Desk, made: Made, journal: Journal) -> tuple[Sitting, tuple[Verdict, ...]]:
    """Say what people have said so far, and give the verdicts that the rest gets by it, people's own not among them."""
    verdicts, taught = tuple(made.ruled.values()), None
    said, at_random = _about(made, journal), made.at_random
    of_made = about_what_was_made(said, journal.boxes.keys())
    if said:
        verdicts, taught, _ = _taught(desk, made, of_made)
    return Sitting(
        pictures=len(made.pictures),
        said=tuple(said[key] for key in sorted(said)),
        corrected=sum(picture.request_id in journal.boxes for picture in made.pictures),
        precision=label_precision(made.pictures, made.ruled, of_made, at_random=at_random),
        agreement=agreement(said),
        taught=taught,
        stopped=stopped_findings(made.pictures, made.ruled, of_made, at_random=at_random),
    ), verdicts


def review(desk: Desk, frozen: Frozen, batch: Batch) -> Review:
    """Decide on every picture: as somebody has, else as people's decisions teach, else by the rule."""
    folder = frozen.folder
    if not batch.made:
        return _reviewed(folder, batch, (), Journal(said={}, boxes={}), None)
    made = _made(desk, folder, batch)
    journal = _collect_again(desk, made.pictures)
    sitting, taught = sitting_of(desk, made, journal)
    verdicts = [_override(verdict, journal.said) for verdict in taught]
    desk.board().publish_verdicts(verdicts)
    return _reviewed(folder, batch, verdicts, journal, sitting if sitting.said else None)


def _reviewed(
    folder: RoundFolder, batch: Batch, verdicts: Sequence[Verdict], journal: Journal, sitting: Sitting | None
) -> Review:
    pictures = folder.load_lines(batch.pictures, SyntheticImage)
    corrected = [journal.correct(picture) for picture in pictures if picture.request_id in journal.boxes]
    reasons = [_kind_of(verdict.reason) for verdict in verdicts if not verdict.accepted]
    by_hand = {key: said.accepted for key, said in journal.said.items()}
    return Review(
        verdicts=folder.save_lines("review.verdicts.jsonl", verdicts),
        accepted=len(verdicts) - len(reasons),
        rejected=len(reasons),
        reasons={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        disputed=disputed.count_disputed(batch.disputed, by_hand) if batch.disputed else None,
        corrected=folder.save_lines("review.corrected.jsonl", corrected) if corrected else None,
        sitting=sitting,
    )


def pictures_as_left(folder: RoundFolder, batch: Batch, reviewed: Review) -> tuple[SyntheticImage, ...]:
    """Give the pictures of a batch in its order, with the boxes that people left on them."""
    pictures = folder.load_lines(batch.pictures, SyntheticImage)
    if reviewed.corrected is None:
        return pictures
    corrected = {each.request_id: each for each in folder.load_lines(reviewed.corrected, SyntheticImage)}
    return tuple(corrected.get(picture.request_id, picture) for picture in pictures)


def _about(made: Made, journal: Journal) -> dict[str, PersonSaid]:
    """Give what people said of the pictures of a round."""
    ids = {picture.request_id for picture in made.pictures}
    return {key: said for key, said in journal.said.items() if key in ids}


def _taught(desk: Desk, made: Made, said: Mapping[str, PersonSaid]) -> tuple[tuple[Verdict, ...], Taught, Refit]:
    return teach(
        made.pictures,
        made.ruled,
        said,
        settings=desk.config.review,
        at_random=made.at_random,
        backgrounds=made.backgrounds,
        rng=np.random.default_rng(made.number),
    )


def _queue(desk: Desk, made: Made, said: Mapping[str, PersonSaid]) -> Queue:
    doubt = doubts_by(_taught(desk, made, said)[2], made.pictures) if said else None
    return queue_of(
        made.pictures,
        made.ruled,
        said,
        settings=desk.config.review,
        doubt=doubt,
        disputed=made.disputed,
        seed=made.number,
    )


def _seen_by(desk: Desk, frozen: Frozen, champion: ModelVersion, pictures: Sequence[SyntheticImage]) -> BoxTable:
    """Give what a model predicts on pictures at the operating point."""
    classes = frozen.image_set.classes
    images, _ = disputed.tables_of(pictures, classes)
    (predictions,) = desk.predict([champion], images, np.arange(len(images)), classes)
    return predictions.take(predictions.score >= desk.config.evaluate.min_score)


def _kind_of(reason: str) -> str:
    """Give a reason without the picture that it names, for counting."""
    return "near-duplicate" if reason.startswith("near-duplicate") else reason


def _override(verdict: Verdict, said: Mapping[str, PersonSaid]) -> Verdict:
    found = said.get(verdict.request_id)
    if found is None:
        return verdict
    reason = "" if found.accepted else found.reason or "by hand"
    return Verdict(request_id=verdict.request_id, accepted=found.accepted, reason=reason, reviewer=found.reviewer)
