"""Task 9: the stock service as a process. What it answers, and that it never promises more than there is."""

import asyncio
import signal
import uuid
from collections.abc import Iterable

import httpx
import pytest
import redis

from tests.examples.service import Service, Start, ask_all, ask_once, starting
from tests.support import Server, wait_until
from tests.wire.proxy import Proxy

STOCK = {1: 4, 2: 10, 3: 2, 4: 5}
PRODUCTS = (
    '[{"itemId":1,"itemName":"Suitcase 250","price":50,"initialAvailableQuantity":4},'
    '{"itemId":2,"itemName":"Suitcase 450","price":100,"initialAvailableQuantity":10},'
    '{"itemId":3,"itemName":"Suitcase 650","price":350,"initialAvailableQuantity":2},'
    '{"itemId":4,"itemName":"Suitcase 1050","price":550,"initialAvailableQuantity":5}]'
)
CONFIRMED, SOLD_OUT = "Reservation confirmed", "Not enough stock available"


@pytest.fixture
def start(own_server: Server) -> Iterable[Start]:
    yield from starting("9-stock.py", own_server.port)


@pytest.fixture
def stock(start: Start) -> Service:
    return start().listens()


@pytest.fixture
def three(start: Start) -> list[Service]:
    return [service.listens() for service in [start(), start(), start()]]


def left(service: Service, item_id: int) -> int:
    quantity: int = service.client.get(f"/list_products/{item_id}").json()["currentQuantity"]
    return quantity


# ---- what it answers


def test_products_are_listed_as_in_the_brief(stock: Service) -> None:
    assert stock.get("/list_products") == PRODUCTS


def test_a_product_shows_what_is_left(stock: Service) -> None:
    shown = '{"itemId":1,"itemName":"Suitcase 250","price":50,"initialAvailableQuantity":4,"currentQuantity":%d}'
    assert stock.get("/list_products/1") == shown % 4
    stock.get("/reserve_product/1")
    assert stock.get("/list_products/1") == shown % 3


def test_each_piece_is_reserved_once(stock: Service) -> None:
    for item_id, pieces in STOCK.items():
        for _ in range(pieces):
            assert stock.get(f"/reserve_product/{item_id}") == f'{{"status":"{CONFIRMED}","itemId":{item_id}}}'
        for _ in range(3):
            assert stock.get(f"/reserve_product/{item_id}") == f'{{"status":"{SOLD_OUT}","itemId":{item_id}}}'
        assert left(stock, item_id) == 0


def test_an_unknown_or_malformed_id_is_no_product(stock: Service) -> None:
    for id in (
        "0",
        "5",
        "12",
        "-1",
        "+1",
        "1.0",
        "01",
        "1e0",
        "x",
        "%20",
        "%00",
        "%FF",
        "\u0661",
        "9" * 400,
        "1;2",
        "1%3F",
        "None",
    ):
        for path in ("list_products", "reserve_product"):
            assert stock.get(f"/{path}/{id}") == '{"status":"Product not found"}', id


def test_reserved_pieces_stand_under_the_key_of_the_brief(stock: Service, own_server: Server) -> None:
    server = redis.Redis.from_url(own_server.url, decode_responses=True)
    stock.get("/reserve_product/2")
    assert server.get("item.2") == "1"
    server.set("item.2", 9)
    assert left(stock, 2) == 1
    assert CONFIRMED in stock.get("/reserve_product/2")
    assert SOLD_OUT in stock.get("/reserve_product/2")


def test_who_asks_again_with_the_same_key_gets_the_same_piece(stock: Service) -> None:
    for _ in range(5):
        assert CONFIRMED in stock.get("/reserve_product/3", key="mine")
    assert left(stock, 3) == 1
    assert CONFIRMED in stock.get("/reserve_product/3", key="yours")
    assert SOLD_OUT in stock.get("/reserve_product/3", key="theirs")
    assert CONFIRMED in stock.get("/reserve_product/3", key="mine")


async def test_many_at_once_with_the_same_key_get_one_piece(stock: Service) -> None:
    """They go to the server in one call."""
    async with httpx.AsyncClient(headers={"Idempotency-Key": "mine"}, timeout=20) as client:
        answers = await asyncio.gather(*(client.get(f"{stock.url}/reserve_product/3") for _ in range(30)))
    assert {answer.json()["status"] for answer in answers} == {CONFIRMED}
    assert left(stock, 3) == 1


# ---- that it never oversells


