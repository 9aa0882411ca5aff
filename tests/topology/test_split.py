"""The network splits: the primary stays with a sentinel and producers on one side, all others are on the other."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import barq
from tests.support import ROOT, wait_until
from tests.topology.load import Load
from tests.topology.network import Host, network
from tests.topology.sentinels import SentinelSet


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    with network() as made:
        yield [made.host() for _ in range(3)]


@pytest.fixture
def sentinels(hosts: list[Host], tmp_path: Path) -> Iterator[SentinelSet]:
    """A server and a sentinel on each host."""
    running = SentinelSet(tmp_path)
    for server, sentinel, host in zip(running.servers, running.sentinels, hosts, strict=True):
        for one in (server, sentinel):
            one.host, one.wrapper = host.address, host.wrapper
        server.options += ("--protected-mode", "no")
    try:
        yield running.start()
    finally:
        running.stop()


class Producer:
    """One on the same host as the primary."""

    def __init__(self, host: Host, url: str, name: str, level: str, folder: Path) -> None:
        self._said = folder / f"producer {level}"
        command = [*host.wrapper, sys.executable, "-m", "tests.topology.producer", url, name, level]
        with self._said.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, cwd=ROOT, start_new_session=True)

    @property
    def acknowledged(self) -> list[int]:
        return [int(line) for line in self._said.read_text().split() if line.isdecimal()]

    @property
    def refusals(self) -> int:
        return self._said.read_text().count("refused")


async def test_a_split_network_loses_nothing_replicated_and_heals_by_itself(
    sentinels: SentinelSet, hosts: list[Host], name: str, tmp_path: Path
) -> None:
    before, cut_off = sentinels.primary, hosts[0]
    local = Producer(cut_off, sentinels.url, name, "local", tmp_path)
    replicated = Producer(cut_off, sentinels.url, name, "replicated", tmp_path)

    async def wait(true: object, what: str) -> None:
        await asyncio.to_thread(wait_until, true, what)

    try:
        async with (
            barq.Queue(name, url=sentinels.url, durability="replicated", timeout=20, keep_events=1_000_000) as queue,
            Load(queue).running() as load,
        ):
            await wait(lambda: local.acknowledged and replicated.acknowledged, "the producers have begun")
            cut_off.pull_out()
            held = len(replicated.acknowledged)
            await asyncio.to_thread(sentinels.wait_for_failover, before, among=sentinels.sentinels[1:])
            await load.more(100)
            refusals, taken = replicated.refusals, len(local.acknowledged)
            await wait(lambda: replicated.refusals > refusals, "the old primary confirms nothing")
            await wait(lambda: len(local.acknowledged) > taken + 10, "the old primary still takes jobs")
            assert len(replicated.acknowledged) <= held + 1
            cut_off.plug_in()
            await wait(lambda: len(replicated.acknowledged) > held + 20, "its producers have found the new one")
            for producer in (local, replicated):
                producer.process.kill()
                producer.process.wait()
            known = {job.id: job.data async for job in every(queue)}
    finally:
        for producer in (local, replicated):
            producer.process.kill()
            producer.process.wait()
    assert all(known.get(id) == "replicated" for id in replicated.acknowledged)
    assert any(known.get(id) != "local" for id in local.acknowledged)  # it promises no more than its server


async def every(queue: barq.Queue) -> "barq.Any":
    after = None
    while True:
        page = await queue.jobs(limit=1000, after=after)
        for job in page:
            yield job
        if (after := page.next) is None:
            return
