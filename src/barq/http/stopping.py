"""Stopping: whether the web server around us is about to end, which it tells applications only when all answers ended."""

import signal


def server_is_stopping() -> bool:
    """uvicorn marks its end in an object whose method it has made the handler of the signal. Elsewhere always False."""
    handler = signal.getsignal(signal.SIGTERM)
    return bool(getattr(getattr(handler, "__self__", None), "should_exit", False))
