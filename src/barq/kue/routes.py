"""Routes: Kue's paths and what they answer: where Kue says no with a status 200 and an `error`, so does this."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barq.errors import InvalidType, InvalidValue, JobNotFound, WrongState
from barq.kue import create, moves, ranges
from barq.kue.shape import Mask, job_json
from barq.kue.words import STATES, Refusal, gone, parse_int
from barq.listing import Page
from barq.query import quoted, where
from barq.queue import Queue
from barq.words import words_of

Handler = Callable[[Request], Awaitable[Response]]
Find = Callable[..., Awaitable[Page]]
Who = Callable[[Request], str]

_MOST_CREATED: Final = 1_000
_MOST_FOUND: Final = 100
_MOST_WORDS: Final = 8
_SEARCHES: Final = 5


def routes(queue: Queue, *, wrap: Callable[[Handler], Handler], mask: Mask, find: Find, who: Who) -> list[Route]:
    """Kue's paths. `wrap` bounds a handler and answers for the errors that none of these expects; `find` searches; `who`
    says who asks."""
    kue = Kue(queue, mask, find, who)
    table: list[tuple[str, str, Handler]] = [
        ("GET", "/stats", kue.stats),
        ("GET", "/job/search", kue.search),
        ("GET", "/job/types", kue.types),
        ("GET", "/jobs/{from}..{to}", kue.range),
        ("GET", "/jobs/{from}..{to}/{order}", kue.range),
        ("GET", "/jobs/{state}/{from}..{to}", kue.range),
        ("GET", "/jobs/{state}/{from}..{to}/{order}", kue.range),
        ("GET", "/jobs/{type:path}/{state}/{from}..{to}", kue.range),
        ("GET", "/jobs/{type:path}/{state}/{from}..{to}/{order}", kue.range),
        ("GET", "/jobs/{type:path}/{state}/stats", kue.count),
        ("GET", "/job/{id}/log", kue.log),
        ("PUT", "/job/{id}/state/{state}", kue.update_state),
        ("PUT", "/job/{id}/priority/{priority}", kue.update_priority),
        ("GET", "/inactive/{id}", kue.inactive),
        ("GET", "/job/{id}", kue.job),
        ("DELETE", "/job/{id}", kue.remove),
        ("POST", "/job", kue.create),
    ]
    by_path: dict[str, dict[str, Handler]] = {}
    for method, path, handler in table:
        by_path.setdefault(path, {})[method] = handler
    return [Route(path, wrap(_answering(methods)), methods=list(methods)) for path, methods in by_path.items()]


def _answering(methods: dict[str, Handler]) -> Handler:
    async def answer(request: Request) -> Response:
        handler = methods.get(request.method) or methods["GET"]  # HEAD
        try:
            return await handler(request)
        except Refusal as refusal:
            return _json({"error": str(refusal)}, refusal.status)
        except JobNotFound:
            return _json({"error": str(gone(request.path_params["id"]))})
        except WrongState as error:
            return _json({"error": str(error)}, 409)

    return answer


class Kue:
    """The handlers, by the names they have in Kue."""

    def __init__(self, queue: Queue, mask: Mask, find: Find, who: Who) -> None:
        self._queue = queue
        self._mask = mask
        self._find = find
        self._who = who

    # ---- look

    async def stats(self, _: Request) -> Response:
        counts = await self._queue.counts()
        named = {f"{name}Count": sum(counts[state] for state in states) for name, states in STATES.items()}
        order = ("inactiveCount", "completeCount", "activeCount", "failedCount", "delayedCount")
        return _json({name: named[name] for name in order} | {"workTime": None})

    async def types(self, _: Request) -> Response:
        return _json(list(await self._queue.types()))

    async def job(self, request: Request) -> Response:
        given = request.path_params["id"]
        return _json(job_json(await self._queue.get(_id(given)), self._mask, id=given))

    async def log(self, request: Request) -> Response:
        try:
            lines = await self._queue.logs(_id(request.path_params["id"]))
        except JobNotFound:
            lines = []
        return _json([text for _, text in lines])

    async def range(self, request: Request) -> Response:
        where = request.path_params
        state, type_ = where.get("state"), where.get("type")
        jobs = await ranges.jobs_between(self._queue, where["from"], where["to"], state=state, type=type_)
        jobs.sort(key=lambda job: job.id, reverse=where.get("order") == "desc")
        return _json([job_json(job, self._mask, id=job.id) for job in jobs])

    async def count(self, request: Request) -> Response:
        counts = await self._queue.counts(request.path_params["type"])
        states = STATES.get(request.path_params["state"], ())
        return _json({"count": sum(counts[state] for state in states)})

    async def search(self, request: Request) -> Response:
        """Ids of jobs that hold all the words: those that the index has, then those whose data some pages find."""
        words = [word for word in request.query_params.get("q", "").split() if words_of(word)][:_MOST_WORDS]
        if not words:
            return _json([])
        found = await self._ids(where(*words), pages=1)
        found |= await self._ids(" ".join(f"data:{quoted(word)}" for word in words), pages=_SEARCHES)
        return _json(list(found)[:_MOST_FOUND])

    async def _ids(self, query: str, *, pages: int) -> dict[str, None]:
        found: dict[str, None] = {}
        after: str | None = None
        for _ in range(pages):
            page = await self._find(q=query, limit=_MOST_FOUND, after=after)
            found |= {str(job.id): None for job in page}
            after = page.next
            if after is None or len(found) >= _MOST_FOUND:
                break
        return found

    # ---- act

    async def create(self, request: Request) -> Response:
        body = await _body(request)
        if not body:
            return Response(status_code=204)
        if not isinstance(body, list):
            status, answer = await self._created(body)
            return _json(answer, status)
        if len(body) > _MOST_CREATED:
            raise Refusal(413, f"at most {_MOST_CREATED} jobs can be created at once, got {len(body)}")
        answers = await asyncio.gather(*map(self._created, body))
        refused = next((status for status, _ in answers if status != 200), 200)
        return _json([answer for _, answer in answers], refused)

    async def _created(self, args: Any) -> tuple[int, dict[str, Any]]:
        try:
            job = await create.job_of(self._queue, args).save()
        except Refusal as refusal:
            return refusal.status, {"error": str(refusal)}
        except (InvalidValue, InvalidType) as error:
            return 400, {"error": str(error)}
        return 200, {"message": "job created", "id": job.id}

    async def update_state(self, request: Request) -> Response:
        await moves.move(
            self._queue, _id(request.path_params["id"]), request.path_params["state"], by=self._who(request)
        )
        return _json({"message": "updated state"})

    async def update_priority(self, request: Request) -> Response:
        priority = parse_int(request.path_params["priority"])
        if priority is None:
            raise Refusal(200, "invalid priority")
        await self._queue.set_priority(_id(request.path_params["id"]), priority, by=self._who(request))
        return _json({"message": "updated priority"})

    async def remove(self, request: Request) -> Response:
        given = request.path_params["id"]
        await moves.remove(self._queue, _id(given), by=self._who(request))
        return _json({"message": f"job {given} removed"})

    async def inactive(self, request: Request) -> Response:
        """Kue changes the job's state here."""
        instead = f"PUT /job/{request.path_params['id']}/state/inactive"
        return _json({"error": f"a GET changes nothing here: {instead}"}, 405, {"Allow": ""})


def _id(given: str) -> int:
    """Raises JobNotFound for what can't be an id, as Kue finds no such job."""
    if given.isascii() and given.isdecimal() and given[0] != "0" and len(given) < 16:
        return int(given)
    raise JobNotFound(f"job {given!r:.80} is not there")


async def _body(request: Request) -> Any:
    """As Express reads it: nothing where the body is not JSON by its content type."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if media_type != "application/json" or not body:
        return None
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, f"the body is not JSON: {error}") from None
    if not isinstance(found, list | dict):
        raise Refusal(400, "the body must be an object or an array")
    return found


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    text = msgspec.json.encode(value, enc_hook=repr)
    return Response(text, status, headers, media_type="application/json; charset=utf-8")
