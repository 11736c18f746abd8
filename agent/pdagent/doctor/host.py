"""What this host says of the agent, gathered once with the caller's rights.

Everything here is a fact, no judgement: the checks judge. A fact the caller may not
read is None, which is not the same as empty.
"""

from __future__ import annotations

import json
import os
import pwd
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pdagent.doctor import daemonfacts, units
from pdagent.doctor.daemonfacts import Process
from pdagent.doctor.destinations import EVENTS, HEARTBEAT, Destination, destination
from pdagent.settings import DEFAULT_PATH, Settings
from pdagent.state import read_state

SYSTEM_DATA_DIR = "/var/lib/pdagent"
AGENT_USER = "pdagent"
SYSTEMD, SYSV, NO_INIT = "systemd", "sysv", "none"

_CLOCK_STEP = 1  # seconds that the times of processes and of files may be apart
_UNIT_PROPERTIES = (
    "LoadState,UnitFileState,FragmentPath,DropInPaths,NeedDaemonReload,ActiveState,SubState,"
    "MainPID,Result,ExecMainStatus,NRestarts"
)


@dataclass(frozen=True)
class Host:
    """The facts: configuration, init system, unit, process, state, environment."""

    config_path: str
    settings: Settings
    config_error: str
    init: str
    unit: Mapping[str, str]
    state: Mapping[str, Any]
    process: Process | None
    configured: Mapping[str, str] | None
    firewall: Sequence[str] = ()

    @property
    def private(self) -> bool:
        """Whether this is a queue of someone's own, which no service of the system serves.

        The service reads the system's configuration, wherever that puts the queue.
        """
        return self.config_path != DEFAULT_PATH and self.settings.data_dir != SYSTEM_DATA_DIR

    def service_command(self, verb: str) -> str:
        """Return the command that does verb (start, restart, …) to the service."""
        if self.private:
            return f"pdagentd --config {self.config_path}"
        if self.init == SYSTEMD:
            return f"sudo systemctl {verb} pdagent"
        return f"sudo service pdagent {verb}"

    def set_command(self, key: str, value: str) -> str:
        """Return the command that sets key in the configuration and has the daemon take it."""
        edit = f"sudo sed -i 's|^ *{key} *[=:].*|{key} = {value}|' {self.config_path}"
        return f"{edit} && {self.service_command('restart')}"

    @property
    def environment(self) -> tuple[Mapping[str, str], str]:
        """The daemon's environment as far as it is known, and where it was read."""
        if self.process and self.process.environ is not None:
            return self.process.environ, f"process {self.process.pid}"
        if self.configured is not None and not self.private:
            return self.configured, "the service's configuration"
        return dict(os.environ), "your shell"


@dataclass(frozen=True)
class Context:
    """What a check may know: the host, where requests go, and what the user asked for."""

    host: Host
    destinations: tuple[Destination, ...] = ()
    key: str = ""
    send_test: bool = False
    caller_environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """The configuration, or the defaults where it could not be read."""
        return self.host.settings

    @property
    def events(self) -> Destination:
        """Where events go."""
        return self.destinations[0]

    def direct(self) -> list[Destination]:
        """Return the destinations that are reached without a proxy."""
        return [one for one in self.destinations if not one.proxy]

    def proxied(self) -> list[Destination]:
        """Return the destinations that are reached through a proxy."""
        return [one for one in self.destinations if one.proxy]


def destinations(settings: Settings) -> tuple[Destination, ...]:
    """Return where the agent's requests go, the events first."""
    urls = [(EVENTS, settings.events_url("v2"))]
    if settings.heartbeat_enabled:
        urls.append((HEARTBEAT, settings.effective_heartbeat_url))
    return tuple(destination(role, url) for role, url in urls)


def look(config_path: str, settings: Settings, config_error: str) -> Host:
    """Gather the facts about this host."""
    init = init_system()
    unit = unit_properties() if init == SYSTEMD else {}
    state = read_state(settings.state_file)
    process = daemonfacts.find(settings, unit, state)
    return Host(
        config_path=config_path,
        settings=settings,
        config_error=config_error,
        init=init,
        unit=unit,
        state=state,
        process=process,
        configured=units.environment(systemd=init == SYSTEMD),
        firewall=output_drops(),
    )


def init_system() -> str:
    """Return which init system runs services here."""
    if os.path.isdir("/run/systemd/system"):
        return SYSTEMD
    return SYSV if os.path.isdir("/etc/init.d") else NO_INIT


def unit_properties() -> dict[str, str]:
    """Return what systemd says of the unit; empty where it cannot be asked."""
    lines = run(["systemctl", "show", units.UNIT, "-p", _UNIT_PROPERTIES]).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def output_drops() -> list[str]:
    """Return nft's name (family table chain) of each output chain that drops or rejects.

    Only root may ask; for others, and without nft, the list is empty.
    """
    try:
        ruleset = json.loads(run(["nft", "-j", "list", "ruleset"]) or "{}").get("nftables", [])
    except ValueError:
        return []
    chains = [e["chain"] for e in ruleset if e.get("chain", {}).get("hook") == "output"]
    rules = [e["rule"] for e in ruleset if "rule" in e]
    return [_chain_name(c) for c in chains if c.get("policy") == "drop" or _drops(c, rules)]


def _chain_name(chain: Mapping[str, Any]) -> str:
    return f"{chain['family']} {chain['table']} {chain['name']}"


def _drops(chain: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> bool:
    place = (chain["family"], chain["table"], chain["name"])
    own = [r for r in rules if (r["family"], r["table"], r["chain"]) == place]
    return any("drop" in part or "reject" in part for r in own for part in r["expr"])


def changed_since(path: str, moment: float) -> bool:
    """Whether a file was changed after that time; one dated in the future does not tell."""
    try:
        changed = os.stat(path).st_mtime
    except OSError:
        return False
    return moment + _CLOCK_STEP < changed <= time.time()


def agent_user() -> pwd.struct_passwd | None:
    """Return the agent's user, or None where there is none."""
    try:
        return pwd.getpwnam(AGENT_USER)
    except KeyError:
        return None


def name() -> str:
    """Return this host's name."""
    return socket.gethostname()


def run(command: Sequence[str], timeout: float = 4.0) -> str:
    """Return what command prints; empty where it fails, is missing or takes too long."""
    status, output = call(command, timeout)
    return output if status == 0 else ""


def call(command: Sequence[str], timeout: float = 4.0) -> tuple[int, str]:
    """Return command's exit status and output; -1 where it cannot run or takes too long."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return -1, ""
    return done.returncode, done.stdout