@pytest.mark.parametrize("item_id", STOCK)
async def test_200_at_once_on_three_services_get_what_is_there(item_id: int, three: list[Service]) -> None:
    answers = await ask_once(three, f"/reserve_product/{item_id}", times=200)
    said = [answer["status"] for answer in answers]
    assert said.count(CONFIRMED) == STOCK[item_id]
    assert said.count(SOLD_OUT) == 200 - STOCK[item_id]
    assert [left(service, item_id) for service in three] == [0, 0, 0]


def test_reservations_outlive_the_service(start: Start) -> None:
    for reserved in range(4):
        service = start().listens()
        assert left(service, 1) == 4 - reserved
        assert CONFIRMED in service.get("/reserve_product/1")
        assert service.interrupt() == 0
    service = start().listens()
    assert SOLD_OUT in service.get("/reserve_product/1")


@pytest.mark.parametrize("after", [0.0, 0.02, 0.05, 0.1])
async def test_server_killed_under_load(after: float, three: list[Service], own_server: Server) -> None:
    """All are asked at once; who got no answer asks again, with the same key."""
    asking = [asyncio.create_task(ask_all(three, f"/reserve_product/{item_id}", times=60)) for item_id in STOCK]
    await asyncio.sleep(after)
    own_server.kill()
    await asyncio.to_thread(own_server.start)
    for task, (item_id, pieces) in zip(asking, STOCK.items(), strict=True):
        assert [answer["status"] for answer in await task].count(CONFIRMED) == pieces
        assert [left(service, item_id) for service in three] == [0, 0, 0]


async def test_a_reservation_whose_answer_was_lost_is_made_once(start: Start, own_server: Server) -> None:
    """The server has reserved, and the word of it never arrives: the service asks again by itself."""
    async with Proxy(own_server.port) as proxy:
        service = start(port=int(proxy.url.rpartition(":")[2]))
        await asyncio.to_thread(service.listens)
        await asyncio.to_thread(service.is_ready, "/list_products/1")
        server = redis.Redis.from_url(own_server.url)
        async with proxy.losing_answers():
            asking = asyncio.create_task(ask_once([service], "/reserve_product/1", times=1))
            await proxy.dropped()
            assert server.get("item.1") == b"1"
        assert [answer["status"] for answer in await asking] == [CONFIRMED]
        assert server.get("item.1") == b"1"
        assert await asyncio.to_thread(left, service, 1) == 3


# ---- that it says so when something is wrong


def test_redis_killed_and_back(stock: Service, own_server: Server) -> None:
    stock.get("/reserve_product/1")
    own_server.kill()
    for _ in range(3):
        for path in ("/list_products/1", "/reserve_product/1"):
            assert stock.is_without_redis(path) == {"status": "Service unavailable"}
    assert stock.get("/list_products") == PRODUCTS
    assert stock.get("/list_products/9") == '{"status":"Product not found"}'
    own_server.start()
    stock.is_ready("/list_products/1")
    assert 0 <= left(stock, 1) <= 3  # what got no answer may have been reserved, never twice


def test_redis_frozen_and_back(stock: Service, own_server: Server) -> None:
    stock.is_ready("/list_products/1")
    assert own_server.process is not None
    own_server.process.send_signal(signal.SIGSTOP)
    try:
        assert stock.is_without_redis("/list_products/1") == {"status": "Service unavailable"}
        assert stock.is_without_redis("/reserve_product/1") == {"status": "Service unavailable"}
    finally:
        own_server.process.send_signal(signal.SIGCONT)
    stock.is_ready("/list_products/1")


def test_started_before_redis(start: Start, own_server: Server) -> None:
    own_server.kill()
    service = start().listens()
    assert service.is_without_redis("/list_products/1") == {"status": "Service unavailable"}
    own_server.start()
    service.is_ready("/list_products/1")
    assert CONFIRMED in service.get("/reserve_product/1")


def test_an_error_of_the_server_is_said_in_json(stock: Service, own_server: Server) -> None:
    redis.Redis.from_url(own_server.url).lpush("item.1", uuid.uuid4().hex)
    for path in ("/list_products/1", "/reserve_product/1"):
        answer = stock.client.get(path)
        assert (answer.status_code, answer.text) == (500, '{"status":"Internal server error"}')
        assert answer.headers["content-type"] == "application/json"
    wait_until(lambda: any("WRONGTYPE" in line for line in stock.errors), "the error is logged")
    assert stock.get("/list_products/2")
