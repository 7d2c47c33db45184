"""`python -m outbox.cli`, the same as the command `outbox`."""

import sys

from outbox.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
