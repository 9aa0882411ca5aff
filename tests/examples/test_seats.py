"""Task 10: the seat service as a process. What it answers and prints, and that fifty jobs get a seat, not one more."""

import asyncio
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterable

import pytest
import redis

import barq
from tests.examples.service import Service, Start, ask_all, ask_once, starting
from tests.support import Server, until, wait_until

SEATS = 50
IN_PROCESS = '{"status":"Reservation in process"}'
BLOCKED = '{"status":"Reservation are blocked"}'
PROCESSING = '{"status":"Queue processing"}'


@pytest.fixture
def start(own_server: Server) -> Iterable[Start]:
    yield from starting("100-seat.py", own_server.port)


def ready(service: Service) -> Service:
    return service.listens().is_ready("/available_seats")


@pytest.fixture
def seats(start: Start) -> Service:
    return ready(start())


@pytest.fixture
def three(start: Start) -> list[Service]:
    return [ready(service) for service in [start(), start(), start()]]


@pytest.fixture
def keys(own_server: Server) -> Iterable["redis.Redis[str]"]:
    with redis.Redis.from_url(own_server.url, decode_responses=True) as client:
        yield client


def left(service: Service) -> int:
    return int(service.client.get("/available_seats").json()["numberOfAvailableSeats"])


async def ended(server: Server, jobs: int) -> dict[str, int]:
    """Wait until so many seat jobs have ended; returns how."""
    async with barq.Queue(url=server.url) as queue:

        async def all_ended() -> bool:
            counts = await queue.counts("reserve_seat")
            return counts["completed"] + counts["failed"] == sum(counts.values()) >= jobs

        await until(all_ended, f"{jobs} seat jobs have ended", seconds=40)
        return {state: number for state, number in (await queue.counts("reserve_seat")).items() if number}


def given_out(keys: "redis.Redis[str]") -> list[int]:
    """The seats that jobs have, which are as many as the numbers."""
    return sorted(map(int, keys.hvals("reserved_seats")))


# ---- what it answers


def test_a_sale_from_the_first_seat_to_the_last(seats: Service) -> None:
    assert seats.get("/available_seats") == '{"numberOfAvailableSeats":"50"}'
    for _ in range(3):
        assert seats.get("/reserve_seat") == IN_PROCESS
    assert seats.get("/available_seats") == '{"numberOfAvailableSeats":"50"}'  # nobody processes the queue yet
    assert seats.lines == []
    assert seats.get("/process") == PROCESSING
    assert sorted(seats.has_printed(3).lines) == [f"Seat reservation job {id} completed" for id in (1, 2, 3)]
    assert seats.get("/available_seats") == '{"numberOfAvailableSeats":"47"}'
    for printed in range(4, SEATS + 1):
        assert seats.get("/reserve_seat") == IN_PROCESS
        assert seats.has_printed(printed).lines[-1] == f"Seat reservation job {printed} completed"
        assert left(seats) == SEATS - printed
    for _ in range(3):
        assert seats.get("/reserve_seat") == BLOCKED
    assert seats.get("/available_seats") == '{"numberOfAvailableSeats":"0"}'
    assert seats.interrupt() == 0
    assert len(seats.lines) == SEATS


def test_who_asked_in_time_but_comes_too_late_hears_that_it_failed(seats: Service) -> None:
    for _ in range(53):
        assert seats.get("/reserve_seat") == IN_PROCESS
    seats.get("/process")
    seats.has_printed(53)
    said = Counter(re.sub(r"\d+", "ID", line) for line in seats.lines)
    assert said == {
        "Seat reservation job ID completed": SEATS,
        "Seat reservation job ID failed: Not enough seats available": 3,
    }
    assert {int(re.findall(r"\d+", line)[0]) for line in seats.lines} == set(range(1, 54))
    assert seats.get("/reserve_seat") == BLOCKED


async def test_who_asks_again_with_the_same_key_asks_once(seats: Service, own_server: Server) -> None:
    for key in ("mine", "mine", "yours", "mine"):
        assert seats.get("/reserve_seat", key=key) == IN_PROCESS
    seats.get("/process")
    assert await ended(own_server, 2) == {"completed": 2}
    assert left(seats) == SEATS - 2


# ---- that fifty are sold


async def test_200_at_once_four_calls_to_process_on_three_services(
    three: list[Service], own_server: Server, keys: "redis.Redis[str]"
) -> None:
    asking = asyncio.create_task(ask_once(three, "/reserve_seat", times=200))
    for service in (*three, three[0]):
        assert await asyncio.to_thread(service.get, "/process") == PROCESSING
    said = Counter(answer["status"] for answer in await asking)
    assert said.keys() <= {"Reservation in process", "Reservation are blocked"}
    how = await ended(own_server, said["Reservation in process"])
    assert how.pop("completed") == SEATS
    assert how.pop("failed", 0) == said["Reservation in process"] - SEATS
    assert given_out(keys) == list(range(1, SEATS + 1))
    assert [left(service) for service in three] == [0, 0, 0]
    assert [service.get("/reserve_seat") for service in three] == [BLOCKED] * 3
    printed = [line for service in three for line in service.lines]
    wait_until(lambda: sum(len(service.lines) for service in three) >= said["Reservation in process"], "all is printed")
    printed = [line for service in three for line in service.lines]
    assert sum(line.endswith(" completed") for line in printed) == SEATS
    assert len(printed) == said["Reservation in process"]


