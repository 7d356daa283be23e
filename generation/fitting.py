"""Work in batches that fit into memory: halved for good where one does not."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from training.errors import ModelError

Item = TypeVar("Item")
Result = TypeVar("Result")
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "ALLOC_FAILED")


@dataclass
class Batches:
    """How many items a device takes at once, so far as is known. Not for several threads at once."""

    count: int
    device: str

    def of(self, items: Sequence[Item], work: Callable[[Sequence[Item]], Sequence[Result]]) -> list[Result]:
        """Do the work on batches of at most `count` items; where memory does not suffice, that is halved for good.

        Raises `ModelError` where it does not suffice for one item.
        """
        done: list[Result] = []
        while len(done) < len(items):
            batch = items[len(done) : len(done) + self.count]
            made = _within_memory(work, batch)
            if made is not None:
                done += made
            elif len(batch) == 1:
                raise ModelError(
                    f"the memory of {self.device} does not suffice for a single picture",
                    hint="end other programs that use it, or take a larger one",
                )
            else:
                self.count = len(batch) // 2
                _free_memory()
        return done


def _within_memory(
    work: Callable[[Sequence[Item]], Sequence[Result]], batch: Sequence[Item]
) -> Sequence[Result] | None:
    """Do the work; None where memory did not suffice."""
    try:
        return work(batch)
    except RuntimeError as error:  # on a CPU, and in some libraries of the GPU, it has no name of its own
        if not any(sign in str(error) for sign in OUT_OF_MEMORY):
            raise
    return None


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
