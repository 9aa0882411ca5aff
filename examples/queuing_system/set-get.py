"""Tutorial: an HTTP service that sets and gets keys of Redis. Listens on port 3000."""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time, also during the imports

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, ResponseError, TimeoutError
from serve import options, serve
from service import Error, service
from starlette.exceptions import HTTPException
from starlette.requests import Request

URL = os.environ.get("BARQ_URL") or os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379"
AWAY = (ConnectionError, TimeoutError)

client = redis.asyncio.from_url(
    URL,
    decode_responses=True,
    encoding_errors="replace",
    socket_timeout=0.7,
    socket_connect_timeout=0.7,
    retry=Retry(NoBackoff(), 0),
)


class Entry(msgspec.Struct):
    key: Annotated[str, msgspec.Meta(min_length=1)] | int | float | bool
    value: str | int | float | bool


class Saved(msgspec.Struct):
    message: str
    reply: str


class Found(msgspec.Struct):
    key: str
    value: str


def as_text(value: str | int | float | bool) -> str:
    """What Redis keeps of it, which knows nothing but text."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


async def set_key(_: Request, body: Entry) -> Saved:
    """Set a key."""
    key, value = as_text(body.key), as_text(body.value)
    try:
        await client.set(key, value)
    except AWAY:
        raise HTTPException(503, "Error saving to Redis", {"Retry-After": "1"}) from None
    return Saved(f"Key {key} set with value {value}", "OK")


async def get_key(request: Request) -> Found:
    """The value of a key."""
    key = request.path_params["key"]
    try:
        value = await client.get(key)
    except AWAY:
        raise HTTPException(503, "Error retrieving from Redis", {"Retry-After": "1"}) from None
    except ResponseError:  # somebody keeps a list there, for example
        raise HTTPException(409, f"Key {key} holds no single value") from None
    if value is None:
        raise HTTPException(404, f"Key {key} not found")
    return Found(key, value)


@contextlib.asynccontextmanager
async def life(_: object) -> AsyncIterator[None]:
    yield
    await client.aclose()


app = service("Keys", {"POST /set": set_key, "GET /get/{key:path}": get_key}, wrong=Error, lifespan=life)

if __name__ == "__main__":
    chosen = options(__doc__, port=3000).parse_args()
    serve(app, host=chosen.host, port=chosen.port)