async def test_services_killed_while_they_give_out_seats(
    start: Start, own_server: Server, keys: "redis.Redis[str]"
) -> None:
    """SIGKILL the moment a job has its seat: the job runs again elsewhere, and keeps that seat."""
    interrupted = 0
    async with barq.Queue(url=own_server.url) as queue:
        for _ in range(4):
            service = ready(start())
            said = Counter(answer["status"] for answer in await ask_once([service], "/reserve_seat", times=10))
            assert said == {"Reservation in process": 10}
            given_before = keys.hlen("reserved_seats")
            service.get("/process")
            deadline = time.monotonic() + 20
            while keys.hlen("reserved_seats") == given_before:
                assert time.monotonic() < deadline
            os.kill(service.process.pid, signal.SIGKILL)
            counts = await queue.counts("reserve_seat")
            interrupted += keys.hlen("reserved_seats") - counts["completed"]
    assert interrupted > 0  # jobs that have a seat and do not know that they are done
    last = ready(start())
    await ask_once([last], "/reserve_seat", times=30)
    last.get("/process")
    assert await ended(own_server, 70) == {"completed": SEATS, "failed": 20}
    assert given_out(keys) == list(range(1, SEATS + 1))
    assert left(last) == 0


@pytest.mark.parametrize("after", [0.0, 0.05, 0.15])
async def test_server_killed_under_load(
    after: float, three: list[Service], own_server: Server, keys: "redis.Redis[str]"
) -> None:
    for service in three:
        service.get("/process")
    asking = asyncio.create_task(ask_all(three, "/reserve_seat", times=200))
    await asyncio.sleep(after)
    own_server.kill()
    await asyncio.to_thread(own_server.start)
    said = Counter(answer["status"] for answer in await asking)
    how = await ended(own_server, said["Reservation in process"])
    assert how["completed"] == SEATS
    assert given_out(keys) == list(range(1, SEATS + 1))
    assert [left(service) for service in three] == [0, 0, 0]


# ---- one sale, and the next


def test_a_service_that_starts_joins_the_sale(start: Start) -> None:
    first = ready(start())
    first.get("/process")
    for _ in range(5):
        first.get("/reserve_seat")
    first.has_printed(5)
    second = ready(start())
    assert left(first) == left(second) == SEATS - 5
    assert first.interrupt() == second.interrupt() == 0
    again = ready(start())
    assert left(again) == SEATS - 5


def test_a_sold_out_sale_stays_sold_out_and_a_new_one_begins_on_request(start: Start) -> None:
    first = ready(start())
    first.get("/process")
    for _ in range(SEATS):
        first.get("/reserve_seat")
    first.has_printed(SEATS)
    assert first.interrupt() == 0
    again = ready(start())
    assert (left(again), again.get("/reserve_seat")) == (0, BLOCKED)
    fresh = ready(start("--new-sale"))
    wait_until(lambda: left(fresh) == SEATS, "the new sale is on")
    assert left(again) == SEATS  # they share it
    assert again.get("/reserve_seat") == IN_PROCESS
    fresh.get("/process")
    assert again.has_printed(1).lines == [f"Seat reservation job {SEATS + 1} completed"]
    assert left(again) == left(fresh) == SEATS - 1


# ---- that it says so when something is wrong


def test_redis_killed_and_back(seats: Service, own_server: Server) -> None:
    seats.get("/reserve_seat")
    own_server.kill()
    for _ in range(2):
        assert seats.is_without_redis("/available_seats") == {"status": "Service unavailable"}
        assert seats.is_without_redis("/reserve_seat") == {"status": "Reservation failed"}
    assert seats.get("/process") == PROCESSING  # from Redis' return on
    own_server.start()
    seats.is_ready("/available_seats").has_printed(1)
    assert seats.lines[0] == "Seat reservation job 1 completed"
    seats.is_ready("/reserve_seat")


def test_redis_frozen_and_back(seats: Service, own_server: Server) -> None:
    seats.get("/process")
    assert own_server.process is not None
    own_server.process.send_signal(signal.SIGSTOP)
    try:
        assert seats.is_without_redis("/available_seats") == {"status": "Service unavailable"}
        assert seats.is_without_redis("/reserve_seat") == {"status": "Reservation failed"}
    finally:
        own_server.process.send_signal(signal.SIGCONT)
    seats.is_ready("/available_seats").is_ready("/reserve_seat")


def test_started_before_redis(start: Start, own_server: Server) -> None:
    own_server.kill()
    service = start().listens()
    assert service.is_without_redis("/available_seats") == {"status": "Service unavailable"}
    assert service.is_without_redis("/reserve_seat") == {"status": "Reservation failed"}
    own_server.start()
    assert ready(service).get("/available_seats") == '{"numberOfAvailableSeats":"50"}'
    service.is_ready("/reserve_seat")


def test_no_sale_on_an_emptied_server(seats: Service, keys: "redis.Redis[str]", start: Start) -> None:
    """What was sold is not known any more: nothing is sold until somebody starts it again."""
    keys.flushall()
    for path in ("/available_seats", "/reserve_seat"):
        assert seats.is_without_redis(path) == {"status": "No sale is on"}
    ready(start())
    assert left(seats) == SEATS
