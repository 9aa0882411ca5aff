"""Tutorial: the dashboard at /kue, in an application of one's own. Listens on port 3000."""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time, also during the imports

import contextlib
from collections.abc import AsyncIterator

from serve import options, serve
from service import answer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

import barq
import barq.dashboard

queue = barq.Queue()


async def hello(_: Request) -> Response:
    return answer({"message": "The application", "dashboard": "/kue/"})


@contextlib.asynccontextmanager
async def life(_: object) -> AsyncIterator[None]:
    async with queue:
        yield


app = Starlette(routes=[Route("/", hello), Mount("/kue", app=barq.dashboard.app(queue))], lifespan=life)

if __name__ == "__main__":
    chosen = options(__doc__, port=3000).parse_args()
    serve(app, host=chosen.host, port=chosen.port)
