"""One round, read from top to bottom."""

from typing import Literal

from curation import analysis, arms, steps
from curation.analyst import Asks
from curation.consultation import Consulted
from curation.decide import foregone, nothing_to_try
from curation.desk import Desk, Frozen, Interview, findings_of
from curation.judging import Studied
from curation.ledger import RoundFolder
from curation.records import Batch, Briefs, Comparison, Decision, Findings, Measured, Plan, Review
from generation.card import CapabilityCard
from training.errors import Waiting
from training.records import Evaluation, ImageSet, ModelVersion, TrainingMix

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
    briefs = once(
        "brief",
        Briefs,
        lambda: steps.write_briefs(desk, studied, findings, said, card),
        images,
        findings,
        measured,
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
        raise Waiting(f"{batch.made} pictures wait for a review", hint="curate review --auto")
    reviewed = once("review", Review, lambda: steps.review(desk, frozen, batch), batch, review=config.review)
    if until == "review":
        return folder

    if not _close_early(desk, frozen, champion, briefs, planned, batch, reviewed):
        _learn(desk, frozen, champion, briefs, batch, reviewed)
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


def _close_early(
    desk: Desk,
    frozen: Frozen,
    champion: ModelVersion,
    briefs: Briefs,
    planned: Plan,
    batch: Batch,
    reviewed: Review,
) -> bool:
    """Decide at once where there is nothing to try, or no model could change the verdict; say whether that is so."""
    once, rules = frozen.folder.once, desk.config.decide
    openings = steps.openings_of(desk.ledger, steps.photos_digest(frozen, "test"))
    if reason := _nothing_to_try(briefs, planned, batch, reviewed):
        once("decide", Decision, lambda: nothing_to_try(reason, champion.model_id, openings), briefs, batch, reviewed)
        return True
    if frozen.folder.finished("compare"):  # the look at test that this round needs is among the openings
        return False
    closed = foregone(steps.photos_of_classes(frozen, "test"), champion.model_id, openings, rules)
    if closed is None:
        return False
    once("decide", Decision, lambda: closed, frozen.image_set, champion, decide=rules)
    return True


def _learn(desk: Desk, frozen: Frozen, champion: ModelVersion, briefs: Briefs, batch: Batch, reviewed: Review) -> None:
    """Train the arms, compare them with the champion on test, and decide; or say why there is nothing to try."""
    once, config, images = frozen.folder.once, desk.config, frozen.image_set
    mixed = once(
        "mix",
        TrainingMix,
        lambda: arms.make_mix(desk, frozen, briefs, batch, reviewed),
        images,
        briefs,
        batch,
        reviewed,
        mix=config.mix,
        training=desk.fine_tuning,
    )
    if not mixed.candidate.synthetic_count:
        reason = "mix.max_synthetic_share leaves no room for a picture"
        openings = steps.openings_of(desk.ledger, steps.photos_digest(frozen, "test"))
        once("decide", Decision, lambda: nothing_to_try(reason, champion.model_id, openings), mixed, champion)
        return
    control = once(
        "control",
        ModelVersion,
        lambda: arms.train_arm(desk, frozen, batch, mixed, champion, "control"),
        images,
        batch,
        mixed,
        champion,
    )
    candidate = once(
        "candidate",
        ModelVersion,
        lambda: arms.train_arm(desk, frozen, batch, mixed, champion, "candidate"),
        images,
        batch,
        mixed,
        champion,
    )
    models = {"champion": champion, "control": control, "candidate": candidate}
    comparison = once(
        "compare",
        Comparison,
        lambda: steps.compare(desk, frozen, models),
        images,
        champion,
        control,
        candidate,
        evaluate=config.evaluate,
        training=desk.sight,
    )
    once("decide", Decision, lambda: steps.reach_decision(desk, frozen, comparison), comparison, decide=config.decide)


def _nothing_to_try(briefs: Briefs, planned: Plan, batch: Batch, reviewed: Review) -> str:
    """Say why no picture can be learned from, empty where one can."""
    if reviewed.accepted:
        return ""
    if not planned.count:
        return briefs.note or "no train photo has room for what the findings ask for"
    return f"none of {batch.made} pictures was accepted, {batch.failed} could not be made"


def play_rounds(desk: Desk, until_round: int) -> RoundFolder:
    """Finish rounds up to a number; stop early where nothing could be tried, since the next would find the same."""
    folder = desk.ledger.rounds()[-1] if desk.ledger.rounds() else None
    while folder is None or folder.number < until_round or not folder.finished("decide"):
        folder = play(desk, "decide", may_review=not desk.config.run.wait_for_review)
        decision = folder.read("decide", Decision)
        if decision is None or decision.better is None:
            break
    return folder


def _champion_so_far(desk: Desk) -> ModelVersion | None:
    """Give the champion after the last decision, else the model that was brought."""
    decisions = desk.ledger.decisions()
    return desk.registry.get(decisions[-1].champion) if decisions else desk.first
