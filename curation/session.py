"""Door to the FiftyOne App: a session that people review in, on the loopback, until somebody ends it.

The App's server is a child of our own, so that it dies with the command, says nothing, and gets the workspace's folder
of plugins and the reviewer's name by its environment. Layout and queue are a saved workspace and a saved view, which
the address names; so a tab that was closed is opened again by the same address.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bson import ObjectId
from pymongo import UpdateOne

from curation.connection import failures_named
from curation.mongod import STARTER
from curation.plugin import keys, sitting
from curation.plugin.decisions import TOUCHED
from curation.schema import declare_review, offer_annotation
from curation.store import Store
from training.errors import CurateError
from training.files import make_folder, write_bytes, writing_failed

What = Literal["pictures", "findings", "labels", "photos"]
WORKSPACE = "curate"
FIRST_PORT, TRIED_PORTS = 5151, 50
PATIENCE_S = 180.0
PLUGIN_FILES = ("fiftyone.yml", "__init__.py", "keys.js")
_NOW = {"last_modified_at": TOUCHED}


@dataclass(frozen=True)
class Session:
    """The App, open for people."""

    dataset: Any
    sitting_id: str
    what: What
    port: int
    url: str
    process: "subprocess.Popen[bytes]"

    @property
    def text(self) -> str:
        """Say where it is, how it is reached from elsewhere, and what to press."""
        tunnel = f"ssh -N -L {self.port}:127.0.0.1:{self.port} {socket.gethostname()}"
        return f"open  {self.url}\nfrom another machine, first:  {tunnel}\n\n{keys.TEXTS[self.what]}\n{keys.END}"

    def wait(self, *, poll_s: float = 1.0) -> bool:
        """Wait until somebody ends the session in the panel, True, or by Ctrl-C here, False; closing a tab does not.

        Raises `CurateError` where the App's server has died, and `DatabaseError` where the database has.
        """
        try:
            while not self._ended():
                if self.process.poll() is not None:
                    raise CurateError(
                        "the App's server died", hint="decisions are kept: run curate review again to go on"
                    )
                time.sleep(poll_s)
        except KeyboardInterrupt:
            return False
        return True

    def close(self) -> None:
        """End the App's server."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @failures_named()
    def _ended(self) -> bool:
        return sitting.sitting_of(self.dataset, self.sitting_id)["ended"] is not None


@failures_named()
def open_session(
    store: Store,
    queue_ids: Sequence[str],
    *,
    what: What,
    reviewer: str,
    stories: Mapping[str, str] | None = None,
    at_random: Collection[str] = (),
    about: Mapping[str, Any] | None = None,
    port: int | None = None,
) -> Session:
    """Open the App on a queue of samples, in their order, and give the session when it answers.

    `stories` are Markdown by sample id. `at_random` are those of the queue that were drawn at random: label precision
    is shown of them alone. `about` is what the panel has to know beside: of findings `round`, and `findings`, the cards
    of a `FindingQueue`. A port that is taken is passed over for the next free one. Raises `CurateError` where the
    plugin cannot be written or the App's server does not come up.
    """
    install_plugin(store.root / "plugins")
    declare_review(store.dataset)
    publish_stories(store.dataset, stories or {})
    view = publish_queue(store.dataset, what, queue_ids, at_random=at_random)
    offer_annotation(store.dataset)
    _save_layout(store.dataset)
    begun = {"_id": uuid.uuid4().hex, "what": what, "reviewer": reviewer, **(about or {})}
    sitting.begin_sitting(store.dataset, begun)
    found = _free_port(port or FIRST_PORT)
    process = _serve(found, {sitting.ENV_SITTING: begun["_id"], sitting.ENV_REVIEWER: reviewer})
    url = f"http://127.0.0.1:{found}/datasets/{store.dataset.name}?view={view}&workspace={WORKSPACE}"
    return Session(dataset=store.dataset, sitting_id=begun["_id"], what=what, port=found, url=url, process=process)


