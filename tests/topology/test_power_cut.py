"""Durability `local` and `fsync` when the power goes: what was acknowledged and is not on disk is lost."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import barq
from barq.store import embedded
from tests.support import Server, wait_until
from tests.topology.power import PoweredServer
from tests.topology.replicas import info, tell
from tests.worker.running import working

Powered = Callable[[str], PoweredServer]


@pytest.fixture
def powered(tmp_path: Path) -> Iterator[Powered]:
    made: list[PoweredServer] = []

    def make(appendfsync: str) -> PoweredServer:
        made.append(PoweredServer(tmp_path, "--appendfsync", appendfsync).start())
        return made[-1]

    yield make
    for server in made:
        if server.running:
            server.kill()


async def produce(queue: barq.Queue, acknowledged: dict[int, float]) -> None:
    """Until the server is gone."""
    while True:
        try:
            job = await queue.enqueue("email")
        except barq.ServerUnreachable:
            return
        acknowledged[job.id] = time.monotonic()


async def acknowledged_before_a_cut(server: PoweredServer, name: str, seconds: float) -> tuple[dict[int, float], float]:
    acknowledged: dict[int, float] = {}
    async with barq.Queue(name, url=server.url, timeout=0.5) as queue:
        producing = asyncio.gather(*(produce(queue, acknowledged) for _ in range(20)))
        await asyncio.sleep(seconds)
        cut_at = time.monotonic()
        await asyncio.to_thread(server.cut_power)
        await producing
    assert len(acknowledged) > 100
    return acknowledged, cut_at


async def stored(server: PoweredServer, name: str) -> set[int]:
    await asyncio.to_thread(server.start)
    members = tell(server, "HKEYS", f"barq:{{{name}}}:job")
    assert isinstance(members, list)
    return {int(str(member)[1:]) for member in members}


async def test_local_loses_what_was_acknowledged_in_the_last_seconds(powered: Powered, name: str) -> None:
    """Not more than two: the server syncs every second, and a sync takes a moment."""
    server = powered("everysec")
    acknowledged, cut_at = await acknowledged_before_a_cut(server, name, 2.5)
    left = await stored(server, name)
    lost = [at for id, at in acknowledged.items() if id not in left]
    assert lost
    assert cut_at - min(lost) < 2.0
    assert len(lost) < len(acknowledged)


async def test_fsync_loses_nothing_acknowledged(powered: Powered, name: str) -> None:
    server = powered("always")
    acknowledged, _ = await acknowledged_before_a_cut(server, name, 1.0)
    assert acknowledged.keys() <= await stored(server, name)


async def test_work_goes_on_after_power_cuts_and_every_job_completes_once(powered: Powered, name: str) -> None:
    server = powered("always")
    runs: Counter[int] = Counter()
    async with barq.Queue(name, url=server.url, durability="fsync", timeout=30, keep_events=1_000_000) as queue:

        @queue.handler("email")
        async def send(job: barq.Job) -> None:
            runs[job.id] += 1
            await asyncio.sleep(0.001)

        async def enqueue_some() -> list[barq.Job]:
            return [await queue.enqueue("email") for _ in range(40)]

        async with working(queue, concurrency=10, lease=1):
            producing = asyncio.gather(*(enqueue_some() for _ in range(20)))
            for _ in range(2):
                await asyncio.sleep(0.4)
                await asyncio.to_thread(server.cut_power)
                await asyncio.to_thread(server.start)
            jobs = [job for some in await producing for job in some]
            await asyncio.gather(*(job.result(30) for job in jobs))
        counts = await queue.counts()
        assert counts == dict.fromkeys(counts, 0) | {"completed": 800}
    assert sorted(runs) == sorted(job.id for job in jobs)
    assert runs.total() <= 800 + 2 * 10  # only what ran at a cut ran again


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (("appendfsync", "everysec"), "it has appendfsync everysec; set appendonly yes and appendfsync always"),
        (("appendonly", "no"), "it has appendonly no; set appendonly yes and appendfsync always"),
    ],
)
async def test_fsync_is_refused_by_a_server_that_does_not_sync(
    own_server: Server, name: str, settings: tuple[str, str], says: str
) -> None:
    tell(own_server, "CONFIG", "SET", *settings)
    async with barq.Queue(name, url=own_server.url) as queue:
        with pytest.raises(barq.ServerUnsuitable, match=f"durability 'fsync' can't be kept by the server at .*{says}"):
            await queue.enqueue("email", durability="fsync")
        assert (await queue.enqueue("email")).id == 1
        tell(own_server, "CONFIG", "SET", "appendonly", "yes")
        tell(own_server, "CONFIG", "SET", "appendfsync", "always")
        assert (await queue.enqueue("email", durability="fsync")).id == 2
    wait_until(lambda: info(own_server)["aof_rewrite_in_progress"] == "0", "it may be stopped")


async def test_fsync_is_refused_by_a_server_whose_settings_may_not_be_read(own_server: Server, name: str) -> None:
    tell(own_server, "ACL", "SETUSER", "ada", "on", ">pw", "~*", "+@all", "-config")
    async with barq.Queue(name, url=own_server.url.replace("//", "//ada:pw@"), durability="fsync") as queue:
        with pytest.raises(barq.PermissionDenied, match=r"durability 'fsync' can't be kept .*config"):
            await queue.enqueue("email")
    tell(own_server, "ACL", "SETUSER", "ada", "+config|get")
    async with barq.Queue(name, url=own_server.url.replace("//", "//ada:pw@"), durability="fsync") as queue:
        assert (await queue.enqueue("email")).id == 1


async def test_the_bundled_server_is_made_to_sync(tmp_path: Path, name: str) -> None:
    url = f"embedded:{tmp_path / 'data'}"
    async with barq.Queue(name, url=url) as queue:
        with pytest.raises(barq.ServerUnsuitable, match="appendfsync everysec"):
            await queue.enqueue("email", durability="fsync")
    async with barq.Queue(name, url=url, durability="fsync") as queue:
        assert (await queue.enqueue("email")).id == 1
    embedded.stop(tmp_path / "data")
