"""Tutorial: an HTTP service that adds jobs to a queue and tells how they stand. Listens on port 3000.

Nobody works on them here: a worker may run anywhere, as long as it knows their type, `task`.
"""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time, also during the imports

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from serve import options, serve
from service import Error, service
from starlette.exceptions import HTTPException
from starlette.requests import Request

import barq

TYPE = "task"
ID = re.compile("[1-9][0-9]{0,15}")
LARGEST_NUMBER = 2**53  # beyond, readers of JSON round

queue = barq.Queue(timeout=1.5)


DATA = "#/components/schemas/Order/properties/data"
SCHEMA = {
    "anyOf": [
        {"type": ["null", "boolean", "string"]},
        {"type": "number", "minimum": -LARGEST_NUMBER, "maximum": LARGEST_NUMBER},
        {"type": "array", "items": {"$ref": DATA}},
        {"type": "object", "additionalProperties": {"$ref": DATA}},
    ]
}


class Order(msgspec.Struct):
    data: Annotated[Any, msgspec.Meta(description="Any JSON", extra_json_schema=SCHEMA)]


class Added(msgspec.Struct, rename="camel"):
    message: str
    job_id: str


class Standing(msgspec.Struct):
    id: str
    data: Any
    status: barq.State


def check_numbers(data: Any) -> None:
    parts = [data]
    for part in parts:
        match part:
            case list():
                parts += part
            case dict():
                parts += part.values()
            case float() | int() if abs(part) > LARGEST_NUMBER:
                raise HTTPException(422, f"data holds {part}, a number beyond 2^53: send it as a string")


async def enqueue(_: Request, body: Order) -> Added:
    """Add a job to the queue."""
    check_numbers(body.data)
    try:
        job = await queue.enqueue(TYPE, body.data)
    except barq.InvalidPayload as error:
        raise HTTPException(422, str(error)) from None
    return Added(f"Job {job.id} added to the queue", str(job.id))


async def show_job(request: Request) -> Standing:
    """A job, and how it stands now."""
    id = request.path_params["id"]
    try:
        job = await queue.get(int(id) if ID.fullmatch(id) else 0)
    except (barq.InvalidValue, barq.JobNotFound):
        raise HTTPException(404, f"Job {id} not found") from None
    return Standing(str(job.id), job.data, job.state)


@contextlib.asynccontextmanager
async def life(_: object) -> AsyncIterator[None]:
    async with queue:
        yield


app = service("Jobs", {"POST /enqueue": enqueue, "GET /job/{id}": show_job}, wrong=Error, lifespan=life)

if __name__ == "__main__":
    chosen = options(__doc__, port=3000).parse_args()
    serve(app, host=chosen.host, port=chosen.port)
