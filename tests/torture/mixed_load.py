"""Events of every kind and from every command, for as long as it takes.

Every event carries its number as ``mixed-N`` somewhere in its body.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from typing import Any

from pdagent.event import Event
from pdagent.outqueue.inbox import Limits, submit
from tests.host import Host
from tests.torture.lanes import key, trigger
from tests.torture.outcome import Outcome

LANES = 20
_DAY_NS = 86_400 * 1_000_000_000
_COMMAND_EVERY = 20


def number_of(body: Any) -> int:
    """The number that an event carries."""
    found = re.search(r"mixed-(\d+)\b", json.dumps(body))
    assert found, body
    return int(found.group(1))


class MixedLoad(threading.Thread):
    """Submits one event after another; the wall clock of its submits steps within a day.

    ``count`` is the number of events accepted so far.
    """

    def __init__(self, host: Host, pause: float, outcome: Outcome) -> None:
        super().__init__(daemon=True)
        self.count = 0
        self._host, self._pause, self._outcome = host, pause, outcome
        self._over = threading.Event()

    def run(self) -> None:
        chance = random.Random(5)
        step = 0
        while not self._over.wait(self._pause):
            if chance.random() < 0.02:
                step = chance.randint(-_DAY_NS // 2, _DAY_NS // 2)
            try:
                if self.count % _COMMAND_EVERY:
                    self._call(_event(self.count), step)
                else:
                    self._command()
            except Exception as error:
                self._outcome.found.append(f"event {self.count} was refused: {error}")
            self.count += 1

    def stop(self) -> None:
        """Submit nothing more."""
        self._over.set()
        self.join()

    def _call(self, event: Event, step: int) -> None:
        submit(
            str(self._host.outqueue),
            event.key,
            event.encode(),
            limits=Limits(1 << 40, 0),
            wake_fifo=str(self._host.directory / "run" / "wake"),
            clock=lambda: time.time_ns() + step,
        )

    def _command(self) -> None:
        turn = self.count // _COMMAND_EVERY % len(_COMMANDS)
        lane, mark = key(self.count % LANES), f"mixed-{self.count}"
        name, *words = (word.replace("KEY", lane).replace("MARK", mark) for word in _COMMANDS[turn])
        ended = self._host.run(name, *words, input=_SENSU.replace("MARK", mark))
        self._outcome.expect(ended.returncode == 0, f"{name} ended {ended.returncode}: {ended}")


def _event(number: int) -> Event:
    """Mostly small triggers, some v2, change events and big ones."""
    mark, lane = f"mixed-{number}", key(number % LANES)
    common = {"summary": mark, "source": "torture"}
    if number % 7 == 3:
        return Event.v2(lane, "trigger", dedup_key=mark, severity="info", **common)
    if number % 7 == 5:
        return Event.change(lane, **common)
    event = trigger(number % LANES, number)
    padding = "x" * 65_536 if number % 200 == 9 else ""
    return Event({**event.body, "details": {"mark": mark, "padding": padding}})


_SENSU = json.dumps(
    {
        "client": {"name": "host"},
        "check": {"name": "MARK", "output": "disk full"},
        "action": "create",
    }
)
_COMMANDS = (
    ("pd-send", "-k", "KEY", "-t", "trigger", "-d", "MARK"),
    ("pd-nagios", "-k", "KEY", "-t", "PROBLEM", "-n", "service", "-f", "HOSTNAME=host",
     "-f", "SERVICEDESC=MARK", "-f", "SERVICESTATE=CRITICAL"),
    ("pd-zabbix", "KEY", "trigger", "name:MARK\nid:1\nstatus:PROBLEM\nhostname:host"),
    ("pd-sensu", "-k", "KEY"),
)  # fmt: skip
