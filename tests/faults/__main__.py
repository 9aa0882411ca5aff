"""python -m tests.faults: chaos. See docs/reliability.md, or --help."""

import argparse
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.faults import FAULTS, USUAL_PER_MINUTE
from tests.faults.processes import Terms
from tests.faults.report import report
from tests.faults.run import Plan, Result, forget, run


def main(argv: list[str] | None = None) -> int:
    options = parsed(argv)
    end = time.monotonic() + options.soak * 60
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    while True:
        result = once(options, seed)
        print(report(result), flush=True)
        if not result.verdict.good:
            again = f"make chaos SEED={seed} SECONDS={options.seconds:g}"
            print(f"FAILED; the ledger is in {result.folder}; again: {again}")
            return 1
        if options.keep:
            print(f"the ledger is in {result.folder}")
        else:
            forget(result.folder)
        if time.monotonic() >= end:
            return 0
        seed += 1


def once(options: argparse.Namespace, seed: int) -> Result:
    folder = Path(options.folder or tempfile.mkdtemp(prefix="barq-chaos-")) / f"seed-{seed}"
    plan = Plan(
        seed=seed,
        seconds=options.seconds,
        calibrate=options.calibrate,
        faults=tuple(options.faults),
        per_minute=options.per_minute,
        jobs=options.jobs,
        floor=options.floor,
        terms=Terms(
            seed=seed,
            workers=options.workers,
            producers=options.producers,
            most_outstanding=options.overload or Terms().most_outstanding,
            overload=bool(options.overload),
        ),
    )
    print(f"seed {seed}: {options.seconds:g} s of {', '.join(plan.faults)}", flush=True)
    return run(plan, folder)


def parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="plans the faults; random when not given")
    parser.add_argument("--seconds", type=float, default=60, help="of chaos")
    parser.add_argument("--faults", type=fault_names, default=list(FAULTS), help="names with commas between")
    parser.add_argument("--per-minute", type=float, default=USUAL_PER_MINUTE, help="faults a minute")
    parser.add_argument("--jobs", type=int, default=0, help="go on until so many jobs were run")
    parser.add_argument(
        "--soak", type=float, default=0, help="minutes: one run after the other, each with the next seed"
    )
    parser.add_argument("--calibrate", type=float, default=9, help="seconds without faults, before and after them")
    parser.add_argument("--floor", type=float, default=0.4, help="least rate under faults, of the calibrated one")
    parser.add_argument(
        "--overload", type=int, default=0, help="let so many jobs pile up, instead of half a second's work"
    )
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--producers", type=int, default=2)
    parser.add_argument("--folder", help="for the ledgers (default: a temporary one)")
    parser.add_argument("--keep", action="store_true", help="keep the ledger of a good run as well")
    return parser.parse_args(argv)


def fault_names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - FAULTS.keys():
        raise argparse.ArgumentTypeError(f"no such fault: {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    return names


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
