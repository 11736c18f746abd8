"""Running a command under strace, and reading what it did to files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)(.*)$")
_UNFINISHED = re.compile(r"^(\d+) +(.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
_TEXT = re.compile(r'(?:"((?:\\x[0-9a-f]{2})*)"|<((?:\\x[0-9a-f]{2})+)>)(\(deleted\))?')


class Call(NamedTuple):
    """One system call: strings and file-descriptor paths decoded, result as a number."""

    pid: int
    name: str
    arguments: str
    texts: list[bytes]
    result: int | None
    injected: bool


def strace(
    command: list[str], log: Path, *options: str, **run: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end with its system calls in ``log``."""
    return subprocess.run(
        prefix(log, *options) + command, capture_output=True, text=True, timeout=120, **run
    )


def prefix(log: Path, *options: str) -> list[str]:
    """The command line of strace to put before a command's."""
    return ["strace", "-f", "-qq", "-xx", "-y", "-s", "1000000", "-o", str(log), *options]


def calls(log: Path) -> Iterator[Call]:
    """The calls in a log, in the order of their ends."""
    started: dict[str, str] = {}
    for line in log.read_text(encoding="ascii", errors="replace").splitlines():
        if match := _UNFINISHED.match(line):
            started[match[1]] = line[: -len(" <unfinished ...>")]
            continue
        if match := _RESUMED.match(line):
            line = started.pop(match[1], match[1]) + match[2]
        if match := _CALL.match(line):
            yield Call(
                int(match[1]),
                match[2],
                match[3],
                [_decode(one[1] or one[2] or "") for one in _TEXT.finditer(match[3])],
                None if match[4] == "?" else int(match[4]),
                "(INJECTED)" in match[5],
            )


def _decode(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
