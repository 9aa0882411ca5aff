"""HTTP: a queue's JSON API as an ASGI application, with Kue's beside it. An edge: it shows and steers the way of jobs."""

from barq.http.access import Visitor
from barq.http.app import app
from barq.http.limits import Limits

__all__ = ["Limits", "Visitor", "app"]
