"""`barq top`: the queue in a terminal, live, to look into and to steer. Needs the extra `tui` (Textual)."""
