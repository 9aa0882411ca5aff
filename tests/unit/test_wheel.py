"""The wheel: built, installed into an empty environment, and used there."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support import ROOT

PROGRAM = """
import asyncio, barq, sys
queue = barq.Queue(url="embedded:" + sys.argv[1])

@queue.task
async def add(a: int, b: int) -> int:
    return a + b

async def main():
    job = await add.enqueue(1, 2)
    await barq.Worker(queue, burst=True).run()
    print(barq.__version__, barq.__file__, await job.result(10))

asyncio.run(main())
"""


PAGES = [f"barq/dashboard/static/{path.name}" for path in (ROOT / "src" / "barq" / "dashboard" / "static").iterdir()]


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.xdist_group("wheel")
@pytest.mark.timeout(300)
def test_the_wheel_works_where_nothing_else_is_installed(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("barq-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if name.startswith("tests")] == []
    for needed in ("barq/py.typed", "barq/protocol/lua/commands/enqueue.lua", "barq/protocol/lua/lib/base.lua", *PAGES):
        assert needed in names
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--no-compile", f"{wheel}[server]", cwd=tmp_path)
    version, where, result = run(python, "-c", PROGRAM, str(tmp_path / "data"), cwd=tmp_path).split()
    assert version in wheel.name
    assert where.startswith(str(tmp_path))
    assert result == "3"
