"""The second half of a round: what was accepted is learned from, judged, and decided on."""

from curation import arms, credit, power, steps
from curation.consultation import Consulted
from curation.decide import foregone, nothing_to_try
from curation.desk import Desk, Frozen, findings_of
from curation.journal import read_journal
from curation.judging import Studied, photos_of_classes, power_on_test
from curation.pool import gather_pool, reviews_before
from curation.records import Batch, Briefs, Comparison, Decision, Payoffs, Plan, Pool, Review, TrainedArms
from training.records import ModelVersion, TrainingMix


def close_early(
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
    closed = foregone(photos_of_classes(frozen, "test"), champion.model_id, openings, rules)
    if closed is None:
        return False
    once("decide", Decision, lambda: closed, frozen.image_set, champion, decide=rules)
    return True


def learn(desk: Desk, studied: Studied, champion: ModelVersion, briefs: Briefs, batch: Batch, reviewed: Review) -> None:
    """Train the arms, compare them with the champion on test, and decide; or say why there is nothing to try."""
    frozen = studied.frozen
    once, config, images = frozen.folder.once, desk.config, frozen.image_set
    earlier = reviews_before(desk.ledger, frozen.folder.number)
    pool = once(
        "pool", Pool, lambda: gather_pool(desk.ledger, frozen, read_journal(desk.ledger.root)), images, *earlier
    )
    findings = findings_of(frozen.folder)
    assert findings is not None
    mixed = once(
        "mix",
        TrainingMix,
        lambda: arms.make_mix(desk, frozen, findings, briefs, pool, batch, reviewed),
        images,
        *([findings] if config.training.skip_suspect else []),
        briefs,
        pool,
        batch,
        reviewed,
        mix=config.mix,
        training=desk.arms,
    )
    if not mixed.new_count:
        reason = "mix.max_synthetic_share leaves no room for a picture"
        openings = steps.openings_of(desk.ledger, steps.photos_digest(frozen, "test"))
        once("decide", Decision, lambda: nothing_to_try(reason, champion.model_id, openings), mixed, champion)
        return
    if not frozen.folder.finished("train"):
        desk.warn(power.words(power_on_test(frozen, studied.evaluation, config.decide.min_photos)))
    trained = once(
        "train",
        TrainedArms,
        lambda: arms.train_arms(desk, frozen, pool, batch, reviewed, mixed, champion),
        images,
        pool,
        batch,
        reviewed,
        mixed,
        champion,
    )
    once(
        "payoff",
        Payoffs,
        lambda: credit.pay_off(desk, studied, findings, pool, batch, mixed, trained),
        images,
        studied.evaluation,
        studied.measured,
        findings,
        *([said] if (said := frozen.folder.read("consult", Consulted)) else []),
        *credit.compared_with(desk.ledger, frozen.folder.number),
        pool,
        batch,
        mixed,
        trained,
        evaluate=config.evaluate,
        training=desk.sight,
    )
    comparison = once(
        "compare",
        Comparison,
        lambda: steps.compare(desk, frozen, champion, trained),
        images,
        champion,
        trained,
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
