"""Fixtures of the tests of the public API."""

import pytest

from tests.support import Server


@pytest.fixture
def server_url(server: Server) -> str:
    return server.url
