"""One host that runs the agent of this checkout, in a directory of its own.

The daemon and the commands are real processes; only their directories and PagerDuty's
address are moved by the configuration file.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable

import pdagent
from pdagent.event import Event
from pdagent.outqueue import layout

ROOT = Path(__file__).resolve().parent.parent
AGENT = ROOT / "agent"
BIN = AGENT / "bin"
STEPPED = ROOT / "tests" / "stepped_daemon.py"

# Quick enough for a test, and never further from the defaults than that.
_QUICK = {
    "send_interval_secs": 1,
    "backoff_interval_secs": 1,
    "heartbeat_enabled": "false",
    "min_free_mb": 0,
    "log_file": "",
    "log_level": "debug",
}


class Host:
    """Directories, configuration, daemon and commands of one host.

    Further settings go by their configuration keys; ``python`` is the interpreter
    that runs the daemon and the commands, ``wrapper`` a command line that the daemon's
    is appended to (such as ``unshare --net``), ``agent`` another copy of the agent,
    ``clock`` a file that holds how many seconds the daemon's time of day is off.
    """

    def __init__(
        self,
        directory: Path,
        *,
        python: str = sys.executable,
        agent: Path = AGENT,
        **settings: object,
    ) -> None:
        self.directory, self.python, self.agent = directory, python, agent
        self.config = directory / "pdagent.conf"
        self.outqueue = directory / "data" / "outqueue"
        self.log_path = directory / "pdagentd.log"
        self.daemon: subprocess.Popen[bytes] | None = None
        self.wrapper: list[str] = []
        self.clock: Path | None = None
        self._settings: dict[str, object] = {
            **_QUICK,
            "data_dir": directory / "data",
            "run_dir": directory / "run",
        }
        (directory / "run").mkdir()
        layout.ensure(str(directory / "data"))
        self.configure(**settings)

    def configure(self, **settings: object) -> None:
        """Change keys of the configuration file."""
        self._settings.update(settings)
        lines = [f"{key} = {value}" for key, value in self._settings.items()]
        self.config.write_text("\n".join(["[Main]", *lines, ""]), encoding="utf-8")

    def command(self, name: str, *arguments: str) -> list[str]:
        """The command line that runs an installed command from this checkout."""
        return [
            self.python,
            "-I",
            str(self.agent / "bin" / name),
            "--config",
            str(self.config),
            *arguments,
        ]

    def run(self, name: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        options = {"capture_output": True, "text": True, "timeout": 60, **options}
        return subprocess.run(self.command(name, *arguments), **options)

    def put(self, event: Event) -> str:
        """Queue an event without the cost of a process; returns its file name."""
        return pdagent.submit(event, config=str(self.config))

    def start(self, *, env: dict[str, str] | None = None, wait: bool = True) -> None:
        """Start the daemon; returns once it has written its state, unless ``wait`` is False."""
        environment = {"PATH": os.environ["PATH"], **_measured(), **(env or {})}
        command = self.command("pdagentd", "-f")
        if self.clock is not None:
            self.clock.touch()
            arguments = command[command.index("--config") :]
            command = [self.python, str(STEPPED), str(self.clock), str(self.agent), *arguments]
        self.launch([*self.wrapper, *command], env=environment)
        if wait:
            self.until(lambda: self.state().get("pid") == self.daemon.pid)

    def launch(self, command: Sequence[Any], **how: Any) -> None:
        """Start a daemon by a command of the test's own, in a process group that ends as one."""
        with self.log_path.open("ab") as log:
            self.daemon = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, **how
            )

    def stop(self) -> int:
        """Ask the daemon to end; returns its exit status."""
        return self.end(signal.SIGTERM)

    def kill(self) -> None:
        """End the daemon without asking."""
        self.end(signal.SIGKILL)

    def end(self, number: signal.Signals) -> int:
        """Send the daemon (and its wrapper) a signal that ends it; returns its exit status."""
        assert self.daemon is not None
        os.killpg(self.daemon.pid, number)
        status = self.daemon.wait(timeout=60)
        self.daemon = None
        return status

    def state(self) -> dict[str, Any]:
        """What the daemon publishes about itself; empty before it has."""
        try:
            return json.loads((self.directory / "run" / "state.json").read_bytes())
        except FileNotFoundError:
            return {}

    def peak_memory_kb(self) -> int:
        """The most memory the daemon has had resident so far, in KiB."""
        assert self.daemon is not None
        status = Path(f"/proc/{self.daemon.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0])

    def names(self, where: str) -> list[str]:
        """The names in ``pdq``, ``suc``, ``err`` or ``tmp``, in order."""
        return sorted(os.listdir(self.outqueue / where))

    def events(self, where: str) -> list[str]:
        """The event files there, reason files left out."""
        return [name for name in self.names(where) if name.endswith(".txt")]

    def reason(self, name: str) -> dict[str, Any]:
        """Why an event is in err."""
        return json.loads((self.outqueue / "err" / layout.reason_name(name)).read_bytes())

    def log(self) -> str:
        """Everything the daemon has logged."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def until(self, condition: Callable[[], Any], timeout: float = 60) -> Any:
        """Wait until the condition holds; returns its value, raises with the log's end."""
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            ended = self.daemon is not None and self.daemon.poll() is not None
            if ended or time.monotonic() > deadline:
                what = "the daemon ended" if ended else f"still not so after {timeout} s"
                raise AssertionError(f"{what}; its log ends:\n{self.log()[-3000:]}")
            time.sleep(0.02)
        return value

    def until_settled(self, timeout: float = 60) -> None:
        """Wait until nothing is pending any more."""
        self.until(lambda: not self.names("pdq"), timeout)

    def close(self) -> None:
        """End what still runs."""
        if self.daemon is not None:
            with contextlib.suppress(ProcessLookupError):
                self.end(signal.SIGTERM if _measured() else signal.SIGKILL)


def _measured() -> dict[str, str]:
    """What tells a process that its coverage is measured; a killed one would tell nothing."""
    return {name: text for name, text in os.environ.items() if name.startswith("COVERAGE_")}
