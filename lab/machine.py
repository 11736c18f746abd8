"""Can this machine run the lab? Each check raises LabError with the way out."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

from lab.console import ROOT, LabError

TOOLS = ("createrepo_c", "dpkg-buildpackage", "gpg", "iptables", "mmdebstrap", "podman", "rpmbuild")
# Seven images, their containers, the packages and a build at a time.
DISK_NEEDED_MB = 4096


def check_root() -> None:
    """Init systems as PID 1 and file ownership in images need rootful podman."""
    if os.geteuid() != 0:
        raise LabError("The lab needs root, because it boots init systems. Run: sudo make lab")


def check_tools() -> None:
    """Every program that the lab calls is on the PATH."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise LabError(f"Missing: {', '.join(missing)}. To install what the lab needs: make setup")


def check_podman() -> None:
    """Podman answers at all."""
    done = subprocess.run(["podman", "info"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError("podman does not work on this machine. To see why: podman info")


def check_disk() -> None:
    """There is room where podman keeps its images and where this checkout is."""
    for place in (Path("/var/lib"), ROOT):
        free_mb = shutil.disk_usage(place).free // 2**20
        if free_mb < DISK_NEEDED_MB:
            raise LabError(
                f"Only {free_mb} MB are free under {place}, the lab needs {DISK_NEEDED_MB} MB. "
                f"To see what takes the space: df -h {place}; podman system df"
            )


def check_port(port: int) -> None:
    """The emulator's control port is free on loopback, or it is our own emulator's."""
    own = subprocess.run(
        ["podman", "port", "pdagent-lab-emulator", "8080"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if own.stdout.strip().endswith(f":{port}"):
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise LabError(
                f"Port {port} on 127.0.0.1 is in use. Choose another with make lab "
                f"LAB_PORT=…; to see who has it: ss -ltnp 'sport = :{port}'"
            ) from error


def check(port: int) -> str:
    """Run every check; return a few words on the machine."""
    check_root()
    check_tools()
    check_disk()
    check_port(port)
    check_podman()
    return f"{os.cpu_count()} cores, {shutil.disk_usage('/var/lib').free // 2**30} GB free"
