"""What schemathesis is told beside the OpenAPI document: what a query is, and tokens."""

import itertools
import re
from typing import Any

import schemathesis
from hypothesis import strategies as st

_numbers = itertools.count()

_PARTS = [
    "type:email",
    "customer:4*",
    "priority:<0",
    "age>=0s",
    "ended<1d",
    "mailbox",
    '"mailbox full"',
    "id:1,2",
    "data:a",
]
schemathesis.openapi.format("barq-query", st.lists(st.sampled_from(_PARTS), min_size=1, unique=True).map(" ".join))


@schemathesis.hook
def map_body(_context: schemathesis.HookContext, body: Any) -> Any:
    """Tokens of their own: a creation with an old one gives the first job's id, which another test may have removed."""
    for job in body if isinstance(body, list) else [body]:
        token = job.get("token") if isinstance(job, dict) else None
        if isinstance(token, str) and re.fullmatch(r"[^\x00-\x1f\x7f]{1,500}", token):
            job["token"] = f"{token} {next(_numbers)}"
    return body


@schemathesis.hook
def filter_body(_context: schemathesis.HookContext, body: Any) -> bool:
    """No fractions beyond 2^53: barq takes them, but a JSON schema can't tell them from whole numbers, which it refuses."""
    if isinstance(body, dict):
        return all(filter_body(_context, value) for value in body.values())
    if isinstance(body, list):
        return all(filter_body(_context, item) for item in body)
    return not isinstance(body, float) or abs(body) <= 2**53
