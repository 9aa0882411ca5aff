"""Dashboard: pages on a queue's HTTP API, to look into it and to steer it. An edge: one application, mountable anywhere."""

from barq.dashboard.app import app

__all__ = ["app"]
