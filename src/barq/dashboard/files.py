"""Files: the page, its scripts and styles, as they lie in the package: read once, and named by what is in them."""

import functools
import gzip
import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Nothing runs or loads but files of the dashboard's own, and no text of a job can ever become markup or code."""

_MEDIA_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FIRST: Final = "index.html"
_CLASSIC: Final = "theme.js"  # runs before anything is drawn


@dataclass(frozen=True, slots=True)
class File:
    """`small` is the body as gzip makes it."""

    media_type: str
    body: bytes
    small: bytes


@functools.cache
def every() -> dict[str, File]:
    """The files that the page loads, by name."""
    found = {}
    for path in resources.files("barq.dashboard").joinpath("static").iterdir():
        suffix = path.name[path.name.rfind(".") :]
        if suffix in _MEDIA_TYPES:
            body = path.read_bytes()
            found[path.name] = File(_MEDIA_TYPES[suffix], body, gzip.compress(body, mtime=0))
    return found


@functools.cache
def version() -> str:
    """Another one whenever a file has changed, so that browsers may keep what they have."""
    digest = hashlib.sha256()
    for name, file in sorted(every().items()):
        digest.update(name.encode() + b"\0" + file.body)
    return digest.hexdigest()[:12]


@functools.cache
def page() -> bytes:
    """The page, which loads all its scripts at once and not one after the other."""
    text = resources.files("barq.dashboard").joinpath("static", _FIRST).read_text("utf-8")
    scripts = sorted(name for name in every() if name.endswith(".js") and name != _CLASSIC)
    preloads = "\n".join(f'<link rel="modulepreload" href="static/{version()}/{name}">' for name in scripts)
    return text.replace("{version}", version()).replace("<!-- scripts -->", preloads).encode()