def install_plugin(plugins_dir: Path) -> None:
    """Copy the plugin into a workspace's own folder of plugins; raises `CurateError` where it cannot be written."""
    source, target = Path(__file__).with_name("plugin"), plugins_dir / "curate_review"
    try:
        make_folder(target)
        for name in PLUGIN_FILES:
            write_bytes(target / name, (source / name).read_bytes())
    except OSError as error:
        raise writing_failed(target, error) from error


@failures_named()
def publish_stories(dataset: Any, stories: Mapping[str, str]) -> None:
    """Write the Markdown that the panel shows for each sample; a sample that has it already is left alone."""
    path = "review.story"
    _write(
        dataset,
        [({"_id": ObjectId(sample_id), path: {"$ne": text}}, {path: text}) for sample_id, text in stories.items()],
    )


@failures_named()
def publish_queue(dataset: Any, what: What, queue_ids: Sequence[str], *, at_random: Collection[str] = ()) -> str:
    """Number the samples of a queue in its order, instead of an older queue; give the address of its saved view."""
    import fiftyone as fo

    key, drawn = sitting.rank_key(what), set(at_random)
    former = {sample["_id"] for sample in dataset._sample_collection.find(sitting.queue_query(what), {"_id": 1})}
    ids = [ObjectId(sample_id) for sample_id in queue_ids]
    dropped = [({"_id": gone}, {key: None}) for gone in former.difference(ids)]
    ranked = [
        ({"_id": sample_id}, {key: rank, "review.at_random": str(sample_id) in drawn})
        for rank, sample_id in enumerate(ids)
    ]
    _write(dataset, dropped + ranked)
    dataset._sample_collection.create_index(key, sparse=True)
    view = dataset.mongo([{"$match": sitting.queue_query(what)}, {"$sort": {key: 1}}])
    name = f"to review: {what}"
    dataset.save_view(name, view, overwrite=True)
    return str(fo.core.utils.to_slug(name))


def _write(dataset: Any, changes: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """Set fields of the program's own on samples; the App's guard against stale edits sees it."""
    updates = [
        UpdateOne(query, [{"$set": {path: {"$literal": value} for path, value in fields.items()} | _NOW}])
        for query, fields in changes
    ]
    if updates:
        dataset._sample_collection.bulk_write(updates, ordered=False)


def _save_layout(dataset: Any) -> None:
    """Save the workspace, and fold away what people need not see of the sidebar unless they have unfolded it."""
    import fiftyone as fo

    groups = dataset.app_config.sidebar_groups or fo.DatasetAppConfig.default_sidebar_groups(dataset)
    for group in groups:
        if group.expanded is None:
            group.expanded = group.name in {"tags", "labels"}
    dataset.app_config.sidebar_groups = groups
    dataset.save()

    samples = fo.Panel(type="Samples", component_id="Samples", pinned=True)
    curate = fo.Panel(type="curate", component_id="curate", pinned=True)
    evaluation = fo.Panel(type="model_evaluation_panel_builtin", component_id="evaluation")
    left = fo.Space(children=[samples], component_id="left", active_child="Samples")
    right = fo.Space(children=[curate, evaluation], component_id="right", active_child="curate")
    layout = fo.Space(children=[left, right], component_id="root", orientation="horizontal", sizes=[0.64, 0.36])
    dataset.save_workspace(WORKSPACE, layout, description="samples, the Curate panel, evaluation", overwrite=True)


def _free_port(first: int) -> int:
    for port in range(first, min(first + TRIED_PORTS, 2**16)):
        with contextlib.closing(socket.socket()) as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise CurateError(f"no port from {first} to {first + TRIED_PORTS - 1} is free", hint="name another one with --port")


def _serve(port: int, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start the App's server, and give it when it answers."""
    import fiftyone.constants as foc

    server = [sys.executable, "main.py", "--port", str(port), "--address", "127.0.0.1"]
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", STARTER, str(os.getpid()), *server],
        cwd=foc.SERVER_DIR,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,  # Ctrl-C is for us alone: the server goes when decisions are collected
    )
    deadline = time.monotonic() + PATIENCE_S
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise CurateError("the App's server did not come up", hint="see what `fiftyone app launch` says")
        time.sleep(0.2)
    return process


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/fiftyone", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
