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


def boot(image, name, arguments=()):
    """Start a container from the image and wait until its init system is up.

    Raises subprocess.CalledProcessError when podman cannot start it or it does not boot in
    thirty seconds.
    """
    command = ["podman", "run", "--detach", "--pull=never", "--name", name, "--hostname", name]
    command += ["--systemd=always", *runtime.podman_arguments(), *arguments, PREFIX + image]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["podman", "exec", name, "sh", "-c", WAIT_FOR_BOOT.read_text()], check=True)


def main(arguments):
    """Boot the host that the arguments name; exit 1 with one sentence when it does not boot."""
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    image, name, *rest = arguments
    try:
        boot(image, name, rest)
    except subprocess.CalledProcessError:
        print(f"{name} did not boot. To see why: podman logs {name}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
