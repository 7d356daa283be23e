"""One round, read from top to bottom."""

from typing import Literal

from curation import arms, steps
from curation.decide import nothing_to_try
from curation.desk import Desk, Frozen
from curation.ledger import RoundFolder
from curation.records import Batch, Briefs, Comparison, Decision, Findings, Plan, Review
from training.errors import Waiting
from training.records import Evaluation, ImageSet, ModelVersion, TrainingMix

Until = Literal["evaluate", "analyze", "generate", "review", "decide"]


def play(desk: Desk, until: Until, *, may_review: bool) -> RoundFolder:
    """Do what is not done yet of the open round, up to and including a step.

    Raises `Waiting` where pictures wait for a review and `may_review` does not allow the rule to decide on them.
    """
    folder = desk.ledger.open_round()
    once, config, profile = folder.once, desk.config, desk.profile

    images = once("freeze", ImageSet, lambda: steps.freeze(desk, folder))
    frozen = Frozen(images, folder)
    base = _champion_so_far(desk)
    bases = () if base is None else (base,)
    champion = once(
        "champion", ModelVersion, lambda: arms.start(desk, frozen, base), images, config.training, profile, *bases
    )
    evaluation = once(
        "evaluate",
        Evaluation,
        lambda: steps.judge_on_val(desk, frozen, champion),
        images,
        champion,
        config.evaluate,
        profile,
    )
    if until == "evaluate":
        return folder

    findings = once(
        "analyze",
        Findings,
        lambda: steps.find_weak_slices(desk, frozen, evaluation),
        images,
        evaluation,
        config.analyze,
    )
    if until == "analyze":
        return folder

    wish = config.generate
    briefs = once("brief", Briefs, lambda: steps.write_briefs(desk, frozen, findings), images, findings, wish)
    planned = once("plan", Plan, lambda: steps.plan(desk, frozen, briefs), images, briefs, wish)
    batch = once("generate", Batch, lambda: steps.generate(desk, frozen, planned), images, planned)
    if until == "generate":
        return folder

    if batch.made and not may_review and not folder.finished("review"):
        raise Waiting(f"{batch.made} pictures wait for a review", hint="curate review --auto")
    reviewed = once("review", Review, lambda: steps.review(desk, frozen, batch), batch, config.review)
    if until == "review":
        return folder

    _learn(desk, frozen, champion, briefs, planned, batch, reviewed)
    return folder


def _learn(
    desk: Desk,
    frozen: Frozen,
    champion: ModelVersion,
    briefs: Briefs,
    planned: Plan,
    batch: Batch,
    reviewed: Review,
) -> None:
    """Train the arms, compare them with the champion on test, and decide; or say why there is nothing to try."""
    folder, config, profile, images = frozen.folder, desk.config, desk.profile, frozen.image_set
    once = folder.once
    openings = steps.openings_of(desk.ledger, steps.photos_digest(frozen, "test"))
    if reason := _nothing_to_try(briefs, planned, batch, reviewed):
        once("decide", Decision, lambda: nothing_to_try(reason, champion.model_id, openings), briefs, batch, reviewed)
        return
    mixed = once(
        "mix",
        TrainingMix,
        lambda: arms.make_mix(desk, frozen, briefs, batch, reviewed),
        images,
        briefs,
        batch,
        reviewed,
        config.mix,
        config.training,
        profile,
    )
    if not mixed.candidate.synthetic_count:
        reason = "mix.max_synthetic_share leaves no room for a picture"
        once("decide", Decision, lambda: nothing_to_try(reason, champion.model_id, openings), mixed, champion)
        return
    control = once(
        "control",
        ModelVersion,
        lambda: arms.train_arm(desk, frozen, mixed, champion, "control"),
        images,
        mixed,
        champion,
    )
    candidate = once(
        "candidate",
        ModelVersion,
        lambda: arms.train_arm(desk, frozen, mixed, champion, "candidate"),
        images,
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
        config.evaluate,
        profile,
    )
    once("decide", Decision, lambda: steps.reach_decision(desk, frozen, comparison), comparison, config.decide)


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
