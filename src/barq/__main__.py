"""`python -m barq` is `barq`."""

from barq.cli import main

main(prog_name="barq")
