"""`make bench-peers`: measure barq beside other queues on this machine and print the tables of docs/performance.md."""

import argparse
import signal
import sys
from pathlib import Path

from benchmarks.peers.catalogue import OURS, peers
from benchmarks.peers.environments import CACHE
from benchmarks.peers.progress import Progress
from benchmarks.peers.report import report
from benchmarks.peers.results import load
from benchmarks.peers.rounds import Comparison, Plan

QUICK = Plan(rounds=1, seconds=0.3, idle_seconds=3.0, samples=30, pick_up_seconds=1.5, starts=1)
BEGIN, END = "<!-- make bench-peers writes from here -->", "<!-- to here -->"
LAST = CACHE / "results.json"


def main() -> int:
    known = peers()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"only these, and barq: {', '.join(known)}")
    parser.add_argument("--rounds", type=int, default=Plan.rounds, help="how often each row is run; the median counts")
    parser.add_argument("--seconds", type=float, default=Plan.seconds, help="about how long a row takes in one round")
    parser.add_argument("--into", type=Path, metavar="FILE", help="write the report there, between its marks, too")
    parser.add_argument("--quick", action="store_true", help="a look whether all of it works; its figures mean little")
    parser.add_argument(
        "--again", type=Path, metavar="FILE", help=f"only print a report again, such as that of {LAST.name}"
    )
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.peers if name not in known]:
        parser.error(f"no peer {', '.join(unknown)}; there are {', '.join(known)}")
    if arguments.rounds < 1 or not 0.05 <= arguments.seconds <= 60:
        parser.error("--rounds takes 1 or more, --seconds 0.05 to 60")
    if arguments.again is not None:
        return _give(report(load(arguments.again)), arguments.into)
    wanted = [known[name] for name in known if not arguments.peers or name in {OURS, *arguments.peers}]
    plan = QUICK if arguments.quick else Plan(rounds=arguments.rounds, seconds=arguments.seconds)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and workers are stopped
    try:
        results = Comparison(wanted, plan, Progress(), keep=LAST).run()
    except KeyboardInterrupt:
        print(f"stopped; what was found so far: python -m benchmarks.peers --again {LAST}", file=sys.stderr)
        return 130
    return _give(report(results), arguments.into)


def _give(text: str, into: Path | None) -> int:
    print(text)
    if into is not None:
        before, begin, rest = into.read_text().partition(BEGIN)
        _, end, after = rest.partition(END)
        if not end:
            print(f"{into} has no lines {BEGIN} and {END} to write between", file=sys.stderr)
            return 1
        into.write_text(f"{before}{begin}\n{text}\n{end}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
