"""`python -m chunk7`: the same as the `chunk7` command."""

import sys

from chunk7.cli import main

if __name__ == "__main__":
    sys.exit(main())
