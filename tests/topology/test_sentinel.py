"""Sentinel: who is the primary is asked of the sentinels; after a failover everybody goes on by themselves."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio.sentinel
import redis.sentinel

import barq
from tests.support import free_port
from tests.topology.load import Load
from tests.topology.replicas import freeze, frozen, info, tell, thaw
from tests.topology.sentinels import NAME, SentinelSet

CALM = pytest.mark.xdist_group("calm sentinels")
QUEUE: dict[str, Any] = {"timeout": 20, "keep_events": 1_000_000}


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[SentinelSet]:
    running = SentinelSet(tmp_path)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelSet]:
    """For tests after which all is as it was."""
    running = SentinelSet(tmp_path_factory.mktemp("calm"))
    try:
        yield running.start()
    finally:
        running.stop()


async def test_a_killed_primary_is_followed_by_everybody_and_nothing_replicated_is_lost(
    sentinels: SentinelSet, name: str
) -> None:
    before = sentinels.primary
    async with (
        barq.Queue(name, url=sentinels.url, durability="replicated", **QUEUE) as queue,
        Load(queue).running() as load,
    ):
        before.kill()
        await load.more(200)
        after = await asyncio.to_thread(sentinels.now_primary)
        assert after is not before
        await asyncio.to_thread(before.start)  # with its old data, and for now it takes itself for a primary
        await load.more(200)
        assert load.longest_gap() < 8
    assert not load.refused


async def test_a_frozen_primary_is_left_and_what_it_says_when_it_wakes_does_not_count(
    sentinels: SentinelSet, name: str
) -> None:
    before = sentinels.primary
    async with (
        barq.Queue(name, url=sentinels.url, durability="replicated", **QUEUE) as queue,
        Load(queue).running() as load,
    ):
        freeze(before)
        await asyncio.to_thread(sentinels.wait_for_failover, before)
        await load.more(100)
        thaw(before)
        await load.more(100)
        assert load.longest_gap() < 12


async def test_a_coordinated_failover_loses_nothing_at_any_level(sentinels: SentinelSet, name: str) -> None:
    if "redis_version" in info(sentinels.primary) and "valkey_version" not in info(sentinels.primary):
        pytest.skip("coordinated failovers are Valkey's")
    before = sentinels.primary
    async with barq.Queue(name, url=sentinels.url, **QUEUE) as queue, Load(queue).running() as load:
        tell(sentinels.sentinels[0], "SENTINEL", "FAILOVER", NAME, "COORDINATED")
        await asyncio.to_thread(sentinels.wait_for_failover, before)
        await load.more(200)
    assert not load.refused
    assert set(load.heard.values()) == {1}
    assert load.gaps == 0


async def test_a_queue_that_starts_during_a_failover_waits_for_its_end(sentinels: SentinelSet, name: str) -> None:
    sentinels.primary.kill()
    async with barq.Queue(name, url=sentinels.url, timeout=20) as queue:
        assert (await queue.enqueue("email")).id == 1
    assert info(sentinels.now_primary())["role"] == "master"


@CALM
async def test_a_minority_of_sentinels_is_not_believed(calm: SentinelSet, name: str) -> None:
    """As in the smaller part of a network that has split: the primary there may not be one any more."""
    one, gone = calm.sentinels[0].port, [free_port(), free_port()]
    url = f"redis+sentinel://127.0.0.1:{one},127.0.0.1:{gone[0]},127.0.0.1:{gone[1]}/{NAME}"
    async with barq.Queue(name, url=url, timeout=1) as queue:
        with pytest.raises(barq.ServerUnreachable, match="2 of the 3 sentinels have to name the same primary: 1 name"):
            await queue.enqueue("email")
    with frozen(calm.sentinels[2]):
        async with barq.Queue(name, url=calm.url) as queue:
            assert (await queue.enqueue("email")).id == 1


@CALM
async def test_sentinels_that_do_not_answer_are_not_waited_for(calm: SentinelSet, name: str) -> None:
    with frozen(calm.sentinels[0]):
        async with barq.Queue(name, url=calm.url) as queue:
            start = time.monotonic()
            await queue.enqueue("email")
            assert time.monotonic() - start < 0.9


@CALM
async def test_a_name_that_no_sentinel_knows_is_said_at_once(calm: SentinelSet, name: str) -> None:
    async with barq.Queue(name, url=calm.url.replace(NAME, "other")) as queue:
        start = time.monotonic()
        with pytest.raises(barq.ServerUnsuitable, match="know no primary called 'other'"):
            await queue.enqueue("email")
        assert time.monotonic() - start < 2


def hosts(sentinels: SentinelSet) -> list[tuple[str, int]]:
    return [("127.0.0.1", sentinel.port) for sentinel in sentinels.sentinels]


@CALM
async def test_clients_of_a_sentinel_lend_their_addresses(calm: SentinelSet, name: str) -> None:
    valkey = pytest.importorskip("valkey.sentinel")
    for kind in (redis.sentinel.Sentinel, redis.asyncio.sentinel.Sentinel, valkey.Sentinel):
        client = kind(hosts(calm)).master_for(NAME, db=2)
        queue = barq.Queue(name, client=client)
        assert str(queue.target.shown) == calm.url
        async with queue:
            await queue.enqueue("email")
        with pytest.raises(barq.InvalidType, match="replicas can't be written to"):
            barq.Queue(client=kind(hosts(calm)).slave_for(NAME))
    async with barq.Queue(name, url=f"{calm.url}/2".replace("redis", "valkey")) as queue:
        assert (await queue.counts())["waiting"] == 3


async def test_sentinels_and_servers_may_have_passwords_of_their_own(sentinels: SentinelSet, name: str) -> None:
    for server in sentinels.servers:
        tell(server, "CONFIG", "SET", "masterauth", "inner")
    for server in sentinels.servers:
        tell(server, "CONFIG", "SET", "requirepass", "inner")
    for sentinel in sentinels.sentinels:
        tell(sentinel, "SENTINEL", "SET", NAME, "auth-pass", "inner")
        tell(sentinel, "ACL", "SETUSER", "asker", "on", ">outer", "+sentinel")
        tell(sentinel, "ACL", "SETUSER", "default", "resetpass", ">wrong-for-all")
    base = sentinels.url.replace("//", "//:inner@")
    async with barq.Queue(name, url=f"{base}?sentinel_username=asker&sentinel_password=outer", timeout=3) as queue:
        assert (await queue.enqueue("email")).id == 1
        assert "inner" not in repr(queue)
        assert "outer" not in repr(queue)
    async with barq.Queue(name, url=f"{base}?sentinel_password=wrong", timeout=2) as queue:
        with pytest.raises(barq.PermissionDenied, match="invalid username-password"):
            await queue.enqueue("email")
