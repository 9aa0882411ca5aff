"""JavaScript of the pages and of the benchmarks: that node can read it. What the pages do is tested in a browser."""

import json
import re
import shutil
import subprocess

import pytest

from tests.support import ROOT

MODULES = sorted((ROOT / "src" / "barq" / "dashboard" / "static").glob("*.js"))
SCRIPTS = sorted(
    path
    for path in [*(ROOT / "benchmarks").rglob("*.js"), *(ROOT / "examples").rglob("*.html")]
    if "node_modules" not in path.parts
)
INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)

CHECK = """
const { readFileSync } = require("node:fs"), vm = require("node:vm");
for (const [file, kind, text] of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    kind === "module" ? new vm.SourceTextModule(text) : new vm.Script(`(async () => {${text}\\n})`);
  } catch (error) {
    console.log(`${file}: ${error.message}`);
  }
}
"""


def texts() -> list[tuple[str, str, str]]:
    found = [(path.name, "module", path.read_text()) for path in MODULES]
    for path in SCRIPTS:
        text = path.read_text()
        parts = INLINE.findall(text) if path.suffix == ".html" else [text]
        found += [(path.name, "script", part) for part in parts]
    return found


def complaints(of: list[tuple[str, str, str]]) -> list[str]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    done = subprocess.run(
        [node, "--no-warnings", "--experimental-vm-modules", "-e", CHECK],
        input=json.dumps(of),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()


def test_all_of_it_can_be_read() -> None:
    assert len(texts()) > 20
    assert complaints(texts()) == []


def test_what_can_not_be_read_is_named() -> None:
    wrong = [("a.js", "module", "export const a = ;"), ("b.html", "script", "let a = 1; let a = 2;")]
    assert complaints(wrong) == ["a.js: Unexpected token ';'", "b.html: Identifier 'a' has already been declared"]
