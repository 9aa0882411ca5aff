"""Ways to name a server: clients of redis-py and valkey-py, unix sockets, databases, TLS."""

from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.sentinel import Sentinel

import barq
from tests.support import Server


async def round_trip(queue: barq.Queue) -> None:
    async with queue:
        job = await queue.enqueue("email", {"to": "ä"}, title="x")
        read = await queue.get(job.id)
        assert (read.data, read.title, read.type) == ({"to": "ä"}, "x", "email")
        (event,) = [event async for event in first(queue)]
        assert event.name == "enqueue"


async def first(queue: barq.Queue) -> Any:
    async for event in queue.events("0"):
        yield event
        return


@pytest.mark.parametrize("kind", [redis.Redis, redis.asyncio.Redis])
@pytest.mark.parametrize("options", [{}, {"decode_responses": True}, {"protocol": 3, "socket_timeout": 1}])
async def test_a_client_lends_its_address(server: Server, name: str, kind: Any, options: dict[str, Any]) -> None:
    client = kind(host="127.0.0.1", port=server.port, **options)
    await round_trip(barq.Queue(name, client=client))
    closed = client.close()
    if closed is not None:
        await client.aclose()
        closed.close()


async def test_a_valkey_client_lends_its_address(server: Server, name: str) -> None:
    valkey = pytest.importorskip("valkey")
    await round_trip(barq.Queue(name, client=valkey.Valkey.from_url(server.url, decode_responses=True)))


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
async def test_a_url_may_name_a_database(server: Server, name: str, scheme: str) -> None:
    await round_trip(barq.Queue(name, url=f"{server.url}/3".replace("redis", scheme)))
    seq = f"barq:{{{name}}}:seq"
    for database, stored in ((3, b"1"), (0, None)):
        with redis.Redis(host="127.0.0.1", port=server.port, db=database) as client:
            assert client.get(seq) == stored


async def test_a_url_may_name_a_unix_socket(tmp_path: Path, name: str) -> None:
    socket = tmp_path / "s"
    server = Server(tmp_path, "--unixsocket", str(socket)).start()
    try:
        await round_trip(barq.Queue(name, url=f"unix://{socket}"))
        client = redis.Redis(unix_socket_path=str(socket))
        queue = barq.Queue(name, client=client)
        assert str(socket) in repr(queue)
        async with queue:
            assert (await queue.enqueue("email")).id == 2
        client.close()
    finally:
        server.stop()


def test_a_client_with_tls_is_not_spoken_to_without_it() -> None:
    for client in (
        redis.Redis.from_url("rediss://:secret@localhost:1"),
        redis.Redis(host="localhost", port=1, ssl=True, password="secret"),
    ):
        queue = barq.Queue(client=client)
        assert repr(queue) == "<Queue default at rediss://localhost:1>"
        assert "SSL" in type(queue.target.make()).__name__


@pytest.mark.parametrize("what", ["a sentinel", "a pool", "a url"])
def test_what_is_no_client_of_a_server_is_refused(what: str) -> None:
    client: Any = {
        "a sentinel": lambda: Sentinel([("localhost", 1)]),
        "a pool": lambda: redis.ConnectionPool(),
        "a url": lambda: "redis://localhost",
    }[what]()
    with pytest.raises(barq.InvalidType, match="client must be"):
        barq.Queue(client=client)


async def test_the_environment_names_the_server(server: Server, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("BARQ_URL", server.url)
    await round_trip(barq.Queue(name))
    monkeypatch.setenv("BARQ_URL", "")
    assert barq.Queue(name).target.shown == "redis://127.0.0.1:1"
    monkeypatch.delenv("REDIS_URL")
    assert barq.Queue(name).target.shown == "redis://127.0.0.1:6379"
