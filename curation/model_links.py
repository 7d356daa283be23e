"""What is told of arms, models and what was measured with them, when somebody asks where a thing came from."""

from collections.abc import Collection

from curation.history import History, Played
from curation.links import Fact, Link, LinkKind, bounds, link
from training.records import Evaluation, ModelVersion


def learned_links(history: History, picture_ids: Collection[str], finding_ids: Collection[str] = ()) -> list[Link]:
    """Give the arms that showed some pictures, the models of these arms, and what was measured with them.

    What a round measured is told where the candidate saw a picture that the control did not see.
    """
    return [each for played in history.rounds for each in _learned(played, picture_ids, finding_ids)]


def _learned(played: Played, picture_ids: Collection[str], finding_ids: Collection[str]) -> list[Link]:
    links: list[Link] = []
    seen: dict[str, set[str]] = {}
    for name, shown in played.lists.items():
        files = [file for file in shown.files if file.picture_id in picture_ids]
        seen[name] = {file.picture_id for file in files}
        if not files:
            continue
        times, length = sum(file.times for file in files), sum(file.times for file in shown.files)
        digest = [shown.arm.fingerprint()] if shown.arm else []
        links.append(link("arm", played, digest, arm=name, pictures=len(files), times=times, length=length))
        if models := played.trained.get(name) or _first(played, name):
            ids = [model.model_id for model in models]
            links.append(link("model", played, ids, origin=name, models=len(ids)))
    if seen.get("candidate", set()) - seen.get("control", set()) and finding_ids:
        links += [each for finding_id in finding_ids for each in _payoff_links(played, finding_id)]
        links += _test_links(played) + decision_links(played)
    return links


def _first(played: Played, name: str) -> tuple[ModelVersion, ...]:
    champion = played.champion
    return (champion,) if champion and name == "first" and champion.origin == "first" else ()


def _payoff_links(played: Played, finding_id: str) -> list[Link]:
    paid = played.payoff(finding_id)
    if paid is None:
        return []
    facts: dict[str, Fact] = {"words": paid.words, "champion": paid.champion, "control": paid.control}
    facts |= {"candidate": paid.candidate, "pictures": paid.pictures, "verdict": paid.verdict}
    return [link("recall", played, [finding_id], **facts, **bounds("gain", paid.gain))]


def _test_links(played: Played) -> list[Link]:
    """Give mean AP on test of the three models, of control and candidate those of the first seed."""
    judged = played.comparison
    if judged is None:
        return []
    facts: dict[str, Fact] = {"champion": judged.champion.mean_ap.value, "control": judged.control[0].mean_ap.value}
    nominated = judged.candidate[0]
    return [link("test", played, [nominated.model_id], **facts, **bounds("candidate", nominated.mean_ap))]


def decision_links(played: Played) -> list[Link]:
    """Give how a round ended; nothing while it is open."""
    decided = played.decision
    if decided is None:
        return []
    facts: dict[str, Fact] = {"outcome": decided.outcome, "attributed": decided.attributed}
    facts |= bounds("gain", decided.better.mean_ap) if decided.better else {}
    return [link("decision", played, [decided.champion], **facts)]


def model_link(model: ModelVersion) -> Link:
    """Give a model with its origin."""
    seed = model.settings.seed if model.settings else None
    return Link(
        kind="model", round=model.round or None, ids=(model.model_id,), facts={"origin": model.origin, "seed": seed}
    )


def taught_links(history: History, model: ModelVersion) -> list[Link]:
    """Give the list that a model learned from, and whose pictures are on it; nothing where no round keeps the list."""
    shown = history.taught(model)
    if shown is None:
        return []
    made = {file.picture_id for file in shown.files if file.synthetic}
    facts: dict[str, Fact] = {"arm": model.origin, "photos": len(shown.files) - len(made), "pictures": len(made)}
    facts |= {"length": sum(file.times for file in shown.files)}
    links = [Link(kind="arm", round=model.round, ids=(model.trained_on,) if model.trained_on else (), facts=facts)]
    for played in reversed(history.rounds):
        groups: dict[str, list[str]] = {}
        for request_id in sorted(made & played.requests.keys()):
            groups.setdefault(played.requests[request_id].finding_id, []).append(request_id)
        for finding_id, ids in groups.items():
            found = played.finding(finding_id)
            words = found.words if found else finding_id
            links.append(link("pictures", played, ids, taught=len(ids), words=words, finding_id=finding_id))
    return links


def children_links(history: History, model_id: str) -> list[Link]:
    """Give the models that training made of one, by round and arm."""
    children = [each for each in history.models.values() if each.parent == model_id]
    groups: dict[tuple[int, str], list[str]] = {}
    for each in children:
        groups.setdefault((each.round, each.origin), []).append(each.model_id)
    return [
        Link(kind="model", round=number, ids=tuple(ids), facts={"origin": origin, "models": len(ids)})
        for (number, origin), ids in sorted(groups.items(), reverse=True)
    ]


def judged_links(played: Played, model_id: str) -> list[Link]:
    """Give what a round measured of a model on val and on test, and what became of it."""
    val, test = played.evaluation, played.comparison
    on_val = [val] if val and val.model_id == model_id else []
    on_test = (
        [each for each in (test.champion, *test.control, *test.candidate) if each.model_id == model_id] if test else []
    )
    links = [_score_link(played, each) for each in [*on_val, *on_test]]
    roles = [role for role, each in played.decision.models.items() if each == model_id] if played.decision else []
    decided = decision_links(played) if roles else []
    return links + [each.model_copy(update={"facts": each.facts | {"role": roles[0]}}) for each in decided]


def _score_link(played: Played, judged: Evaluation) -> Link:
    kind: LinkKind = "val" if judged.split == "val" else "test"
    return link(kind, played, [judged.model_id], **bounds("mean_ap", judged.mean_ap))
