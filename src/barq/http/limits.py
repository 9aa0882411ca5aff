"""Limits: how much one client may ask of the HTTP API."""

from dataclasses import dataclass
from typing import Final

MOST_JOBS: Final = 250
"""Jobs in one page, and in one creation."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`body`: bytes of a request. `body_seconds`: until it has arrived. `answer_seconds`: until the server of the queue
    has answered, else the client gets a 503. `viewers`: event streams at a time. `stream_seconds`: the life of one; its
    client then connects again and goes on where it was."""

    body: int = 4 * 1024 * 1024
    body_seconds: float = 10.0
    answer_seconds: float = 1.5
    viewers: int = 1000
    stream_seconds: float = 3600.0
