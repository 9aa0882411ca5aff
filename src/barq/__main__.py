"""`python -m barq` is the command line as well, for where the scripts of an environment are not on the path."""

from barq.cli import main

if __name__ == "__main__":
    main()
