"""What the server refuses, as typed errors; what passes by itself is waited for."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import barq
from barq.store.talk import Wire
from tests.support import Server, wait_until


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def make(*options: str) -> Server:
        folder = tmp_path / f"server {len(made)}"
        folder.mkdir()
        made.append(Server(folder, *options).start())
        return made[-1]

    yield make
    for server in made:
        server.kill() if server.process and server.process.poll() is None else None


def tell(server: Server, *words: str) -> object:
    with Wire.dial("127.0.0.1", server.port, timeout=5) as wire:
        return wire.ask(*words)


def refused(server: Server, *words: str) -> str:
    """What the server says against a command; empty when nothing."""
    try:
        tell(server, *words)
    except barq.ServerError as error:
        return str(error)
    return ""


async def refusal(url: str, kind: type[Exception], says: str, *, timeout: float = 3) -> str:
    async with barq.Queue("q", url=url, timeout=timeout) as queue:
        start = time.monotonic()
        with pytest.raises(kind, match=says) as caught:
            await queue.enqueue("email")
        assert time.monotonic() - start < timeout + 1
    return str(caught.value)


async def test_a_full_memory_is_a_full_queue_and_running_jobs_go_on(own_server: Server, name: str) -> None:
    async with barq.Queue(name, url=own_server.url, timeout=3) as queue:
        running = await queue.enqueue("email")
        tell(own_server, "CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(barq.QueueFull, match="no memory left: nothing was stored"):
            await queue.enqueue("email")
        with pytest.raises(barq.QueueFull):
            await queue.enqueue_many("email", range(500))
        assert (await queue.counts())["waiting"] == 1

        @queue.handler("email")
        async def send(job: barq.Job) -> str:
            await job.progress(1)
            await job.log("a line")
            return "sent"

        await asyncio.wait_for(barq.Worker(queue, burst=True).run(signals=False), 20)
        assert await running.result(5) == "sent"
        tell(own_server, "CONFIG", "SET", "maxmemory", "0")
        assert (await queue.enqueue("email")).id == 2


async def test_a_missing_or_wrong_password_is_permission_denied_at_once(make_server: Callable[..., Server]) -> None:
    server = make_server("--requirepass", "right")
    start = time.monotonic()
    await refusal(server.url, barq.PermissionDenied, "NOAUTH|refused the user or password|Authentication required")
    wrong = server.url.replace("//", "//:wrong-secret@")
    said = await refusal(wrong, barq.PermissionDenied, "refused the user or password")
    assert "wrong-secret" not in said
    assert "…@127.0.0.1" in said
    assert time.monotonic() - start < 2
    async with barq.Queue("q", url=server.url.replace("//", "//:right@")) as queue:
        assert (await queue.enqueue("email")).id == 1


async def test_a_user_without_a_right_is_told_which(own_server: Server) -> None:
    tell(own_server, "ACL", "SETUSER", "ada", "on", ">secret", "~*", "+@all", "-evalsha", "-eval")
    url = own_server.url.replace("//", "//ada:secret@")
    said = await refusal(url, barq.PermissionDenied, "eval")
    assert "secret" not in said
    tell(own_server, "ACL", "SETUSER", "bob", "on", ">secret", "~*", "+@all", "-info")
    await refusal(own_server.url.replace("//", "//bob:secret@"), barq.PermissionDenied, "info")
    tell(own_server, "ACL", "SETUSER", "eve", "on", ">secret", "~other:*", "+@all")
    await refusal(own_server.url.replace("//", "//eve:secret@"), barq.PermissionDenied, "key")


async def test_a_replica_is_unsuitable(own_server: Server, make_server: Callable[..., Server]) -> None:
    replica = make_server("--replicaof", f"127.0.0.1 {own_server.port}")
    wait_until(lambda: "master_link_status:up" in str(tell(replica, "INFO", "replication")), "the replica follows")
    start = time.monotonic()
    await refusal(replica.url, barq.ServerUnsuitable, "read-only replica: connect to its primary")
    assert time.monotonic() - start < 2


async def test_a_primary_that_became_a_replica_is_waited_for(
    own_server: Server, make_server: Callable[..., Server]
) -> None:
    other = make_server()
    async with barq.Queue("q", url=own_server.url, timeout=15) as queue:
        await queue.enqueue("email")
        tell(own_server, "REPLICAOF", "127.0.0.1", str(other.port))
        enqueue = asyncio.create_task(queue.enqueue("email"))
        done, _ = await asyncio.wait([enqueue], timeout=0.5)
        assert not done
        tell(own_server, "REPLICAOF", "NO", "ONE")
        assert (await enqueue).id > 0


async def test_a_server_that_drops_keys_is_unsuitable(make_server: Callable[..., Server]) -> None:
    server = make_server("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    await refusal(server.url, barq.ServerUnsuitable, "maxmemory-policy allkeys-lru.*set maxmemory-policy to noeviction")
    tell(server, "CONFIG", "SET", "maxmemory", "0")
    async with barq.Queue("q", url=server.url) as queue:
        await queue.enqueue("email")


async def fake_server(version: str) -> tuple[asyncio.Server, str]:
    """Answers what every connection asks first, as a server of that version would."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            for word in data.upper().split():
                if word == b"INFO":
                    info = f"redis_version:{version}\r\nrole:master\r\n".encode()
                    writer.write(b"$%d\r\n%b\r\n" % (len(info), info))
                elif word == b"ID":
                    writer.write(b":7\r\n")
                elif word == b"SETINFO":
                    writer.write(b"+OK\r\n")
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    return listener, f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


async def test_a_server_that_is_too_old_is_unsuitable() -> None:
    listener, url = await fake_server("6.0.16")
    await refusal(url, barq.ServerUnsuitable, "is redis 6.0.16: barq needs Redis 6.2 or Valkey 7.2 at least")
    listener.close()


async def test_a_server_whose_script_takes_long_is_waited_for(own_server: Server, name: str) -> None:
    tell(own_server, "CONFIG", "SET", "busy-reply-threshold", "50")
    async with barq.Queue(name, url=own_server.url, timeout=20) as queue:
        await queue.enqueue("email")
        _, writer = await asyncio.open_connection("127.0.0.1", own_server.port)
        writer.write(b"EVAL 'while true do end' 0\r\n")
        await writer.drain()
        wait_until(lambda: "BUSY" in refused(own_server, "GET", "x"), "the server is busy")
        enqueue = asyncio.create_task(queue.enqueue("email"))
        done, _ = await asyncio.wait([enqueue], timeout=0.3)
        assert not done
        tell(own_server, "SCRIPT", "KILL")
        assert (await enqueue).id == 2
        writer.close()


async def test_a_server_that_loads_its_data_is_waited_for(own_server: Server, name: str) -> None:
    async with barq.Queue(name, url=own_server.url, timeout=30) as queue:
        await queue.enqueue_many("email", range(2000))
        own_server.kill()
        own_server.options = ("--key-load-delay", "300", "--loading-process-events-interval-bytes", "1024")
        own_server.start()
        connections = queue._here().store.connections
        job = await queue.enqueue("email")
        assert job.id == 2001
        assert queue._here().store.connections - connections < 20  # it does not knock without a pause


async def test_an_error_that_is_none_of_these_is_a_server_error(queue: barq.Queue) -> None:
    link = await queue._here().store._connected(None)
    await link.call(b"SET", b"barq:{%b}:seq" % queue.name.encode(), b"text")
    with pytest.raises(barq.ServerError, match="answered with an error"):
        await queue.enqueue("email")
    assert not issubclass(barq.ServerError, ConnectionError)
