"""A sender to be killed: submits a lane's events and prints each number once accepted.

python -m tests.torture.sender CONFIG LANE FIRST LAST PAUSE_SECONDS
"""

from __future__ import annotations

import os
import random
import sys
import time

import pdagent
from tests.torture.lanes import trigger


def main(config: str, lane: str, first: str, last: str, pause: str) -> None:
    """Submit events FIRST to LAST of the lane, with random pauses of that mean."""
    for number in range(int(first), int(last) + 1):
        pdagent.submit(trigger(int(lane), number), config=config)
        os.write(1, b"%d\n" % number)
        time.sleep(random.expovariate(1 / float(pause)))


if __name__ == "__main__":
    main(*sys.argv[1:])
