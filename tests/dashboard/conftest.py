"""Fixtures: a browser, a dashboard on a queue of the test's own, and people who look at it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

import barq
import barq.sync
from tests.dashboard.serving import Dashboard, Person
from tests.support import Server
from tests.web import chromium

See = Callable[..., Person]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def jobs(server: Server, name: str) -> Iterator[barq.sync.Queue]:
    """The queue from inside the test."""
    with barq.sync.Queue(name, url=server.url) as made:
        yield made


@pytest.fixture
def handlers(server: Server, name: str) -> barq.Queue:
    """The same, for handlers, and for `working`."""
    return barq.Queue(name, url=server.url)


@pytest.fixture
def dashboard(server: Server, name: str) -> Iterator[Dashboard]:
    with Dashboard(server, name) as made:
        yield made


@pytest.fixture
def see(browser: Browser, dashboard: Dashboard) -> Iterator[See]:
    """Opens the dashboard; nobody's page may have complained in the end."""
    people: list[Person] = []

    def one(where: str = "", **options: Any) -> Person:
        people.append(Person(browser, dashboard.url, **options))
        people[-1].opens(where)
        return people[-1]

    yield one
    for person in people:
        person.context.close()
    assert [complaint for person in people for complaint in person.complaints] == []
