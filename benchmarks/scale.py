"""Flat and fair: what a job costs beside millions of others, and who waits for whom: `make bench-scale`.

Server and barq stand on a core each, as in `make bench`; each group of rows has a fresh server. Costs are CPU, which
holds on a busy machine; latencies do not. ROWS names some of the groups only.
"""

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable

from benchmarks import fair, flat, parted, search
from benchmarks.results import Result
from benchmarks.rig import Rig, machine, rig

GROUPS: dict[str, Callable[[Rig], Awaitable[list[Result]]]] = {
    "load": flat.beside_two_millions,
    "promote": flat.promotion,
    "promote-busy": flat.promotion_beside_work,
    "waiters": flat.waiters,
    "types": flat.many_types,
    "lone": fair.lone_enqueue,
    "two-types": fair.two_types,
    "partitions": parted.partitions,
    "search": search.queries,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], help=f"some of {', '.join(GROUPS)}")
    groups = parser.parse_args().groups or list(GROUPS)
    missed = 0
    logging.getLogger("barq").setLevel(logging.ERROR)  # of millions of jobs that nobody handles it warns otherwise
    for number, group in enumerate(groups):
        began = time.perf_counter()
        with rig() as server:
            if not number:
                print("\n".join(machine(server.client)), end="\n\n")
            for result in asyncio.run(GROUPS[group](server)):
                missed += result.missed
                print(result.line(), flush=True)
        print(f"-- {group}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    print(f"\n{missed} missed" if missed else "\nall met")
    return 0


if __name__ == "__main__":
    sys.exit(main())
