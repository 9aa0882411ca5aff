"""Store: the only code that talks to the server."""
