"""Site: what all handlers of one application share, and what one request brings to its handler."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

import barq
from barq.http.access import Visitor
from barq.http.hub import Hub
from barq.http.limits import Limits
from barq.http.mask import Mask
from barq.http.overview import Lookout
from barq.http.shared import Shared
from barq.queue import Queue


class Site:
    """A queue with the settings under which it is shown."""

    def __init__(
        self,
        queue: Queue,
        *,
        mask: Mask,
        limits: Limits,
        protected: bool,
        lookout: "Callable[[Site], Lookout[Any]]",
    ) -> None:
        self.queue = queue
        self.mask = mask
        self.limits = limits
        self.protected = protected
        """Whether a token or an auth hook stands before it."""
        self._make_lookout = lookout
        self.shared = Shared()
        self._hub: tuple[asyncio.AbstractEventLoop, Hub] | None = None
        self._lookout: tuple[asyncio.AbstractEventLoop, Lookout[Any]] | None = None

    @property
    def hub(self) -> Hub:
        """The event stream of the running loop."""
        loop = asyncio.get_running_loop()
        if self._hub is None or self._hub[0] is not loop:
            self._hub = (loop, Hub(self.queue, self.mask, most_viewers=self.limits.viewers))
        return self._hub[1]

    @property
    def lookout(self) -> Lookout[Any]:
        """What looks at the queue for all viewers of the running loop."""
        loop = asyncio.get_running_loop()
        if self._lookout is None or self._lookout[0] is not loop:
            self._lookout = (loop, self._make_lookout(self))
        return self._lookout[1]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, as its handler sees it."""

    site: Site
    request: Request
    visitor: Visitor

    @property
    def queue(self) -> Queue:
        return self.site.queue


VERSION = barq.__version__
