"""The release before and this one, together on one queue: workers of both run jobs of both, and each job completes once."""

import asyncio
import os
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

import barq
from barq.protocol.scripts import command_names, script
from tests.support import ROOT, Server, until, wait_until

BEFORE = "78e9972"
"""The commit of what was released last. Its workers and producers have to get on with this release's."""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with barq as it was then."""
    packed = subprocess.run(
        ["git", "archive", BEFORE, "src/barq"], cwd=ROOT, capture_output=True, check=False, timeout=60
    )
    if packed.returncode:
        pytest.skip(f"NOT TESTED with the release before: commit {BEFORE} is not in this clone (is it a shallow one?)")
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "src"


class Party:
    """Processes of both releases."""

    def __init__(self, before: Path, server: Server, name: str) -> None:
        self._paths = {"old": before, "new": ROOT / "src"}
        self._server = server
        self._name = name
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, role: str, release: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "wire" / "mixed.py"), role, self._server.url, self._name],
            env={**os.environ, "PYTHONPATH": str(self._paths[release])},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def work(self, release: str) -> "subprocess.Popen[str]":
        process = self.start(release, release)
        assert process.stdout is not None
        assert process.stdout.readline().startswith(str(self._paths[release]))
        return process

    def produce(self, release: str) -> int:
        told, _ = self.start("produce", release).communicate(timeout=60)
        return int(told)


@pytest.fixture
def party(before: Path, server: Server, name: str) -> Iterator[Party]:
    made = Party(before, server, name)
    yield made
    for process in made.processes:
        process.kill()
        process.communicate()


async def all_completed(queue: barq.Queue, count: int) -> None:
    async def done() -> bool:
        counts = await queue.counts()
        return counts["completed"] == count

    await until(done, f"{count} have completed", seconds=60)


async def test_jobs_of_both_are_run_by_both_and_each_completes_once(party: Party, queue: barq.Queue) -> None:
    party.produce("old")
    assert party.produce("new") == 180  # 60 emails of each, and 60 plain ones whose tokens the second knew
    party.work("old")
    party.work("new")
    await all_completed(queue, 180)
    completed = Counter([event.job_id async for event in queue.events("0", wait=False) if event.name == "complete"])
    assert set(completed.values()) == {1}
    jobs = await queue.jobs("completed", "email", limit=1000)
    assert len(jobs) == 120
    for job in jobs:
        assert job.attempt == (2 if job.data["fails"] else 1)
        assert job.returned.split()[1].endswith(":charge")
        assert len(await job.logs()) == job.attempt


@pytest.mark.parametrize(("first", "second"), [("old", "new"), ("new", "old")])
async def test_a_worker_that_is_replaced_by_one_of_the_other_release_loses_nothing(
    party: Party, queue: barq.Queue, tmp_path: Path, first: str, second: str
) -> None:
    """Some of its jobs are handed back, and some it holds when it is killed."""
    gate = tmp_path / "gate"
    jobs = [await queue.enqueue("gated", str(gate)) for _ in range(8)]
    leaving = party.work(first)

    async def running() -> bool:
        return (await queue.counts())["active"] == 8

    await until(running, "all run")
    killed = party.work(first)
    leaving.terminate()
    leaving.wait(20)  # its eight go back, to the other one
    await until(running, "all run elsewhere")
    killed.kill()
    party.work(second)
    gate.touch()
    assert [await job.result(30) for job in jobs] == [second] * 8
    assert {(await job.refresh()).failures for job in jobs} == {0}


async def test_a_pause_with_an_end_lasts_for_an_old_worker_until_it_is_resumed(party: Party, queue: barq.Queue) -> None:
    """docs/deploys.md: it does not know of ends. Nothing is lost or run too early; a new worker takes the job at the end."""
    await queue.pause("email", seconds=0.2)
    first = await queue.enqueue("email", {"fails": False})
    old = party.work("old")
    with pytest.raises(barq.ResultTimeout):
        await first.result(1.5)
    await queue.resume("email")
    assert (await first.result(30)).startswith("old ")
    old.terminate()
    old.wait(20)
    await queue.pause("email", seconds=0.2)
    second = await queue.enqueue("email", {"fails": False})
    party.work("new")
    assert (await second.result(30)).startswith("new ")


async def test_what_only_this_release_knows_the_other_one_leaves_alone(
    party: Party, queue: barq.Queue, before: Path, server: Server
) -> None:
    """A parked job, an indexed one, an edited one: the old release reads, lists, retries and removes them."""

    @queue.handler("email")
    async def send(job: barq.Job) -> None:
        raise barq.UnfitData("nobody to write to")

    parked, removed = await queue.enqueue("email", {"fails": False}), await queue.enqueue("email", {"fails": False})
    await barq.Worker(queue, burst=True).run(signals=False)
    assert (await parked.refresh()).state == "blocked"
    program = f"""
import asyncio, barq
async def main():
    async with barq.Queue({queue.name!r}, url={server.url!r}) as queue:
        counts = await queue.counts()
        jobs = await queue.jobs("blocked")
        print(counts["blocked"], [job.error.type for job in jobs])
        await queue.remove({removed.id})
        events = [event async for event in queue.events("0", wait=False)]
        print(len(events) > 4)
asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(before)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.split("\n")[:2] == ["2 ['UnfitData', 'UnfitData']", "True"], done.stderr
    await parked.retry()
    party.work("old")
    assert (await parked.result(30)).startswith("old ")


def test_scripts_that_differ_have_names_that_differ(before: Path) -> None:
    """So both releases find their own in the server's cache."""
    program = """
from barq.protocol.scripts import command_names, script
for name in command_names():
    print(name, script(name).sha.decode())
"""
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(before)},
        capture_output=True,
        text=True,
        check=True,
    )
    old = dict(line.split() for line in told.stdout.splitlines())
    new = {name: script(name).sha.decode() for name in command_names()}
    assert (
        old.keys() <= new.keys()
    )  # a command that went would leave its callers without an answer only if it was shared
    assert any(old[name] != new[name] for name in old)


def test_the_pinned_release_is_in_a_full_clone() -> None:
    """Where the history is, the tests above run."""
    shallow = subprocess.run(
        ["git", "rev-parse", "--is-shallow-repository"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if shallow.stdout.strip() != "false":
        pytest.skip("this is no full clone")
    wait_until(
        lambda: subprocess.run(["git", "cat-file", "-e", BEFORE], cwd=ROOT, check=False).returncode == 0,
        f"{BEFORE} is there",
        seconds=1,
    )
