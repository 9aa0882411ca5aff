"""Command line: a file per noun, loaded when it is used, so that `barq --help` is quick."""
