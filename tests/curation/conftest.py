"""A real database for the tests of this package: one mongod and one dataset a session, emptied for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.connection import connect, disconnect
from curation.mongod import running
from curation.store import Store, open_dataset


@pytest.fixture(scope="session")
def database_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URI of a mongod that lives as long as the session."""
    with running(tmp_path_factory.mktemp("database")) as uri:
        yield uri
        disconnect()


@pytest.fixture
def store(database_uri: str, tmp_path: Path) -> Store:
    """An empty dataset, in a workspace that is the test's folder."""
    connect(database_uri, plugins_dir=tmp_path / "plugins")
    opened = open_dataset("test", root=tmp_path)
    opened.dataset.clear()
    opened.dataset.delete_evaluations()
    opened.dataset.delete_saved_views()
    opened.dataset.default_classes = []
    return opened
