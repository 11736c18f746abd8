"""What pd-queue makes of its arguments, of answers on a terminal, and of missing rights."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

from pdagent.commands.queue import main
from pdagent.outqueue import layout
from tests.host import BIN

KEY = "a" * 28 + "wxyz"
NAME = layout.name(1_700_000_000_000_000, KEY)

Run = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def event(queue: str) -> Path:
    path = Path(queue, "pdq", NAME)
    path.write_text("{}")
    return path


@pytest.mark.parametrize("age", ["", "x", "5y", "1.5.2h", "-1", "nan", "inf", "1e999d"])
def test_an_age_that_is_none(run_main: Run, event: Path, age: str) -> None:
    code, _, said = run_main(main, "purge", "-a", "--yes", f"--older-than={age}")
    assert (code, event.exists()) == (2, True)
    assert f"{age!r} is no age: write 90s, 30m, 12h or 7d" in said


@pytest.mark.parametrize("command", ["hold", "release"])
@pytest.mark.parametrize("key", ["", "../../etc/passwd"])
def test_what_can_be_no_key_holds_and_releases_nothing(
    run_main: Run, command: str, key: str
) -> None:
    """A variable that a script left empty must not release what others hold."""
    run_main(main, "hold", "-k", KEY)
    code, shown, said = run_main(main, command, "-k", key)
    assert (code, shown) == (2, "")
    assert said.startswith("pd-queue: error: argument -k/--service-key ")
    assert run_main(main, "release")[1] == "Released: all keys.\n"


def test_without_rights_an_event_is_not_said_to_be_missing(
    run_main: Run, queue: str, as_nobody: Callable[..., Any]
) -> None:
    Path(queue, "suc", NAME).write_text("{}")
    code, shown, said = as_nobody(lambda: run_main(main, "show", NAME))
    assert (code, shown) == (1, "")
    assert said.startswith(f"Can't read directory {queue}/pdq, please check permissions")


def test_show_keeps_to_the_key_that_was_named(run_main: Run, event: Path) -> None:
    assert run_main(main, "show", NAME, "-k", KEY)[0] == 0
    assert run_main(main, "show", NAME, "-k", "b" * 32)[0] == 1


class Terminal:
    """pd-queue on a terminal, asked whether to remove events."""

    def __init__(self, config: str) -> None:
        self._main, side = pty.openpty()
        command = [sys.executable, BIN / "pd-queue", "--config", config, "purge", "-a"]
        self.process = subprocess.Popen(command, stdin=side, stdout=side, stderr=side)
        os.close(side)
        self.shown = b""
        while not self.shown.endswith(b"[y/N] "):
            self.shown += os.read(self._main, 4096)

    def type(self, keys: bytes) -> None:
        os.write(self._main, keys)

    def end(self, last: bytes) -> int:
        while not self.shown.endswith(last + b"\r\n"):
            self.shown += os.read(self._main, 4096)
        os.close(self._main)
        return self.process.wait(timeout=30)


@pytest.mark.parametrize("keys", [b"\x04", b"n\n", b"\xff\n"])
def test_anything_but_a_yes_removes_nothing(config: str, event: Path, keys: bytes) -> None:
    terminal = Terminal(config)
    terminal.type(keys)
    assert terminal.end(b"pd-queue: nothing removed") == 1
    assert event.exists()


def test_an_interrupted_purge_removes_nothing_and_does_not_say_that_all_is_done(
    config: str, event: Path
) -> None:
    terminal = Terminal(config)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end(b"pd-queue: interrupted") == 130
    assert event.exists()
