"""The lab's commands: python -m lab up | status | shell HOST | down"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from lab import machine, packages, report, testbed
from lab.console import LabError, Steps


def up(port: int) -> None:
    """Bring the lab up from whatever is there, and prove it with events."""
    steps, rows = Steps(6), []

    def build_packages() -> str:
        if not packages.are_current():
            testbed.remove()  # hosts with an earlier build of the same version
        return packages.build()

    def send_events() -> str:
        rows.extend(report.event_rows(port))
        return f"trigger and resolve from {len(rows)} hosts"

    steps.run("Check this machine", lambda: machine.check(port))
    steps.run("Build packages and repositories", build_packages)
    steps.run("Build host images", testbed.build_images)
    steps.run("Boot hosts and services", lambda: testbed.boot(port))
    steps.run("Roll the agent out", testbed.roll_out)
    steps.run("Send events", send_events)
    report.print_events(rows)


def shell(host: str) -> None:
    """Become a shell on a host of the lab, or on the emulator or package server."""
    known = [*testbed.hosts(), "emulator", "packages"]
    if host not in known:
        raise LabError(f"Say which host: make lab-shell HOST=… with one of {', '.join(known)}.")
    if not testbed.is_running(host):
        raise LabError(f"{host} does not run. To start the lab: make lab")
    os.execvp("podman", ["podman", "exec", "-it", testbed.container(host), "bash"])  # noqa: S606


def main() -> int:
    """Run one command; exit 1 with one sentence on standard error when it fails."""
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    parser.add_argument("command", choices=("up", "status", "shell", "down"))
    parser.add_argument("host", nargs="?", default="")
    parser.add_argument("--port", type=int, default=8380, help="the emulator's control port")
    options = parser.parse_args()
    commands = {
        "up": lambda: up(options.port),
        "status": report.print_state,
        "shell": lambda: shell(options.host),
        "down": lambda: print(f"The lab is {testbed.remove()}; images and packages stay."),
    }
    try:
        commands[options.command]()
    except LabError as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"\n{error.cmd[0]} failed: {error.stderr or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Run it again to go on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
