"""The scene of a torture: a host of its own and a PagerDuty of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.emulator.fixtures import Certificates, RunningEmulator, launch, stop
from tests.host import AGENT, Host


@contextlib.contextmanager
def pagerduty(directory: Path, *options: str) -> Iterator[RunningEmulator]:
    """An emulator without rate limit, over TLS, that lives as long as the block."""
    directory.mkdir(parents=True)
    certificates = Certificates(directory)
    files = certificates.issue("localhost", "127.0.0.1", "::1")
    running = launch(
        directory,
        "--throttle-per-minute=0",
        "--keep=1000000",
        *options,
        files=files,
        ca_file=certificates.ca_file,
    )
    try:
        yield running
    finally:
        stop(running)


@contextlib.contextmanager
def host_of(directory: Path, emulator: RunningEmulator, **settings: object) -> Iterator[Host]:
    """A host that sends there; its daemon is ended with the block."""
    directory.mkdir(parents=True)
    urls = {"events_api_url": emulator.url, "heartbeat_url": emulator.heartbeat_url}
    host = Host(directory, **{**urls, "ca_file": emulator.ca_file, "log_level": "info", **settings})
    try:
        yield host
    finally:
        host.close()


class Proxy:
    """A tinyproxy on a port of its own, while the block lasts."""

    def __init__(self, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._config = directory / "tinyproxy.conf"
        self._config.write_text(f"Port {self._port}\nListen 127.0.0.1\nTimeout 60\n")

    def __enter__(self) -> Proxy:
        self._process = subprocess.Popen(
            ["tinyproxy", "-d", "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(timeout=10)

    def restart(self) -> None:
        """Let it drop all its connections and be away for a moment."""
        self.__exit__()
        time.sleep(0.5)
        self.__enter__()


SYSTEM_PYTHON = "/usr/bin/python3"  # which any user may run, unlike a checkout's own


def as_user(name: str) -> list[str]:
    """The command line that runs another as this user, without further groups."""
    user = pwd.getpwnam(name)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def public_copy(directory: Path) -> Path:
    """A copy of the agent that every user may run; opens the way to it for them."""
    copy = directory / "agent"
    shutil.copytree(AGENT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for parent in (directory, *directory.parents):
        if parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o011)
    return copy


def give_to(host: Host, name: str) -> None:
    """Let this user own the host's directories and run its daemon."""
    user = pwd.getpwnam(name)
    for top in ("data", "run"):
        for root, _, files in os.walk(host.directory / top):
            for path in (root, *(os.path.join(root, one) for one in files)):
                mode = os.stat(path).st_mode
                os.chown(path, user.pw_uid, user.pw_gid)
                os.chmod(path, mode & 0o7777)  # changing the owner takes setgid away
    host.wrapper = as_user(name)
