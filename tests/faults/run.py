"""Run: one run of the harness from its first process to the verdict: calibrate, chaos, drain, calm, stop, check."""

import asyncio
import shutil
import signal
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

import barq
from barq.worker.signals import taken
from tests.faults import kept
from tests.faults.cast import Cast, Slot
from tests.faults.checker import Verdict, check
from tests.faults.driver import Driver
from tests.faults.faults import FAULTS, USUAL_PER_MINUTE
from tests.faults.jobs import Data, Wish, deadly
from tests.faults.machine import MUCH, Machine
from tests.faults.processes import Terms, WorkerState
from tests.faults.producer import AT_A_TIME
from tests.faults.records import Acked, Born, Ledger, Phase, Trouble, now
from tests.faults.sampler import Sampler, Stuck
from tests.faults.servers import ANSWER_SECONDS
from tests.faults.story import Story, read_story

START_SECONDS = 30.0
FIRST_OUTSTANDING = 1000
DEADLY_JOBS = 2
CALM_JOBS = 20
IDLE_SECONDS = 5.0
SURELY = 8
"""What is planned so often happens."""

LEAST_STRUCK = 0.6
"""Of the faults that are planned: some find everybody busy with another."""
PILED_UP = 0.5
"""Of what an overload is to let pile up."""
CALM_SECONDS = 1.0
"""What a lone job may take when nothing is wrong and everybody is idle."""


@dataclass(frozen=True)
class Plan:
    """What a run is asked for. `floor`: the least rate under faults, as a share of the calibrated one; 0: whatever it is.
    `jobs`: at least so many are to be run, for at most `longest` seconds of chaos."""

    seed: int
    seconds: float = 60.0
    calibrate: float = 9.0
    faults: tuple[str, ...] = tuple(FAULTS)
    per_minute: float = USUAL_PER_MINUTE
    jobs: int = 0
    longest: float = 600.0
    floor: float = 0.4
    terms: Terms = Terms()


@dataclass(repr=False)
class Figures:
    seconds: float = 0.0
    calibrated: float = 0.0
    calibrated_again: float = 0.0
    """After the faults; 0 when that was left out."""
    taken_by_others: float = 0.0
    """The share of the machine's processors, from the first fault to the end of what was calibrated again."""
    under_faults: float = 0.0
    chaos_seconds: float = 0.0
    faults_per_minute: float = 0.0
    drain_seconds: float = 0.0
    drain_deadline: float = 0.0
    calm_ms: list[float] = field(default_factory=list)
    most_unfinished: int = 0
    looks: int = 0

    @property
    def fair_rate(self) -> float:
        """What may be expected of this machine: the smaller of what it managed without faults, before them and after."""
        return min(self.calibrated, self.calibrated_again or self.calibrated)

    @property
    def judged(self) -> bool:
        """Whether the rates say something of the queue."""
        return self.taken_by_others <= MUCH

    def too_slow(self, floor: float) -> list[str]:
        """What is slow is the queue, not the machine, when the rate falls under faults alone, or never comes back."""
        if not self.judged:
            return []
        told = []
        rates = f"{self.calibrated:,.0f} jobs/s before the faults, {self.under_faults:,.0f} under them, "
        rates += f"{self.calibrated_again:,.0f} after them"
        if self.under_faults < floor * self.fair_rate:
            told.append(f"the rate under faults is below {floor:.0%} of the calibrated one: {rates}")
        if self.calibrated_again and self.calibrated_again < floor * self.calibrated:
            told.append(f"the rate does not come back after the faults: {rates}")
        return told


@dataclass(repr=False)
class Result:
    plan: Plan
    figures: Figures
    story: Story | None
    verdict: Verdict
    folder: Path


