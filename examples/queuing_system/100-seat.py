"""Task 10: fifty seats, given out by jobs of a queue, none of them twice. Listens on port 1245.

The sale lives in Redis. The first service that starts begins it, those that start later or again join it, and
`python 100-seat.py --new-sale` begins the next one with all seats free.
"""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time, also during the imports

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import msgspec
from serve import options, serve
from service import service
from shared_redis import RedisAway, SharedRedis
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request

import barq

SEATS = 50

# Starting it a second time must not give the sold seats away again, so only the first start of a sale sets them. Each
# sale has a name, by which a repeated call (its answer was lost) is known.
BEGIN = """
local available_seats, reservation_enabled, reserved_seats, sale = unpack(KEYS)
local on = redis.call('GET', sale)
if on and (on == ARGV[2] or ARGV[2] == '') then return end
redis.call('MSET', available_seats, ARGV[1], reservation_enabled, 'true', sale, ARGV[2])
redis.call('DEL', reserved_seats)
"""

# Looking and taking are one step of the server, and it notes the job. A worker may die between this step and the word
# that its job is done: then the job runs again, here or elsewhere, and finds the seat that it has.
TAKE = """
local available_seats, reservation_enabled, reserved_seats = unpack(KEYS)
local seat = redis.call('HGET', reserved_seats, ARGV[1])
if seat then return seat end
local available = tonumber(redis.call('GET', available_seats) or 0)
if available <= 1 then redis.call('SET', reservation_enabled, 'false') end
if available < 1 then return false end
redis.call('DECR', available_seats)
seat = redis.call('HLEN', reserved_seats) + 1
redis.call('HSET', reserved_seats, ARGV[1], seat)
return seat
"""

KEYS = ("available_seats", "reservationEnabled", "reserved_seats", "sale")

PATIENCE = 0.8  # seconds: a look at the sale and then a job have to be answered within 2

redis = SharedRedis()
queue = barq.Queue(timeout=PATIENCE)


async def reserve_seat(number: int, sale: str = "") -> None:
    """Begin a sale of so many seats: one of that name, or any unless one is on."""
    await redis.do("EVAL", BEGIN, len(KEYS), *KEYS, number, sale, within=None)


async def get_current_available_seats() -> str:
    return await of_sale("available_seats")


async def of_sale(key: str) -> str:
    value = await redis.get(key, within=PATIENCE)
    if value is None:  # this service has just started, or somebody emptied the server
        raise HTTPException(503, "No sale is on")
    return value


# ---- what is answered


class Seats(msgspec.Struct, rename="camel"):
    number_of_available_seats: str


class Reservation(msgspec.Struct):
    status: Literal["Reservation in process", "Reservation are blocked"]


class Processing(msgspec.Struct):
    status: Literal["Queue processing"]


async def show_seats(_: Request) -> Seats:
    """How many seats are left."""
    return Seats(await get_current_available_seats())


async def reserve(_: Request, key: str | None) -> Reservation:
    """Ask for a seat."""
    try:
        if await of_sale("reservationEnabled") != "true":
            return Reservation("Reservation are blocked")
        job = queue.create("reserve_seat", token=key)
        job.on("complete", lambda _: print(f"Seat reservation job {job.id} completed", flush=True))
        job.on("failed", lambda error: print(f"Seat reservation job {job.id} failed: {error}", flush=True))
        await job.save()
    except (RedisAway, barq.ServerUnreachable, barq.QueueFull):
        raise HTTPException(503, "Reservation failed") from None
    return Reservation("Reservation in process")


# ---- the queue

worker: barq.Worker | None = None
working: asyncio.Task[None] | None = None


async def process(_: Request) -> Processing:
    """Process the queue from now on; while Redis is away, from its return on."""
    global worker, working
    if working is None or working.done():
        # should we be killed, others run our jobs after 5 s, however often: a job that has its seat must not fail
        worker = barq.Worker(queue, lease=5, poison=1000, grace=0.5)
        working = asyncio.create_task(worker.run(signals=False))
    return Processing("Queue processing")


@queue.handler("reserve_seat")
async def take_seat(job: barq.Job) -> int:
    """Returns the number of the seat."""
    seat = await redis.do("EVAL", TAKE, len(KEYS), *KEYS, job.id, within=None)
    if seat is None:
        raise ValueError("Not enough seats available")
    return int(seat)


# ---- the process


@contextlib.asynccontextmanager
async def life(app: Starlette) -> AsyncIterator[None]:
    beginning = asyncio.create_task(reserve_seat(SEATS, app.state.sale))
    yield
    beginning.cancel()
    if worker is not None and working is not None:
        worker.stop()
        await asyncio.wait([working], timeout=1)
    await queue.close()
    await redis.close()


app = service(
    "Seats",
    {"GET /available_seats": show_seats, "GET /reserve_seat": reserve, "GET /process": process},
    page=Path(__file__).with_suffix(".html"),
    lifespan=life,
)
app.state.sale = ""

if __name__ == "__main__":
    parser = options(__doc__, port=1245)
    parser.add_argument("--new-sale", action="store_true", help="free all seats")
    chosen = parser.parse_args()
    if chosen.new_sale:
        app.state.sale = uuid.uuid4().hex
    serve(app, host=chosen.host, port=chosen.port)
