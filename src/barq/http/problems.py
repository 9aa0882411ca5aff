"""Problems: every refusal as problem details (RFC 9457), and the one table from errors to HTTP statuses."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from barq.errors import (
    BarqError,
    InvalidPayload,
    InvalidType,
    InvalidValue,
    JobNotFound,
    NoSuchPage,
    NotConfirmed,
    PermissionDenied,
    QueueFull,
    ServerError,
    ServerUnreachable,
    ServerUnsuitable,
    WorkerNotFound,
    WrongState,
)

log = logging.getLogger("barq.http")

MEDIA_TYPE: Final = "application/problem+json"


class Problem(msgspec.Struct, frozen=True):
    """What went wrong: `title` names the kind, `detail` this case, `code` is for programs."""

    status: int
    title: str
    code: str
    detail: str
    type: str = "about:blank"


class Refused(Exception):
    """A request that is refused before an error of barq could say why."""

    def __init__(self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


STATUSES: Final[tuple[tuple[type[BarqError], int, str], ...]] = (
    (JobNotFound, 404, "job-not-found"),
    (WorkerNotFound, 404, "worker-not-found"),
    (WrongState, 409, "wrong-state"),
    (NoSuchPage, 404, "no-such-page"),
    (InvalidPayload, 422, "invalid-payload"),
    (InvalidValue, 422, "invalid-value"),
    (InvalidType, 422, "invalid-value"),
    (QueueFull, 507, "queue-full"),
    (ServerUnreachable, 503, "server-unreachable"),
    (ServerUnsuitable, 503, "server-unsuitable"),
    (PermissionDenied, 503, "permission-denied"),
    (NotConfirmed, 503, "not-confirmed"),
    (ServerError, 502, "server-error"),
)
"""The first line that fits an error tells its status and code."""

_WORDS: Final = {
    "not-found": "there is nothing at this path",
    "method-not-allowed": "the path does not take this method",
}


def status_of(error: type[BarqError]) -> int:
    return next((status for known, status, _ in STATUSES if issubclass(error, known)), 500)


def problem_of(error: Exception) -> tuple[Problem, dict[str, str]]:
    """What a client is told of an error, and with which headers. What nobody foresaw is logged, and told as a 500."""
    match error:
        case Refused():
            return _problem(error.status, error.code, str(error)), error.headers
        case HTTPException():
            code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
            return _problem(error.status_code, code, _WORDS.get(code, error.detail)), dict(error.headers or {})
        case TimeoutError():  # of the API's own limit: errors of barq are below
            detail = (
                "the server of the queue has not answered in time; a repeat is safe for all but jobs without a token"
            )
            return _problem(503, "server-unreachable", detail), {"Retry-After": "1"}
        case BarqError():
            for known, status, code in STATUSES:
                if isinstance(error, known):
                    return _problem(status, code, str(error)), {"Retry-After": "1"} if status == 503 else {}
    log.error("a request failed", exc_info=error)
    return _problem(500, "internal-error", "the request failed by an error of ours; the log has it"), {}


def response_of(error: Exception, *, for_kue: bool = False) -> Response:
    """The answer for an error. Kue's clients look for a member named error."""
    problem, headers = problem_of(error)
    members = msgspec.to_builtins(problem) | ({"error": problem.detail} if for_kue else {})
    return Response(msgspec.json.encode(members), problem.status, headers, media_type=MEDIA_TYPE)


async def answer(_request: Request, error: Exception) -> Response:
    """The handler of exceptions as Starlette takes it."""
    return response_of(error)


def _problem(status: int, code: str, detail: str) -> Problem:
    return Problem(status, HTTPStatus(status).phrase, code, detail)