class Run:
    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.figures = Figures()
        self.cast = Cast(folder, plan.terms)
        self.sampler = Sampler(self.cast)
        self.trouble: list[str] = []
        self._own = Ledger(folder / "calm.ledger")

    async def run(self) -> Result:
        began = time.monotonic()
        sampling = asyncio.create_task(self.sampler.run())
        acting = asyncio.create_task(self._act())
        sampling.add_done_callback(lambda task: acting.cancel() if not task.cancelled() and task.exception() else None)
        story = None
        try:
            story = await acting
        except (Exception, asyncio.CancelledError) as error:
            stuck = sampling.exception() if sampling.done() and not sampling.cancelled() else None
            if stuck is None and isinstance(error, asyncio.CancelledError):
                raise
            await self._failed(stuck or error)
        finally:
            self.sampler.stop()
            await asyncio.wait([sampling], timeout=ANSWER_SECONDS)
            await self.cast.leave()
        verdict = check(story) if story else Verdict({}, {}, [])
        self.figures.seconds = time.monotonic() - began
        self.figures.most_unfinished, self.figures.looks = self.sampler.most_unfinished, self.sampler.looks
        if story:
            self.figures.faults_per_minute = len(story.struck) * 60 / max(1.0, self.figures.chaos_seconds)
            self.trouble += self._missed(story)
        verdict.trouble += self.trouble
        return Result(self.plan, self.figures, story, verdict, self.folder)

    def _missed(self, story: Story) -> list[str]:
        """Faults that were planned and did not happen: what was not struck was not tested."""
        struck = Counter(one.fault for one in story.struck)
        shares = sum(FAULTS[name].share for name in self.plan.faults)
        missed = []
        for name in self.plan.faults:
            planned = self.plan.per_minute * self.figures.chaos_seconds / 60 * FAULTS[name].share / shares
            if planned >= SURELY and not struck[name]:
                missed.append(f"the fault {name} was planned {planned:.0f} times and never happened")
        if len(story.struck) < self.plan.per_minute * self.figures.chaos_seconds / 60 * LEAST_STRUCK - SURELY:
            missed.append(f"only {len(story.struck)} faults, {self.figures.faults_per_minute:.0f} a minute")
        return missed

    async def _act(self) -> Story:
        await self._begin()
        await self._calibrate()
        await self._chaos()
        await self._calibrate_again()
        await self._drain()
        await self._calm()
        await self._stop()
        self.sampler.stop()
        self._phase("over")
        found = await kept.read(self.cast.server, self.plan.terms.queue)
        found.slow = list(self.sampler.slow.values())
        story = read_story(self.folder, self.plan.terms, found)
        story.effects = self.cast.bank.effects()
        return story

    def _phase(self, name: str) -> None:
        self.cast.ledger.write(Phase(now(), name))

    async def _begin(self) -> None:
        self._phase("begin")
        self._own.write(Born(now(), "calm", "calm", 0, {}))
        await self.cast.enter()
        self.sampler.outstanding = FIRST_OUTSTANDING
        deadline = time.monotonic() + START_SECONDS
        while not (look := await self.sampler.fresh()).done:
            if time.monotonic() > deadline:
                raise Stuck(f"nothing was run within {START_SECONDS:g} s: {look.last_id} jobs were enqueued")

    async def _calibrate(self) -> None:
        """The rate without faults, after a time to warm up; half a second of it may be outstanding from then on."""
        self._phase("calibrate")
        self.figures.calibrated = await self._steady_rate()
        terms = self.plan.terms
        most = float(terms.most_outstanding)
        if not terms.overload:
            most = min(most, self.figures.calibrated / 2) - terms.producers * AT_A_TIME
        self.sampler.outstanding = max(50, round(most))

    async def _calibrate_again(self) -> None:
        if not self.plan.floor:
            return
        self._phase("calibrate again")
        self.figures.calibrated_again = await self._steady_rate()
        self.figures.taken_by_others = self._machine.taken()
        self.trouble += self.figures.too_slow(self.plan.floor)

    async def _steady_rate(self) -> float:
        await asyncio.sleep(self.plan.calibrate / 3)
        return await self._rate(self.plan.calibrate * 2 / 3)

    async def _rate(self, seconds: float) -> float:
        before, began = await self.sampler.fresh(), time.monotonic()
        await asyncio.sleep(seconds)
        after = await self.sampler.fresh()
        return (after.done - before.done) / (time.monotonic() - began)

    async def _chaos(self) -> None:
        self._phase("chaos")
        plan, began = self.plan, time.monotonic()
        self._machine = Machine()
        before = await self.sampler.fresh()
        faults = [FAULTS[name] for name in plan.faults]
        driver = Driver(self.cast, faults, per_minute=plan.per_minute, seed=plan.seed)
        if "kill" in plan.faults:
            await self._ask_for_deadly_jobs()
        seconds = plan.seconds
        while seconds > 0:
            await driver.run(seconds)
            done = (await self.sampler.fresh()).done
            spent = time.monotonic() - began
            seconds = 5.0 if done < plan.jobs and spent < plan.longest else 0.0
        self.figures.chaos_seconds = time.monotonic() - began
        self._phase("heal")
        await driver.settle()
        self.figures.under_faults = ((await self.sampler.fresh()).done - before.done) / (time.monotonic() - began)
        self.trouble += driver.trouble
        most, wanted = self.sampler.most_unfinished, plan.terms.most_outstanding * PILED_UP
        if plan.terms.overload and most < wanted:
            self.trouble.append(f"this was no overload: at most {most} jobs were unfinished, less than {wanted:.0f}")
        if (await self.sampler.fresh()).done < plan.jobs:
            self.trouble.append(f"fewer than {plan.jobs} jobs were run in {self.figures.chaos_seconds:.0f} s")

    async def _ask_for_deadly_jobs(self) -> None:
        async with self._queue() as queue:
            for number in range(DEADLY_JOBS):
                wish = deadly(f"deadly.{number}")
                self._own.write(wish.asked())
                job = await queue.enqueue(wish.type, msgspec.to_builtins(wish.data), **wish.options)
                self._own.write(Acked(now(), wish.data.key, job.id))

    def _queue(self) -> barq.Queue:
        """The harness's own, by a way without faults."""
        terms = self.plan.terms
        return barq.Queue(terms.queue, url=self.cast.gate.url, keep_events=terms.keep_events, durability="fsync")

    async def _drain(self) -> None:
        """Faults off, no new jobs: everything finishes within lease + 5 s + twice the backlog over the calibrated rate."""
        self._phase("drain")
        for slot in self.cast.of("producer"):
            slot.expected_end = True
            slot.child.tell("end")
        self.sampler.outstanding = 0
        began, look = time.monotonic(), await self.sampler.fresh()
        deadline = self.plan.terms.lease_ms / 1000 + 5 + 2 * look.unfinished / max(1.0, self.figures.fair_rate)
        self.figures.drain_deadline = deadline
        while look.unfinished or any(slot.child.alive for slot in self.cast.of("producer")):
            if time.monotonic() - began > deadline + (0 if look.unfinished else 60):
                raise Stuck(f"{look.unfinished} jobs are unfinished after the drain deadline of {deadline:.1f} s")
            look = await self.sampler.fresh()
            if not look.unfinished and not self.figures.drain_seconds:
                self.figures.drain_seconds = time.monotonic() - began
        for slot in self.cast.of("producer"):
            if code := await slot.ended(1):
                self.trouble.append(f"{slot.name} ended with {code}")

    async def _calm(self) -> None:
        """Everybody is idle now: a lone job is picked up at once, and no worker has lost a slot."""
        self._phase("calm")
        async with self._queue() as queue:
            for number in range(CALM_JOBS):
                wish = Wish("quick", Data(f"calm.{number}"))
                self._own.write(wish.asked())
                began = time.monotonic()
                job = await queue.enqueue(wish.type, msgspec.to_builtins(wish.data))
                self._own.write(Acked(now(), wish.data.key, job.id))
                await job.result(20)
                self.figures.calm_ms.append((time.monotonic() - began) * 1000)
        if sorted(self.figures.calm_ms)[CALM_JOBS // 2] > CALM_SECONDS * 1000:
            self.trouble.append(f"idle workers take {self.figures.calm_ms} ms for a lone job")
        for slot in self.cast.of("worker"):
            if leaks := await self._leaks(slot):
                self.trouble.append(f"{slot.name} is idle, but {leaks}")

    async def _leaks(self, slot: Slot) -> str:
        """What an idle worker should have given back; '' when it has."""
        deadline = time.monotonic() + IDLE_SECONDS
        while True:
            state = msgspec.json.decode(await slot.state() or "{}", type=WorkerState)
            if not (leaks := state.leaks(self.plan.terms)) or time.monotonic() > deadline:
                return leaks
            await asyncio.sleep(0.2)

    async def _stop(self) -> None:
        self._phase("stop")
        workers = self.cast.of("worker")
        for slot in workers:
            slot.expected_end = True
            slot.child.signal(signal.SIGTERM)
        for slot in workers:
            code = await slot.ended(20)
            if code != 0:
                self.trouble.append(f"{slot.name} ended with {code} at a stop without work")

    async def _failed(self, error: BaseException) -> None:
        """Say what is wrong, and how everything stands."""
        self.trouble.append(f"{type(error).__name__}: {error}")
        self.cast.ledger.write(Trouble(now(), self.trouble[-1]))
        dump = self.folder / "dump.txt"
        with dump.open("w") as file:
            traceback.print_exception(error, file=file)
            try:
                async with asyncio.timeout(15):
                    look = await self.cast.probe.look()
                print(f"{look.unfinished} unfinished at {look.now_ms} (id, place, lease or time, holder):", file=file)
                print(*look.places, sep="\n", file=file)
            except Exception as broken:
                print(f"the server does not say how the jobs stand: {broken!r}", file=file)
            for slot in self.cast.slots:
                print(f"{slot.name} {slot.child.pid} exit code {slot.child.code}", file=file)
                if slot.child.alive and slot.role == "worker":
                    print(await slot.state() or "says nothing of itself", file=file)
                    slot.child.signal(signal.SIGQUIT)
        self.trouble.append(f"how everything stood: {dump}")


def run(plan: Plan, folder: Path) -> Result:
    """Run a plan; everything that the run leaves is in the folder."""
    folder.mkdir(parents=True)

    async def run_here() -> Result:
        here = asyncio.current_task()
        assert here is not None
        # an exception in the middle of whatever runs then may leave processes that nobody knows of
        with taken(lambda _: here.cancel()):
            return await Run(plan, folder).run()

    try:
        return asyncio.run(run_here())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def forget(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
