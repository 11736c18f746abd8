#!/usr/bin/env python3
"""Boot one test host by hand: lab/boot.py IMAGE NAME [podman run arguments]

IMAGE is a recipe's name (see molecule/images). The container runs its init system as PID 1;
the command returns when it has booted. Enter it with `podman exec -it NAME bash`, remove it
with `podman rm -f -t 0 NAME`.
"""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab import runtime

PREFIX = os.environ.get("IMAGE_PREFIX", "localhost/pdagent-")
WAIT_FOR_BOOT = Path(__file__).resolve().parent.parent / "molecule/shared/wait-for-boot.sh"


class BootError(Exception):
    """A host that did not come up; the text says which, what happened and where to look."""


def boot(image, name, arguments=()):
    """Start a container from the image and wait until its init system is up.

    Raises BootError when podman cannot start it or it does not boot in two minutes.
    """
    command = ["podman", "run", "--detach", "--pull=never", "--name", name, "--hostname", name]
    command += ["--systemd=always", *runtime.podman_arguments(), *arguments, PREFIX + image]
    started = subprocess.run(command, capture_output=True, text=True, check=False)
    if started.returncode:
        reason = started.stderr.strip().rpartition("\n")[2]
        raise BootError(f"{name} did not start: {reason}. To build the images: make images")
    wait = ["podman", "exec", name, "sh", "-c", WAIT_FOR_BOOT.read_text()]
    waited = subprocess.run(wait, capture_output=True, check=False)
    if waited.returncode:
        reason = "is not up after two minutes" if waited.returncode == 1 else "has ended"
        raise BootError(f"{name} did not boot: it {reason}. To see why: podman logs {name}")


def main(arguments):
    """Boot the host that the arguments name; exit 1 with one sentence when it does not boot."""
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    image, name, *rest = arguments
    try:
        boot(image, name, rest)
    except BootError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
