"""What was seen of photos is kept some at a time, and is there only when it is whole."""

from pathlib import Path

import numpy as np
import pytest

from curation.chunks import Chunks
from curation.scouting import Portraits
from training.errors import DamagedFile


def portraits(*values: float) -> Portraits:
    ids = np.array([str(value) for value in values], "<U24")
    return Portraits(ids, np.array([[value] for value in values], np.float32))


def held(chunks: Chunks, *photo_ids: str) -> dict[str, float]:
    """Read the vectors of photos back, each from the chunk that it is given with."""
    found: dict[str, float] = {}
    for chunk, place in chunks.holding(photo_ids):
        vectors = chunks.load(chunk, "seen", Portraits).vector[:, 0]
        for row, value in zip(place.tolist(), vectors.tolist(), strict=True):
            if row >= 0:
                assert photo_ids[row] not in found, "a photo is given once"
                found[photo_ids[row]] = value
    return found


def test_photos_are_found_again_whatever_chunk_they_lie_in(tmp_path: Path) -> None:
    chunks = Chunks(tmp_path / "home")
    assert chunks.photo_ids() == set()
    chunks.keep(["1", "2"], {"seen": portraits(1, 2)})
    chunks.keep(["3", "4"], {"seen": portraits(3, 4)})
    assert chunks.photo_ids() == {"1", "2", "3", "4"}
    assert held(chunks, "4", "1", "3") == {"4": 4, "1": 1, "3": 3}


def test_a_photo_in_two_chunks_is_given_once(tmp_path: Path) -> None:
    chunks = Chunks(tmp_path)
    chunks.keep(["1", "2"], {"seen": portraits(1, 2)})
    chunks.keep(["2", "3"], {"seen": portraits(2, 3)})
    assert held(chunks, "3", "2", "1") == {"3": 3, "2": 2, "1": 1}


def test_the_same_photos_again_replace_what_was_there(tmp_path: Path) -> None:
    chunks = Chunks(tmp_path)
    chunks.keep(["1", "2"], {"seen": portraits(1, 2)})
    chunks.keep(["1", "2"], {"seen": portraits(5, 6)})
    assert held(chunks, "1", "2") == {"1": 5, "2": 6}


def test_without_its_note_a_chunk_is_not_there(tmp_path: Path) -> None:
    chunks = Chunks(tmp_path)
    chunks.keep(["1"], {"seen": portraits(1)})
    chunks.keep(["2"], {"seen": portraits(2)})
    next(path for path in tmp_path.glob("*.json") if '"1"' in path.read_text()).unlink()
    assert chunks.photo_ids() == {"2"}
    with pytest.raises(DamagedFile, match="1 of 2 photos"):
        held(chunks, "1", "2")
