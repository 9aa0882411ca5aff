"""How many requests a second the HTTP services of the brief answer: `make bench-http`.

The services, the load client and the bundled server run as processes on the same cores, nothing pinned. Where node is
there, the brief's services written simply in Express run as well, and each route is measured in turns.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import redis

from barq.store.embedded import ensure
from benchmarks.http.load import Rate, load
from benchmarks.rig import machine
from tests.support import free_port, wait_until

ROOT = Path(__file__).parents[2]
EXPRESS = Path(__file__).parent / "express"
CONNECTIONS = 50
AIM = 1.5

ROUTES = {
    ("9-stock", "/list_products"): 3_138,
    ("9-stock", "/list_products/1"): 3_526,
    ("9-stock", "/reserve_product/1"): 2_848,
    ("100-seat", "/available_seats"): 3_366,
    ("100-seat", "/reserve_seat"): 1_790,
}
"""Program and route -> requests a second of the original, on Express on another machine with two cores."""

Sides = dict[str, dict[str, int]]
"""barq or express -> program -> port."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each route is measured; the median counts")
    parser.add_argument("--seconds", type=float, default=0.8, help="of each of these measurements")
    parser.add_argument("--alone", action="store_true", help="leave Express out")
    arguments = parser.parse_args()
    with bundled_server() as (url, client), contextlib.ExitStack() as stack:
        print("\n".join(machine(client)))
        sides: Sides = {"barq": {program: stack.enter_context(ours(program, url)) for program in programs()}}
        if not arguments.alone and express_is_there():
            sides["express"] = {program: stack.enter_context(express(program, url)) for program in programs()}
        print(
            f"{CONNECTIONS} connections, the client in Python on uvloop; medians of {arguments.rounds} x "
            f"{arguments.seconds:g} s{', in turns' if len(sides) > 1 else ' (Express is not here: ours alone)'}\n"
        )
        print("| route | barq, a second | p99 | Express, a second | p99 | ratio | the original's figure | ratio |")
        print("|---|---|---|---|---|---|---|---|")
        for (program, path), original in ROUTES.items():
            rates = measure(sides, program, path, arguments.rounds, arguments.seconds)
            print(line(path, rates, original), flush=True)
    return 0


def programs() -> list[str]:
    return sorted({program for program, _ in ROUTES})


def measure(sides: Sides, program: str, path: str, rounds: int, seconds: float) -> dict[str, Rate]:
    """The median of each side. They take turns, for the machine's own speed changes from minute to minute."""
    found: dict[str, list[Rate]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, ports in sides.items():
            found[side].append(load(ports[program], path, connections=CONNECTIONS, seconds=seconds))
    return {
        side: Rate(
            statistics.median(rate.per_second for rate in rates), statistics.median(rate.p99_ms for rate in rates)
        )
        for side, rates in found.items()
    }


def line(path: str, rates: dict[str, Rate], original: int) -> str:
    barq = rates["barq"]
    cells = [f"{barq.per_second:,.0f}", f"{barq.p99_ms:.1f} ms"]
    if express := rates.get("express"):
        cells += [f"{express.per_second:,.0f}", f"{express.p99_ms:.1f} ms", ratio(barq.per_second, express.per_second)]
    else:
        cells += ["", "", ""]
    return f"| `{path}` | {' | '.join(cells)} | {original:,} | {ratio(barq.per_second, original)} |"


def ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.1f} x{'' if ours >= AIM * theirs else ', **missed**'}"


# ---- who is measured


@contextlib.contextmanager
def bundled_server() -> Iterator[tuple[str, redis.Redis]]:
    folder = Path(tempfile.mkdtemp(prefix="barq-bench-"))
    try:
        address = ensure(folder)
        client = redis.Redis(host=address.host, port=address.port)
        yield address.url, client
        client.shutdown(nosave=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ours(program: str, url: str) -> contextlib.AbstractContextManager[int]:
    return listening([sys.executable, str(ROOT / "examples/queuing_system" / f"{program}.py")], f"{url}/0")


def express_is_there() -> bool:
    """Whether node is; what the services need is installed on the way."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return False
    if not (EXPRESS / "node_modules").exists():
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=EXPRESS, check=True)
    return True


def express(program: str, url: str) -> contextlib.AbstractContextManager[int]:
    return listening(["node", str(EXPRESS / f"{program}.js")], f"{url}/1")


@contextlib.contextmanager
def listening(command: list[str], url: str) -> Iterator[int]:
    """A service as a process; gives its port."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name != "BARQ_URL"}
    environment |= {"PORT": str(port), "REDIS_URL": url, "NODE_ENV": "production"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        if process.poll() is not None:
            raise AssertionError(f"{' '.join(command)} has ended with {process.returncode}")
        path = next(path for program, path in ROUTES if Path(command[-1]).stem == program)
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{port}{path}").is_success
        return False

    try:
        wait_until(answers, f"{command[-1]} answers")
        yield port
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
