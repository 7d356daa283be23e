"""Progress on standard error: a bar on a terminal, a line every ten seconds elsewhere, nothing for what is quick."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from curation.wording import duration_text

Progress = Callable[[int, int, str], None]
SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress_of(title: str, *, clock: Callable[[], float]) -> Iterator[Progress]:
    """Give a callback that shows how far a long piece of work is."""
    if sys.stderr.isatty():
        with _bar(title) as show:
            yield show
    else:
        yield _lines(title, clock)


@contextmanager
def waiting(title: str) -> Iterator[None]:
    """Show that something takes a while whose length is not known: a spinner on a terminal, a line elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status(title):
            yield
    else:
        sys.stderr.write(f"{title}\n")
        sys.stderr.flush()
        yield


@contextmanager
def _bar(title: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=1, note="")
        yield lambda done, total, note: bar.update(task, completed=done, total=max(total, 1), note=note)


def _lines(title: str, clock: Callable[[], float]) -> Progress:
    last = clock()
    begun: tuple[float, int] | None = None  # when it was first reported, and how much was done by then

    def show(done: int, total: int, note: str) -> None:
        nonlocal last, begun
        now = clock()
        if begun is None or done < begun[1]:
            begun = now, done
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            since, before = begun
            left_s = (now - since) * (total - done) / max(done - before, 1)
            left = f", about {duration_text(left_s)} left" if done > before else ""
            sys.stderr.write(f"{title} {done}/{total} {note}{left}\n")
            sys.stderr.flush()

    return show
