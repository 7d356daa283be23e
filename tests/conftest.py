"""What tests of several packages share. (A conftest here also lets every test import from `tests`.)"""

from collections.abc import Iterator

import pytest

from tests.llm_server import LlmServer


@pytest.fixture
def llm_server() -> Iterator[LlmServer]:
    """A running language model's server, which answers status 500 until it is told otherwise."""
    with LlmServer() as running:
        yield running
