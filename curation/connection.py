"""Door to FiftyOne's database connection: which server, how safely, and what its failures are called here."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from training.errors import DatabaseError

MIN_VERSION = (6, 0)
SAFE = {"journal": "true", "serverSelectionTimeoutMS": "5000"}
"""Options that a URI gets unless it has them: without the first, killing mongod loses acknowledged writes."""


def connect(uri: str, *, plugins_dir: Path) -> None:
    """Point FiftyOne at a database: no telemetry, loopback only, journalled writes, plugins from `plugins_dir`.

    To be called before anything else imports FiftyOne. A call with another URI moves there; what was opened before is
    void then. Raises `DatabaseError` where no server of 6.0 or later answers.
    """
    with failures_named(), MongoClient[dict[str, Any]](safe_uri(uri)) as client:
        found = client.server_info()
    if tuple(found["versionArray"][:2]) < MIN_VERSION:
        raise DatabaseError(f"the database is MongoDB {found['version']}", hint="FiftyOne needs 6.0 or later")
    settings: dict[str, str | bool] = {
        "database_uri": safe_uri(uri),
        "database_validation": False,  # it only silences a notice about 6.0, now that the version is known
        "default_app_address": "127.0.0.1",
        "do_not_track": True,
        "logging_level": "WARNING",
        "plugins_dir": str(plugins_dir),
        "show_progress_bars": False,
    }
    for name, value in settings.items():  # also for the App's server, which is a child
        os.environ[f"FIFTYONE_{name.upper()}"] = value if isinstance(value, str) else str(value).lower()
    if "fiftyone" in sys.modules:
        _move_to(settings)


def disconnect() -> None:
    """Let go of the database; without it, a process that outlives its mongod waits five seconds at its end."""
    if "fiftyone" in sys.modules:
        from fiftyone.core.dataset import Dataset
        from fiftyone.core.odm import database
        from fiftyone.factory import repo_factory

        database._disconnect()
        # These hold collections of the closed connection, and would be given again.
        repo_factory.RepositoryFactory.repos.clear()
        repo_factory._db = None
        Dataset._instances.clear()


def _move_to(settings: dict[str, str | bool]) -> None:
    import fiftyone as fo

    if fo.config.database_uri != settings["database_uri"]:
        disconnect()
    for name, value in settings.items():
        setattr(fo.config, name, value)


@contextlib.contextmanager
def failures_named() -> Iterator[None]:
    """Turn what the database driver raises into `DatabaseError`; also a decorator."""
    try:
        yield
    except (PyMongoError, ConnectionError) as error:
        hint = "run the command again; if it stays so, see db/mongod.log (is the disk full?) and `curate doctor`"
        raise DatabaseError(f"the database failed: {reason_of(error)}", hint=hint) from error


def reason_of(error: Exception) -> str:
    """Give the beginning of a database error's text: the rest is the state of all servers, over many lines."""
    return re.split(r"[\n,]| \(configured", str(error), maxsplit=1)[0].strip()[:200]


def safe_uri(uri: str) -> str:
    """Give a database URI with `SAFE` added where it says nothing else."""
    parts = urlsplit(uri)
    given = {name.lower() for name in parse_qs(parts.query)}
    extra = [f"{name}={value}" for name, value in SAFE.items() if name.lower() not in given]
    query = "&".join(filter(None, [parts.query, *extra]))
    return urlunsplit(parts._replace(path=parts.path or "/", query=query))
