"""Carry out the safe ones of the advised commands.

Only what this list names is ever run; any other advice is left to people.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Callable

from pdagent.doctor.check import FAIL, WARN, Result

# What may be run, word for word or by form, and what it does.
SAFE = (
    (r"systemctl daemon-reload", "have systemd read its units again"),
    (r"systemctl unmask pdagent", "lift the mask of the unit"),
    (r"systemctl enable --now pdagent", "start the agent now and at every boot"),
    (r"systemctl (start|restart) pdagent", "start the agent"),
    (r"service pdagent (start|restart)", "start the agent"),
    (r"update-rc\.d pdagent (defaults|enable)", "start the agent at every boot"),
    (r"chkconfig (--add pdagent|pdagent on)", "start the agent at every boot"),
    (r"chmod 755 /etc/init\.d/pdagent", "make the init script executable"),
    (r"/usr/share/pdagent/state-dirs", "make the agent's directories, or mend owner and mode"),
    (
        r"install -m (644|755) /usr/share/pdagent/service/pdagent\.(service|init)"
        r" (/usr)?/(lib/systemd/system/|etc/init\.d/pdagent)",
        "put the lost unit or init script back",
    ),
)


@dataclass(frozen=True)
class Action:
    """One advised command that is safe to run: for which check, which steps."""

    check: str
    command: str
    steps: tuple[tuple[str, ...], ...]


def actions(results: Iterable[Result]) -> Iterator[Action]:
    """Yield what can be done about the warnings and failures among results."""
    for result in results:
        finding = result.finding
        if finding.status in (WARN, FAIL) and finding.command:
            steps = safe_steps(finding.command)
            if steps:
                yield Action(result.id, finding.command, steps)


def safe_steps(command: str) -> tuple[tuple[str, ...], ...]:
    """Return the steps of a command line if every one is safe, else none."""
    steps = [step.strip() for step in command.split("&&")]
    bare = [step[5:] if step.startswith("sudo ") else step for step in steps]
    if not all(any(re.fullmatch(form, step) for form, _ in SAFE) for step in bare):
        return ()
    return tuple(tuple(shlex.split(step)) for step in bare)


def carry_out(
    todo: Sequence[Action], *, ask: Callable[[str], bool], say: Callable[[str], None]
) -> int:
    """Run the actions that ask() agrees to; return how many were run and went well."""
    done = 0
    for action in todo:
        if not ask(f"{action.check}: run  {action.command}"):
            say(f"{action.check}: left as it is")
            continue
        failure = next((text for text in map(_run, action.steps) if text), "")
        say(f"{action.check}: {failure or 'done'}")
        done += not failure
    return done


def _run(step: Sequence[str]) -> str:
    """Run one step as root; return what went wrong, empty where nothing did."""
    command = list(step) if os.geteuid() == 0 else ["sudo", *step]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}"
    words = (ended.stderr or ended.stdout).strip().splitlines()
    return "" if ended.returncode == 0 else " ".join(words[-1:]) or f"exit {ended.returncode}"
