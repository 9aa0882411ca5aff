"""`make bench-http`, in short: it measures every route of both services."""

import subprocess
import sys

from tests.support import ROOT


def test_each_route_gets_a_row() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.http", "--alone", "--rounds", "1", "--seconds", "0.1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| `/")]
    assert [cells[1].strip(" `") for cells in rows] == [
        "/list_products",
        "/list_products/1",
        "/reserve_product/1",
        "/available_seats",
        "/reserve_seat",
    ]
    assert all(int(cells[2].replace(",", "")) > 0 for cells in rows)
