"""pdagentd with a wall clock that steps.

    python stepped_daemon.py OFFSET_FILE AGENT_DIRECTORY [pdagentd's arguments]

The time of day is off by the number of seconds in OFFSET_FILE, which may change meanwhile.
"""

import sys
import time


def main(offset: str, agent: str, *arguments: str) -> int:
    """Run the daemon; returns its exit status."""
    real = time.time

    def stepped() -> float:
        with open(offset, encoding="ascii") as file:
            return real() + float(file.read() or 0)

    time.time = stepped
    sys.path.insert(0, agent)
    from pdagent.commands import daemon

    return daemon.main(list(arguments))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
