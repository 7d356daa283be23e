"""The accepted pictures of earlier rounds: what both arms of a round go on learning from."""

from collections import Counter

from curation.decisions import Journal
from curation.desk import Frozen
from curation.ledger import Ledger, RoundFolder
from curation.records import Batch, Plan, Pool, Review
from curation.reviewing import pictures_as_left
from generation.priors import Priors
from generation.records import GENERATION_REQUEST, SyntheticImage, Verdict

REJECTED, OTHER_PHOTOS, OTHER_LABELS = "rejected by hand since", "made from photos not in train", "labels edited since"


def gather_pool(ledger: Ledger, frozen: Frozen, journal: Journal) -> Pool:
    """Give the pictures that earlier rounds accepted and that still hold, the newest round first.

    `journal` is what people say now, later than those rounds have seen. A picture is used no longer where a person
    rejected it since, one of its photos is not in train any more, or their labels were edited.
    """
    kept: list[SyntheticImage] = []
    withdrawn: Counter[str] = Counter()
    for folder in reversed(ledger.rounds()):
        if folder.number < frozen.folder.number:
            for picture, labels_digest in _accepted(folder):
                if reason := _objection(picture, labels_digest, frozen.priors, journal):
                    withdrawn[reason] += 1
                else:
                    kept.append(journal.correct(picture))
    return Pool(
        pictures=frozen.folder.save_lines("pool.pictures.jsonl", kept),
        count=len(kept),
        withdrawn=dict(sorted(withdrawn.items())),
    )


def reviews_before(ledger: Ledger, number: int) -> list[Review]:
    """Give the reviews of the rounds before one, oldest first."""
    found = (folder.read("review", Review) for folder in ledger.rounds() if folder.number < number)
    return [review for review in found if review is not None]


def _accepted(folder: RoundFolder) -> list[tuple[SyntheticImage, str]]:
    """Give a round's accepted pictures, each with the digest of the labels that it was asked for with."""
    planned, batch, review = folder.read("plan", Plan), folder.read("generate", Batch), folder.read("review", Review)
    if planned is None or batch is None or review is None:
        return []
    accepted = {verdict.request_id for verdict in folder.load_lines(review.verdicts, Verdict) if verdict.accepted}
    digests = {one.request_id: one.labels_digest for one in folder.load_lines(planned.requests, GENERATION_REQUEST)}
    pictures = pictures_as_left(folder, batch, review)
    return [(picture, digests[picture.request_id]) for picture in pictures if picture.request_id in accepted]


def _objection(picture: SyntheticImage, labels_digest: str, priors: Priors, journal: Journal) -> str:
    """Say why a picture is used no longer, empty where it is."""
    said = journal.said.get(picture.request_id)
    if said is not None and not said.accepted:
        return REJECTED
    if not set(picture.source_ids) <= priors.photo_rows.keys():
        return OTHER_PHOTOS
    shows_photos = picture.backend != "gligen"  # which draws the whole picture
    rows = [priors.photo_rows[photo_id] for photo_id in picture.source_ids]
    if shows_photos and priors.labels_digest(rows) != labels_digest:
        return OTHER_LABELS
    return ""
