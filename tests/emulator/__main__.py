"""Entry point of ``python -m tests.emulator``."""

import sys

from tests.emulator.cli import main

sys.exit(main())
