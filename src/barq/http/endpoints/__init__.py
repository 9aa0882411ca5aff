"""Endpoints: what the API does, a file per noun. A new one is a function in its noun's file and its name in that list."""

from typing import Final

from barq.http.endpoint import Endpoint
from barq.http.endpoints import about, acts, audit, events, jobs, looks, metrics, overview, search, types, workers

ENDPOINTS: Final[list[Endpoint]] = [
    *about.ENDPOINTS,
    *search.ENDPOINTS,  # before /jobs/{id}
    *jobs.ENDPOINTS,
    *acts.ENDPOINTS,
    *looks.ENDPOINTS,
    *events.ENDPOINTS,
    *types.ENDPOINTS,
    *workers.ENDPOINTS,
    *metrics.ENDPOINTS,
    *overview.ENDPOINTS,
    *audit.ENDPOINTS,
]
