"""The proxy: what each of its faults does to what passes, and that it knows which calls are under way."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

import barq
from tests.faults.proxy import Gate, Pair
from tests.support import Server, until


@pytest.fixture
async def gate(server: Server) -> AsyncIterator[Gate]:
    opened = await Gate(server.port).open()
    yield opened
    await opened.close()


@pytest.fixture
async def far(gate: Gate, name: str) -> AsyncIterator[barq.Queue]:
    """A queue whose way to the server leads through the gate."""
    async with barq.Queue(name, url=gate.url, timeout=10) as made:
        await made.ping()
        yield made


async def waiting(queue: barq.Queue) -> int:
    return (await queue.counts())["waiting"]


async def test_what_is_asked_and_answered_passes_as_it_is(far: barq.Queue, queue: barq.Queue) -> None:
    data = {"large": "x" * 500_000}
    job = await far.enqueue("email", data)
    assert (await queue.get(job.id)).data == (await far.get(job.id)).data == data


async def test_a_call_is_under_way_until_it_is_answered(far: barq.Queue, gate: Gate) -> None:
    seen: list[list[str]] = []
    gate.when("enqueue", lambda pair: seen.append(list(pair.under_way)), before=True)
    await far.enqueue("email")
    assert seen == [["enqueue"]]
    assert gate.under_way() == []


async def test_a_strike_before_a_call_keeps_it_from_the_server(far: barq.Queue, gate: Gate, queue: barq.Queue) -> None:
    def strike(_: Pair) -> None:
        gate.reset()

    gate.when("enqueue", strike, before=True)
    connections = gate.connections
    enqueue = asyncio.create_task(far.enqueue("email"))

    async def came_back() -> bool:
        return gate.connections > connections

    await until(came_back, "it connects again")
    await enqueue
    assert await waiting(queue) == 1


async def test_a_strike_after_a_call_lets_it_reach_the_server(far: barq.Queue, gate: Gate, queue: barq.Queue) -> None:
    def strike(_: Pair) -> None:
        gate.hole = True

    gate.when("enqueue", strike, before=False)
    enqueue = asyncio.create_task(far.enqueue("email"))

    async def stored() -> bool:
        return await waiting(queue) == 1

    await until(stored, "the call reached the server")
    assert not enqueue.done()
    gate.heal(hang_up=True)
    assert (await enqueue).id == 1
    assert await waiting(queue) == 1


async def test_a_strike_that_was_disarmed_does_not_happen(far: barq.Queue, gate: Gate) -> None:
    struck: list[Pair] = []
    disarm = gate.when("enqueue", struck.append, before=True)
    disarm()
    disarm()
    await far.enqueue("email")
    assert struck == []


async def test_a_black_hole_takes_both_ways_and_new_connections(far: barq.Queue, gate: Gate, name: str) -> None:
    gate.hole = True
    with pytest.raises(barq.ServerUnreachable):
        async with barq.Queue(name, url=gate.url, timeout=0.3) as other:
            await other.ping()
    async with barq.Queue(name, url=gate.url, timeout=0.3) as other:
        with pytest.raises(barq.ServerUnreachable):
            await other.enqueue("email")
    gate.heal(hang_up=False)
    assert await waiting(far) == 0  # its connection lost nothing meanwhile


async def test_after_a_black_hole_a_connection_that_lost_something_stays_silent(far: barq.Queue, gate: Gate) -> None:
    gate.hole = True
    enqueue = asyncio.create_task(far.enqueue("email"))

    async def lost() -> bool:
        return any(pair.swallowed for pair in gate.pairs)

    await until(lost, "the call is lost")
    gate.heal(hang_up=False)
    began = time.monotonic()
    await enqueue
    assert time.monotonic() - began > 4  # the client's own patience


async def test_an_answer_that_is_cut_arrives_in_part(server: Server, gate: Gate) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gate._listener.sockets[0].getsockname()[1])
    writer.write(b"*2\r\n$4\r\nECHO\r\n$10\r\n0123456789\r\n")
    assert await reader.readexactly(17) == b"$10\r\n0123456789\r\n"
    (pair,) = gate.pairs
    pair.cut_at = 0.5
    writer.write(b"*2\r\n$4\r\nECHO\r\n$10\r\n0123456789\r\n")
    assert await reader.read() == b"$10\r\n012"
    writer.close()


async def test_in_slices_and_late_all_arrives_whole_and_in_order(gate: Gate) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gate._listener.sockets[0].getsockname()[1])
    gate.sliced, gate.delay = True, 0.1
    began = time.monotonic()
    said = b"".join(b"*2\r\n$4\r\nECHO\r\n$7\r\nnumber%d\r\n" % n for n in range(10))
    writer.write(said)
    await asyncio.sleep(0.05)
    gate.heal(hang_up=False)  # what comes later does not overtake
    writer.write(b"*2\r\n$4\r\nECHO\r\n$3\r\nend\r\n")
    expected = b"".join(b"$7\r\nnumber%d\r\n" % n for n in range(10)) + b"$3\r\nend\r\n"
    assert await asyncio.wait_for(reader.readexactly(len(expected)), 10) == expected
    assert time.monotonic() - began > 0.1
    writer.close()


async def test_a_client_that_does_not_read_does_not_fill_the_memory(gate: Gate) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gate._listener.sockets[0].getsockname()[1], limit=1024)
    writer.write(b"*2\r\n$4\r\nECHO\r\n$1000000\r\n" + b"x" * 1_000_000 + b"\r\n")
    await reader.read(100)
    for _ in range(40):
        writer.write(b"*2\r\n$4\r\nECHO\r\n$1000000\r\n" + b"x" * 1_000_000 + b"\r\n")
    await asyncio.sleep(0.5)
    (pair,) = gate.pairs
    assert pair.client.transport is not None
    assert pair.server.transport is not None
    held = pair.client.transport.get_write_buffer_size() + pair.server.transport.get_write_buffer_size()
    assert held < 4_000_000
    writer.transport.abort()
