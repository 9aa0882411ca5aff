"""The comparison with other queues: its barq adapter does what it shall, in small, and a peer that errs is found out."""

import os
import shutil
from pathlib import Path

import pytest

from benchmarks.peers import steps
from benchmarks.peers.__main__ import BEGIN, END, main
from benchmarks.peers.catalogue import ADAPTERS, OURS, peers, read
from benchmarks.peers.environments import Environment, environment
from benchmarks.peers.processes import Broken
from benchmarks.peers.report import report
from benchmarks.peers.results import About, Results, load
from benchmarks.peers.steps import PAIRS, Pace
from tests.support import ROOT

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the comparison reads /proc")
PACE = 0.05

LIST = '''"""A queue of one list.

packages:
handlers: plain
import: import redis
settings: none
guarantees: {guarantees}
"""

import redis
from harness import JOB, URL, record

client = redis.Redis.from_url(URL)


def enqueue():
    client.lpush("jobs", "job")


def work():
    while client.brpop(["jobs"]):
        {run}
'''


def ours() -> Environment:
    return environment(peers()[OURS])


def peer_of_a_list(folder: Path, run: str) -> Environment:
    for name in ("drive.py", "harness.py"):
        shutil.copy(ADAPTERS / name, folder)
    adapter = folder / "peer_list.py"
    adapter.write_text(LIST.format(guarantees="none", run=run))
    return environment(read(adapter))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.drain)
def test_our_jobs_are_enqueued_and_drained(pair: steps.Pair) -> None:
    found = steps.enqueue_and_drain(ours(), pair, Pace(PACE))
    assert set(found) == {pair.enqueue, pair.drain}
    assert all(figures["rate"] > 0 and figures["jobs"] > 0 for figures in found.values())


def test_our_standing_costs_and_memory_are_found() -> None:
    found = steps.standing(ours(), idle_seconds=0.5, samples=3, seconds=10)
    found |= steps.memory(ours(), Pace(PACE)) | steps.round_trips(ours(), Pace(PACE))
    assert found["pick_up"]["samples"] == 3
    assert found["pick_up"]["p50"] > 0
    assert found["resident"]["bytes"] > 10_000_000
    assert 0 < found["memory"]["waiting"] < found["memory"]["kept"] < 2000
    assert found["round_trips"]["rate"] > 0


def test_measuring_leaves_this_process_on_all_its_cores(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    steps.enqueue_and_drain(peer_of_a_list(tmp_path, "record(JOB)"), PAIRS[0], Pace(PACE))
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ("record(JOB), record(JOB)", "executions of"),
        ("record({'phoneNumber': '00000000'})", "with other data"),
        ("raise SystemExit('no work')", "no work"),
    ],
)
def test_peer_that_does_not_do_its_work_gives_no_figure(tmp_path: Path, run: str, why: str) -> None:
    with pytest.raises(Broken, match=why):
        steps.enqueue_and_drain(peer_of_a_list(tmp_path, run), PAIRS[0], Pace(PACE))


def test_every_adapter_says_what_it_is() -> None:
    found = peers()
    assert len(found) == 15
    for peer in found.values():
        assert all((peer.settings, peer.guarantees, peer.importing)), peer.name
        assert set(peer.handlers) <= {"async", "plain"}, peer.name
        assert all("==" in pin or "@" in pin for pin in peer.packages), f"{peer.name} is not pinned"


def test_report_shows_where_barq_loses_and_who_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = Results(machine=["a machine"], rounds=2)
    for name in (OURS, "swift", "lame"):
        results.about[name] = About("1.0", "as it comes", "none")
    for rate in (100.0, 300.0):
        results.add("enqueue_one", OURS, {"rate": rate, "own": 5.0, "server": 4.0})
        results.add("enqueue_one", "swift", {"rate": 2 * rate, "own": 3.0, "server": 2.0})
        results.add("enqueue_one", "lame", {"rate": 9 * rate, "own": 1.0, "server": 1.0})
    results.failed("enqueue_one", "lame", "9 executions of 10 jobs")
    text = report(results)
    assert "| enqueue one by one, awaited | 200/s | 400/s (swift) | 0.50 x | ≥ 1 x | **missed**, barq loses |" in text
    assert "| swift | 400 (200 to 600); 3 + 2 µs |" in text
    assert "- lame (enqueue_one): 9 executions of 10 jobs" in text

    kept, page = tmp_path / "results.json", tmp_path / "page.md"
    results.save(kept)
    assert load(kept) == results
    page.write_text(f"above\n{BEGIN}\nold\n{END}\nbelow\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["peers", "--again", str(kept), "--into", str(page)])
        assert main() == 0
    assert page.read_text() == f"above\n{BEGIN}\n{text}\n{END}\nbelow\n"
    assert capsys.readouterr().out == text + "\n"


def test_docs_have_a_place_for_the_tables() -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    assert text.index(BEGIN) < text.index(END)
