"""Protocol: what is said to the server, as values. Nothing in here does I/O."""
