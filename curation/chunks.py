"""Memory of long looks at many photos: tables of some photos at a time, so that a killed run goes on where it was."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from training.boxes import Ints, Table
from training.errors import DamagedFile
from training.files import digest_of, write_json
from training.records import FileRef, Record
from training.tables import check_digest, load_table, save_table

T = TypeVar("T", bound=Table)


class Chunk(Record):
    """Photos that were looked at in one go; written last, so that a chunk that is there is whole."""

    photos: tuple[str, ...]
    """Ids, in the order of the tables' rows."""
    tables: dict[str, FileRef]


@dataclass(frozen=True)
class Chunks:
    """All chunks of one question, in a folder of their own."""

    folder: Path

    def keep(self, photo_ids: Sequence[str], tables: Mapping[str, Table]) -> None:
        """Write what was seen in photos; what an earlier look at the same photos left is replaced."""
        name = digest_of(list(photo_ids))
        refs = {key: save_table(self.folder / f"{name}.{key}.npz", table) for key, table in tables.items()}
        write_json(self.folder / f"{name}.json", Chunk(photos=tuple(photo_ids), tables=refs).plain())

    def load(self, chunk: Chunk, key: str, kind: type[T]) -> T:
        """Read a table of a chunk back."""
        ref = chunk.tables[key]
        return load_table(self.folder / ref.name, kind, ref)

    def photo_ids(self) -> set[str]:
        """Give the photos of all chunks that are unbroken."""
        return {photo_id for chunk in self._whole() for photo_id in chunk.photos}

    def holding(self, photo_ids: Sequence[str]) -> Iterator[tuple[Chunk, Ints]]:
        """Give the chunks that hold any of these photos, each with the place of its photos in the list, else −1.

        Raises `DamagedFile`, after the last chunk, where a photo was in none.
        """
        place = {photo_id: row for row, photo_id in enumerate(photo_ids)}
        missing = set(place)
        for chunk in self._whole():
            if not missing.isdisjoint(chunk.photos):
                # a photo that two chunks hold is taken once
                yield chunk, np.array([place[i] if i in missing else -1 for i in chunk.photos], np.int64)
                missing.difference_update(chunk.photos)
        if missing:
            raise DamagedFile(
                f"{self.folder} no longer holds {len(missing)} of {len(place)} photos", hint="run the command again"
            )

    def _whole(self) -> Iterator[Chunk]:
        """Give the chunks whose tables are there and unbroken, by name; the others are as if they had never been."""
        for path in sorted(self.folder.glob("*.json")):
            with suppress(ValueError, DamagedFile):  # a note that was cut off is no JSON
                chunk = Chunk.model_validate_json(path.read_text(encoding="utf-8"))
                for ref in chunk.tables.values():
                    check_digest(self.folder / ref.name, ref)
                yield chunk
