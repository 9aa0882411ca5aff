"""Tasks 9 and 10: schemathesis asks what the OpenAPI document allows and what it forbids, and checks each answer."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.examples.service import Service
from tests.support import Server

SCHEMATHESIS = Path(sysconfig.get_path("scripts")) / "schemathesis"

PATHS = {
    "9-stock.py": ["/list_products", "/list_products/{itemId}", "/reserve_product/{itemId}"],
    "100-seat.py": ["/available_seats", "/reserve_seat", "/process"],
}


@pytest.mark.parametrize("file", PATHS)
def test_schemathesis_finds_nothing(file: str, own_server: Server, tmp_path: Path) -> None:
    with Service(file, own_server.port) as service:
        service.listens().is_ready("/list_products/1" if file == "9-stock.py" else "/available_seats")
        document = service.client.get("/openapi.json").json()
        assert list(document["paths"]) == PATHS[file]
        done = subprocess.run(
            [
                SCHEMATHESIS,
                "run",
                f"{service.url}/openapi.json",
                "--checks",
                "all",
                "--max-examples",
                "20",
                "--seed",
                "9",
            ],
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, "\n".join([done.stdout, done.stderr, *service.errors])
        assert f"Tested: {len(PATHS[file])}" in done.stdout
        assert "No issues found" in done.stdout
