"""What a fault is, and the deeds that most faults are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.integration.doctor.lab import Host, Lab

Deed = Callable[[Lab, Host], object]
CONF = "/etc/pdagent.conf"


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    `inflict` breaks one thing. pd-doctor must then fail in exactly one check, `check`,
    with `seen` in what it saw and `command` in what it advises. Following the advice must
    mend it: with the sed script `edit` in an editor's place, the placeholder
    `replace[0]` filled in, or `world` where other people must act.
    """

    name: str
    check: str
    seen: str
    command: str
    inflict: Deed
    edit: str = ""
    world: Deed | None = None
    replace: tuple[str, str] = ("", "")


def run(*commands: str) -> Deed:
    """Return a deed that runs commands on the host."""
    return lambda _lab, host: [host.run(command) for command in commands]


def configure(*lines: str) -> Deed:
    """Return a deed that adds lines to the configuration and has the daemon take it."""
    text = "\\n".join(lines)
    return lambda _lab, host: (
        host.run(f"printf '{text}\\n' >> {CONF}"),
        host.call("systemctl restart pdagent"),
    )
