"""How long selecting 300 of 100,000 scored photos takes, and how much memory.

    python benchmarks/select_scale.py

100,000 photos of a pool with vectors of 256 channels, 10,000 photos of train and 20 targets, on two cores, in three
worlds: `scenes` (400 scenes of all sizes; a fifth of the photos are near copies), `one camera` (all looks are the same,
so that only the vectors tell photos apart), and `frames` (bursts of 100). A twentieth of the photos matches each
target. Scores and vectors are drawn; predicting and embedding are left out.

Each world runs in a process of its own; its peak memory includes the drawn pool. Exits with 1 where one of them takes
more than 60 s or 2 GiB.
"""

import multiprocessing
import os
import resource
import sys
import time
from collections import Counter

import numpy as np

from curation.acquisition import PoolTable, Target
from curation.select import select
from training.boxes import Ints

PHOTOS, WANTED, TRAIN, CHANNELS, WISHES, SCENES = 100_000, 300, 10_000, 256, 20, 400
WORLDS = ("scenes", "one camera", "frames")
CORES = 2
MAX_S, MAX_GIB = 60.0, 2.0


def copied(rng: np.random.Generator, world: str) -> tuple[Ints, Ints]:
    """Give for each photo the photo whose look it has, and the photo whose vector it has."""
    own = np.arange(PHOTOS)
    if world == "one camera":
        return np.zeros(PHOTOS, np.int64), own
    burst = own // 100 * 100 if world == "frames" else np.where(rng.random(PHOTOS) < 0.2, own // 10 * 10, own)
    return burst, burst


def drawn_vectors(rng: np.random.Generator, count: int) -> np.ndarray:
    places = np.random.default_rng(1).normal(size=(SCENES, CHANNELS)).astype(np.float32)
    scene = rng.choice(SCENES, count, p=np.random.default_rng(2).dirichlet(np.full(SCENES, 0.5)))
    found = rng.standard_normal((count, CHANNELS), dtype=np.float32)
    found *= 0.5
    found += places[scene]
    return found


def drawn_pool(rng: np.random.Generator, world: str) -> PoolTable:
    look_of, vector_of = copied(rng, world)
    names = np.char.zfill(rng.permutation(PHOTOS).astype(str), 24)
    return PoolTable(
        id=names,
        name=names,
        width_px=np.full(PHOTOS, 1280),
        height_px=np.full(PHOTOS, 960),
        look=rng.integers(2**64, size=PHOTOS, dtype=np.uint64)[look_of],
        entropy=rng.random(PHOTOS),
        margin=rng.random(PHOTOS),
        disagreement=rng.random(PHOTOS),
        faint=rng.exponential(size=PHOTOS),
        firm=rng.poisson(2, PHOTOS),
        vector=drawn_vectors(rng, PHOTOS)[vector_of],
        match=rng.random((PHOTOS, WISHES)) * (rng.random((PHOTOS, WISHES)) < 0.05),
    )


def measured(world: str) -> tuple[float, float, float, dict[str, int]]:
    """Give the seconds of one selection by the clock and of the processor, the peak GiB, and the photos by kind."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    rng = np.random.default_rng(0)
    pool, train = drawn_pool(rng, world), drawn_vectors(rng, TRAIN)
    targets = [Target(f"finding {number}", f"slice {number}", 0.01 * (number + 1)) for number in range(WISHES)]
    started, processor = time.perf_counter(), time.process_time()
    choices = select(pool, targets, count=WANTED, train_vectors=train, rng=rng)
    taken_s, processor_s = time.perf_counter() - started, time.process_time() - processor
    assert len({choice.row for choice in choices}) == WANTED
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return taken_s, processor_s, gib, dict(Counter(choice.kind for choice in choices))


def main() -> int:
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
    missed: list[str] = []
    for world in WORLDS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            taken_s, processor_s, gib, kinds = pool.apply(measured, (world,))
        said = f"{taken_s:.1f} s ({processor_s:.1f} s of the processor), {gib:.2f} GiB"
        print(f"{world:<12}{WANTED} of {PHOTOS:,} photos: {said} {kinds}", flush=True)
        if taken_s > MAX_S or gib > MAX_GIB:
            missed.append(world)
    print(f"targets: {MAX_S:.0f} s and {MAX_GIB:.0f} GiB on {CORES} cores")
    print(f"missed: {', '.join(missed)}" if missed else "all targets met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
