"""Kue: the JSON API of Kue 0.11.6, so that its clients go on working. An edge beside http, which mounts it."""

from barq.kue.routes import routes

__all__ = ["routes"]
