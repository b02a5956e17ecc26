"""`python -m perfloop` is `perfloop`."""

import sys

from perfloop.cli import main

if __name__ == "__main__":
    sys.exit(main())
