"""All that a round knows of the labelled objects of train and val, joined into tables that slices are made of."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from curation.appearance import Looks
from curation.clusters import Vectors, cluster_column, crops_to_embed, neighbour_labels
from curation.diagnose import Column, ErrorTable
from curation.halves import halves
from curation.measure import label_columns, measured_columns
from curation.records import Finding, KindGain, Shortage
from curation.shortage import mask_of
from training.boxes import Bools, BoxTable, Floats, ImageTable, Ints, Table, Texts, area
from training.fields import Fields
from training.gain import Gains
from training.matching import Errors, Matches
from training.records import ERROR_KINDS
from training.suspects import Neighbours, SuspectTable, find_suspects, labels_to_test, set_aside
from training.tide import KindGains, kind_gains


@dataclass(frozen=True)
class Embedded(Table):
    """The detector's own view of some labelled objects."""

    row: Ints
    """Row of each in the labels of the study."""
    sampled: Bools
    """(m,) drawn without a look at what was found; the others are errors, and count in no share."""
    vector: Vectors
    """(m, d)"""


@dataclass(frozen=True)
class Detected:
    """What a model detected on one split, matched to its labels."""

    labels: BoxTable
    predictions: BoxTable
    matches: Matches
    errors: Errors


@dataclass(frozen=True)
class Study:
    """The labelled objects of train and val, with everything that was measured on them."""

    classes: tuple[str, ...]
    images: ImageTable
    labels: BoxTable
    """Of train and val, in the order of the round's labels; so are those of each split."""
    looks: Looks
    fields: Fields
    embedded: Embedded
    train: Detected
    val: Detected
    wanted: Collection[str] = ()
    """Columns that people expect values of: they stay although val shows one value."""
    kept_ids: Collection[str] = ()
    """What people said is right: labels, and predictions that are no objects. They are suspected no more."""

    @cached_property
    def is_val(self) -> Bools:
        """Say of each object whether it is of val; the others are of train."""
        return np.asarray(self.images.split[self.labels.image] == "val")

    @cached_property
    def suspects(self) -> Mapping[str, SuspectTable]:
        """Give the suspected label errors of each split."""
        label, share = np.full(len(self.labels), -1), np.zeros(len(self.labels))
        rows = self.embedded.row
        label[rows], share[rows] = neighbour_labels(
            self.embedded.vector, self.labels.label[rows], self.labels.image[rows]
        )
        known = Neighbours(label=label, share=share)
        sides = {"train": (self.train, ~self.is_val), "val": (self.val, self.is_val)}
        kept = np.array(sorted(self.kept_ids), np.str_)
        found = {
            split: find_suspects(
                side.predictions,
                side.labels,
                side.errors,
                class_count=len(self.classes),
                neighbours=known.take(mask),
            )
            for split, (side, mask) in sides.items()
        }
        return {split: each.take(~np.isin(each.id, kept)) for split, each in found.items()}

    @cached_property
    def all_suspects(self) -> SuspectTable:
        """Give the suspected label errors of train, then of val, as one table."""
        tables = self.suspects
        return SuspectTable(
            **{name: np.concatenate([getattr(each, name) for each in tables.values()]) for name in vars(tables["val"])}
        )

    @property
    def suspect_counts(self) -> dict[str, dict[str, int]]:
        """Give the number of suspicions by split and kind, without kinds that have none."""
        return {split: {kind: n for kind, n in each.counts().items() if n} for split, each in self.suspects.items()}

    @property
    def suspected_photo_ids(self) -> list[str]:
        """Give the ids of the photos with a suspected label."""
        return [str(photo_id) for photo_id in self.images.id[np.unique(self.all_suspects.image)]]

    @property
    def kind_gains(self) -> tuple[KindGain, ...]:
        """Give the kinds of error by what mending them would return: over all classes, then by class."""
        gains = self.kinds
        overall = zip(ERROR_KINDS, gains.count.sum(axis=1).tolist(), gains.mean_gain.tolist(), strict=True)
        found = [KindGain(kind=kind, label=None, count=count, ap_gain=gain) for kind, count, gain in overall]
        for number, label in enumerate(self.classes):
            of_class = gains.count[:, number].tolist(), np.nan_to_num(gains.gain[:, number]).tolist()
            by_kind = zip(ERROR_KINDS, *of_class, strict=True)
            found += [KindGain(kind=kind, label=label, count=n, ap_gain=gain) for kind, n, gain in by_kind if n]
        return tuple(sorted(found, key=lambda each: (each.label is not None, -each.ap_gain)))

    @cached_property
    def kinds(self) -> KindGains:
        """Give what mending each kind of error on val would return; suspected labels are set aside first."""
        val = self.val
        errors = set_aside(val.errors, self.suspects["val"])
        return kind_gains(val.predictions, val.labels, val.matches, errors, class_count=len(self.classes))

    @cached_property
    def objects(self) -> ErrorTable:
        """Give all objects of both splits, columns coded by what val shows."""
        found = np.zeros(len(self.labels), np.bool_)
        found[self.is_val], found[~self.is_val] = self.val.errors.label_found, self.train.errors.label_found
        return ErrorTable(self.labels.id, self.labels.image, self.labels.label, found, self._columns())

    @cached_property
    def kept(self) -> Bools:
        """Say of each object of val whether tests rest on it: not where its label is suspected."""
        return labels_to_test(self.suspects["val"], len(self.val.labels))

    @cached_property
    def _kept_in_train(self) -> Bools:
        return labels_to_test(self.suspects["train"], len(self.train.labels))

    @cached_property
    def tested(self) -> ErrorTable:
        """Give the objects of val that tests rest on."""
        return self.objects.take(np.flatnonzero(self.is_val)[self.kept])

    @cached_property
    def learned(self) -> ErrorTable:
        """Give the objects of train whose labels are not suspected."""
        return self.objects.take(np.flatnonzero(~self.is_val)[self._kept_in_train])

    @property
    def tested_areas(self) -> Floats:
        """Give the area of each tested object, as a share of its photo."""
        return area(self.val.labels.xyxy[self.kept])

    @property
    def learned_areas(self) -> Floats:
        """Give the area of each object of train, as a share of its photo."""
        return area(self.train.labels.xyxy[self._kept_in_train])

    @cached_property
    def gain(self) -> Callable[[Bools], float]:
        """Give the function from a mask over `tested`, all missed, to the mean AP that finding them would return."""
        val = self.val
        gains = Gains.prepare(val.predictions, val.labels, val.matches, class_count=len(self.classes))
        rows = np.flatnonzero(self.kept)

        def of(missed: Bools) -> float:
            mask = np.zeros(len(val.labels), np.bool_)
            mask[rows[missed]] = True
            return gains.of(mask)

        return of

    def suspect_share(self, finding: Finding) -> float:
        """Give the share of a finding's missed objects on val whose labels are suspected, kept or not.

        0 for a finding about an attribute that the language model tagged: the study does not have its column.
        """
        on_val = self.objects.take(self.is_val)
        missed = mask_of(on_val, finding.conditions) & ~on_val.found
        suspected = np.zeros(len(on_val), np.bool_)
        suspected[self.suspects["val"].rows_of("other class", "duplicate label", "unsupported")] = True
        return float((missed & suspected).sum() / max(1, missed.sum()))

    def _columns(self) -> tuple[Column, ...]:
        measured = measured_columns(
            self.labels,
            self.images,
            self.classes,
            looks=self.looks,
            fields=self.fields,
            is_val=self.is_val,
            wanted=self.wanted,
        )
        in_discover = halves(self.images.id).discover[self.labels.image]
        embedded = self.embedded.take(self.embedded.sampled | in_discover[self.embedded.row])
        look = cluster_column(
            embedded.vector,
            embedded.row,
            self.labels.label[embedded.row],
            sampled=embedded.sampled,
            count=len(self.labels),
            rng=np.random.default_rng(0),
        )
        clusters = (look,) if look else ()
        return (*label_columns(self.labels, self.images, self.classes), *measured, *clusters)


def to_embed(labels: BoxTable, images: ImageTable, missed: Texts, rng: np.random.Generator) -> tuple[Ints, Bools]:
    """Give the rows of the labels of train and val that are worth embedding, and which of them are a fair sample.

    `missed` are the ids of the labels that the detector misses on val.
    """
    return crops_to_embed(np.isin(labels.id, missed), images.split[labels.image] == "val", rng=rng)


def missed_marks(table: ErrorTable, seen: Sequence[Finding | Shortage]) -> dict[str, list[str]]:
    """Give the ids of the findings that each missed object belongs to, by the id of its label."""
    marks: dict[str, list[str]] = {}
    for each in seen:
        for label_id in table.id[mask_of(table, each.conditions) & ~table.found].tolist():
            marks.setdefault(label_id, []).append(each.finding_id)
    return marks
