"""What tests of several packages share. (A conftest here also lets every test import from `tests`.)"""

from collections.abc import Iterator

import pytest

from tests.llm_server import LlmServer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first: with two workers, neither waits for the other at the end."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)


@pytest.fixture
def llm_server() -> Iterator[LlmServer]:
    """A running language model's server, which answers status 500 until it is told otherwise."""
    with LlmServer() as running:
        yield running
