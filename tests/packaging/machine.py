"""A test host: a container that runs its own init system, with PagerDuty on its loopback.

The emulator runs inside the container under PagerDuty's real names, and a CA of this test run
stands in the host's trust store: the agent runs with its shipped configuration.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lab import runtime
from lab.boot import PREFIX, boot
from tests.emulator.client import Emulator

ROOT = Path(__file__).resolve().parents[2]
KEY = "0123456789abcdef0123456789abcdef"
PAGERDUTY = ("events.pagerduty.com", "api.pagerduty.com")
QUEUE = "/var/lib/pdagent/outqueue"
RUNNING_SECONDS = 120


class HostCommandError(AssertionError):
    """A command on a test host ended with another exit code than 0."""


class Family(NamedTuple):
    """How one package family spells what all of them do; {} takes files or names."""

    install: str
    reinstall: str
    downgrade: str
    remove: str
    purge: str
    suffix: str
    names: tuple[str, ...]
    environment: str


# The rpm's purge is the one that docs/packages.md documents.
FAMILIES = {
    "deb": Family(
        install="dpkg -i {}",
        reinstall="dpkg -i {}",
        downgrade="dpkg -i {}",
        remove="dpkg -r {}",
        purge="dpkg -P {}",
        suffix=".deb",
        names=("pdagent",),
        environment="/etc/default/pdagent",
    ),
    "rpm": Family(
        install="rpm -U {}",
        reinstall="rpm -U --replacepkgs {}",
        downgrade="rpm -U --oldpackage {}",
        remove="rpm -e {}",
        purge="rpm -e {} && rm -rf /var/lib/pdagent /var/log/pdagent "
        "/etc/pdagent.conf* /etc/sysconfig/pdagent*",
        suffix=".rpm",
        names=("pdagent",),
        environment="/etc/sysconfig/pdagent",
    ),
}


class Machine:
    """One running test host of an image such as ``debian12-systemd``."""

    def __init__(
        self,
        image: str,
        name: str,
        *,
        init: bool = True,
        mounts: dict[str, str],
        privileges: str = "",
    ) -> None:
        self.image, self.name = image, name
        self.init = "systemd" if image.endswith("systemd") else "sysv"
        self.kind = "rpm" if image.startswith("rpm") else "deb"
        self.family = FAMILIES[self.kind]
        arguments = [f"--volume={source}:{target}:ro" for source, target in mounts.items()]
        arguments += [f"--add-host={host}:127.0.0.1" for host in PAGERDUTY]
        arguments += privileges.split()
        if init:
            boot(image, name, arguments)
        else:
            command = ["podman", "run", "--detach", "--pull=never", "--name", name]
            command += [*runtime.podman_arguments(), *arguments, PREFIX + image]
            subprocess.run([*command, "sleep", "infinity"], check=True, stdout=subprocess.DEVNULL)

    def remove_container(self) -> None:
        """Throw the host away."""
        subprocess.run(
            ["podman", "rm", "-f", "-t", "0", self.name], capture_output=True, check=True
        )

    # -- commands ---------------------------------------------------------------------------

    def run(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root, without a terminal."""
        done = subprocess.run(
            ["podman", "exec", self.name, "sh", "-c", command],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=600,
        )  # fmt: skip
        if check and done.returncode:
            raise HostCommandError(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def out(self, command: str) -> str:
        """Return what a command prints, without white space around it."""
        return self.run(command, check=False).stdout.strip()

    def exists(self, path: str) -> bool:
        """Return whether there is anything at the path."""
        return self.run(f"test -e {path} -o -L {path}", check=False).returncode == 0

    def write(self, path: str, text: str) -> None:
        """Write a file on the host."""
        self.run(f"mkdir -p $(dirname {path}) && printf %s {shlex.quote(text)} > {path}")

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; raises AssertionError that says what did not happen."""
        deadline = time.monotonic() + RUNNING_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"{self.image}: {what} did not happen\n{self.log()}"
            time.sleep(0.1)

    def log(self) -> str:
        """Return the end of what daemon and service manager logged."""
        return self.out(
            "tail -n 20 /var/log/pdagent/pdagentd.log; "
            "journalctl --no-pager -n 20 -u pdagent 2>/dev/null"
        )

    # -- packages ---------------------------------------------------------------------------

    def files(self, directory: str, names: tuple[str, ...] = ("pdagent",)) -> str:
        """Return the package files of a directory on the host that this host installs."""
        if self.kind == "rpm" and self.init == "sysv" and names == ("pdagent",):
            names += ("pdagent-sysvinit",)
        return " ".join(f"{directory}/{name}[_-][0-9]*{self.family.suffix}" for name in names)

    def installed(self) -> str:
        """Return the names of the installed packages of ours."""
        query = {
            "deb": "dpkg -l 'pdagent*' | awk '$1 == \"ii\" {print $2}'",
            "rpm": "rpm -qa 'pdagent*' --qf '%{NAME}\\n' | sort",
        }
        return self.out(query[self.kind])

    def install(self, directory: str, how: str = "install") -> str:
        """Install (or reinstall, downgrade) from a directory; returns all that was printed."""
        done = self.run(f"{getattr(self.family, how).format(self.files(directory))} 2>&1")
        return done.stdout

    def remove(self, how: str = "remove") -> None:
        """Remove (or purge) what is installed of ours."""
        names = (
            "pdagent pdagent-sysvinit" if self.kind == "rpm" and self.init == "sysv" else "pdagent"
        )
        self.run(getattr(self.family, how).format(names))

    # -- service ----------------------------------------------------------------------------

    def service(self, action: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Start, stop, restart, reload or ask the status of the service."""
        return self.run(f"service pdagent {action}", check=check)

    def pid(self) -> str:
        """Return the daemon's process id, or an empty text."""
        return self.out("pgrep -u pdagent -f 'pdagentd( |$)' -o")

    def disable(self) -> None:
        """Disable the service as an administrator does."""
        commands = {
            "systemd": "systemctl disable --now pdagent",
            "sysv": "service pdagent stop; update-rc.d pdagent disable",
        }
        self.run(commands[self.init])

    def enabled(self) -> bool:
        """Return whether the service starts at boot."""
        commands = {"systemd": "systemctl is-enabled pdagent", "sysv": "ls /etc/rc2.d/S*pdagent"}
        return self.run(commands[self.init], check=False).returncode == 0

    # -- events -----------------------------------------------------------------------------

    def start_pagerduty(self) -> Emulator:
        """Start the emulator in the host; returns its control client."""
        port_file = "/run/pagerduty.json"
        self.run(
            "cd /pdagent-tests && setsid python3 -m tests.emulator --listen 127.0.0.1:443 "
            "--control 0.0.0.0:8080 --tls-cert /pagerduty/cert.pem --tls-key /pagerduty/key.pem "
            f"--port-file {port_file} >/run/pagerduty.log 2>&1 &"
        )
        self.until(lambda: self.exists(port_file), "the emulator's start")
        address = subprocess.run(
            ["podman", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", self.name],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return Emulator(f"http://{address.stdout.strip()}:8080")

    def send(self, *texts: str, command: str = "pd-send") -> None:
        """Queue one trigger per text, as a user without any rights."""
        lines = [
            f"{command} -k {KEY} -t trigger -i {shlex.quote(text)} -d {shlex.quote(text)}"
            for text in texts
        ]
        self.run(f"su -s /bin/sh nobody -c {shlex.quote(' && '.join(lines))}")

    def queued(self, state: str) -> list[str]:
        """Return the file names of the events in pdq, suc or err."""
        return [
            n for n in self.out(f"ls {QUEUE}/{state} 2>/dev/null").split() if n.endswith(".txt")
        ]


def delivered(pagerduty: Emulator) -> list[str]:
    """Return the descriptions that PagerDuty accepted, in order and with repeats."""
    return [json.loads(json.dumps(event["body"]))["description"] for event in pagerduty.events()]


def unique_name(request_name: str) -> str:
    """Return a container name for a test, safe beside other test runs on the machine."""
    words = "".join(c if c.isalnum() else "-" for c in request_name.lower())
    return f"packaging-{os.getpid()}-{words}"[:60].rstrip("-")
