"""One round, read from top to bottom."""

from typing import Literal

from curation import analysis, arms, credit, learning, reviewing, selecting, steps
from curation.analyst import Asks
from curation.champion import base_of
from curation.consultation import Consulted
from curation.desk import Desk, Frozen, findings_of
from curation.journal import known_edits
from curation.judging import Studied
from curation.ledger import RoundFolder
from curation.pool import reviews_before
from curation.records import Batch, Briefs, Decision, Findings, Measured, Plan, Review
from curation.step_settings import Interview
from curation.stopping import PlayedRound, Stop, why_stop
from generation.card import CapabilityCard
from training.errors import Waiting
from training.records import Evaluation, ImageSet, ModelVersion

Until = Literal["evaluate", "measure", "analyze", "generate", "review", "decide"]


def play(desk: Desk, until: Until, *, may_review: bool) -> RoundFolder:
    """Do what is not done yet of the open round, up to and including a step.

    Raises `Waiting` where pictures wait for a review and `may_review` does not allow the rule to decide on them.
    """
    folder = desk.ledger.open_round()
    once, config = folder.once, desk.config

    images = once("freeze", ImageSet, lambda: steps.freeze(desk, folder))
    frozen = Frozen(images, folder)
    base = _champion_so_far(desk)
    bases = () if base is None else (base,)
    champion = once(
        "champion",
        ModelVersion,
        lambda: arms.start(desk, frozen, base),
        images,
        *bases,
        **arms.settings_of_start(desk, images, base),
    )
    evaluation = once(
        "evaluate",
        Evaluation,
        lambda: steps.judge_on_val(desk, frozen, champion),
        images,
        champion,
        evaluate=config.evaluate,
        training=desk.sight,
    )
    if until == "evaluate":
        return folder

    measured = once(
        "measure",
        Measured,
        lambda: analysis.measure(desk, frozen, champion, evaluation),
        images,
        champion,
        evaluation,
        training=desk.sight,
    )
    if until == "measure":
        return folder
    studied = Studied(frozen, evaluation, measured, config.analyze.expected_columns)
    findings = once(
        "analyze",
        Findings,
        lambda: analysis.find_weak_slices(desk, studied),
        images,
        evaluation,
        measured,
        analyze=config.analyze,
    )
    findings = _consult(desk, studied, findings)
    wish = config.generate
    said, card = folder.read("consult", Consulted), _card(desk, frozen)
    paid, edits = credit.payoffs_before(desk.ledger, folder.number), known_edits(desk.ledger.root, folder.number)
    stopping = [each for each in reviews_before(desk.ledger, folder.number) if each.sitting and each.sitting.stopped]
    briefs = once(
        "brief",
        Briefs,
        lambda: steps.write_briefs(desk, studied, findings, said, card, paid, stopping, edits),
        images,
        findings,
        measured,
        *stopping,
        *([edits] if edits.edits else []),
        *paid.values(),
        *(record for record in (said, card) if record is not None),
        generate=wish,
        **desk.drawing_settings(needed=config.generator.backend != "paste"),
    )
    if until == "analyze":
        return folder

    planned = once(
        "plan",
        Plan,
        lambda: steps.plan(desk, frozen, briefs),
        images,
        briefs,
        generate=wish,
        **desk.drawing_settings(needed=any(brief.backend not in (None, "paste") for brief in briefs.briefs)),
    )
    batch = once(
        "generate",
        Batch,
        lambda: steps.generate(desk, frozen, planned, champion),
        images,
        planned,
        champion,
        evaluate=config.evaluate,
        training=desk.sight,
    )
    if until == "generate":
        return folder

    if batch.made and not may_review and not folder.finished("review"):
        raise Waiting(
            f"{batch.made} pictures wait for a review", hint="curate review, or without a person: curate review --auto"
        )
    reviewed = once("review", Review, lambda: reviewing.review(desk, frozen, batch), batch, review=config.review)
    if until == "review":
        return folder

    if not learning.close_early(desk, frozen, champion, briefs, planned, batch, reviewed):
        learning.learn(desk, studied, champion, briefs, batch, reviewed)
    return folder


def _card(desk: Desk, frozen: Frozen) -> CapabilityCard | None:
    """Find out what the generator can draw, where it draws whole pictures and a judge looks at them.

    Never after the briefs are finished: other settings are then refused by that step, before anything is painted.
    """
    folder, config = frozen.folder, desk.config
    is_needed = config.generator.backend == "gligen" and config.verify.backend != "none"
    if not is_needed or (folder.finished("brief") and not folder.finished("card")):
        return None
    return folder.once(
        "card",
        CapabilityCard,
        lambda: desk.card(frozen.priors, desk.drawing.digest),
        frozen.image_set,
        **desk.drawing_settings(needed=True),
    )


def _consult(desk: Desk, studied: Studied, findings: Findings) -> Findings:
    """Let the language model propose, where it may be asked and nothing was decided on without it; test all again."""
    folder = studied.frozen.folder
    if desk.interview is None or folder.finished("brief"):
        return findings_of(folder) or findings
    interview = desk.interview
    consulted = folder.once(
        "consult",
        Consulted,
        lambda: analysis.ask(desk, studied, findings, interview),
        studied.frozen.image_set,
        studied.measured,
        findings,
        analyze=desk.config.analyze,
        llm=interview,
    )
    return consulted.findings


def rehearse(desk: Desk, interview: Interview, chat: Asks) -> None:
    """Put what the language model would be asked first in the open round to somebody who only writes it down."""
    folder = play(desk, "measure", may_review=False)
    images, evaluation = folder.read("freeze", ImageSet), folder.read("evaluate", Evaluation)
    measured = folder.read("measure", Measured)
    assert images is not None
    assert evaluation is not None
    assert measured is not None
    analysis.rehearse(
        desk,
        Studied(Frozen(images, folder), evaluation, measured, desk.config.analyze.expected_columns),
        interview,
        chat,
    )


def play_rounds(desk: Desk, until_round: int) -> tuple[RoundFolder, Stop | None]:
    """Finish rounds up to a number, or until `stopping.why_stop` says that the next would be in vain."""
    stop, folder = None, desk.ledger.rounds()[-1] if desk.ledger.rounds() else None
    if folder is not None and folder.finished("decide"):  # a run that was killed may have selected nothing yet
        selecting.choose_after(desk, folder.number)
    while stop is None and (folder is None or folder.number < until_round or not folder.finished("decide")):
        folder = play(desk, "decide", may_review=not desk.config.run.wait_for_review)
        selecting.choose_after(desk, folder.number)
        stop = why_stop(
            [played for each in desk.ledger.rounds() if (played := _played(each))],
            max_without_promotion=desk.config.run.max_rounds_without_promotion,
            min_test_photos=desk.config.decide.min_photos,
        )
    assert folder is not None
    return folder, stop


def _played(folder: RoundFolder) -> PlayedRound | None:
    images, findings = folder.read("freeze", ImageSet), findings_of(folder)
    briefs, decision = folder.read("brief", Briefs), folder.read("decide", Decision)
    if images is None or findings is None or briefs is None or decision is None:
        return None
    return PlayedRound(folder.number, images.fingerprint(), findings, briefs, decision)


def _champion_so_far(desk: Desk) -> ModelVersion | None:
    """Give the champion after the last decision, or one that a person chose since; else the model that was brought."""
    model_id = base_of(desk.ledger)
    return desk.registry.get(model_id) if model_id else desk.first
