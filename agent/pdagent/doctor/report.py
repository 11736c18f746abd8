"""Reports: results in, text or JSON out. No check is known here."""

from __future__ import annotations

import json
import socket
import textwrap
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pdagent import __version__
from pdagent.doctor.catalogue import GROUPS
from pdagent.doctor.check import CHAPTERS, FAIL, OK, SKIP, WARN, Check, Result
from pdagent.doctor.host import Host

SCHEMA = 1
WIDTH = 80
_ID_WIDTH = 16
_SYMBOLS = {OK: "✓", WARN: "!", FAIL: "✗", SKIP: "-"}
_COLOURS = {OK: "32", WARN: "33", FAIL: "31;1", SKIP: "2"}
_STATUSES = (OK, WARN, FAIL, SKIP)
_WHOLE_WAY = "api.events"  # the check that goes all the way to PagerDuty


def summary(results: Sequence[Result]) -> dict[str, int]:
    """Return how many results have each status."""
    counts = Counter(result.finding.status for result in results)
    return {status: counts[status] for status in _STATUSES}


def as_json(results: Sequence[Result], checks: Sequence[Check], host: Mapping[str, Any]) -> str:
    """Return the report as JSON, schema 1 (docs/doctor-schema.json)."""
    guides = {check.id: check.guide for check in checks}
    record = {
        "schema": SCHEMA,
        "version": __version__,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **host,
        "summary": summary(results),
        "checks": [_record(result, guides[result.id]) for result in results],
    }
    return json.dumps(record, indent=2, ensure_ascii=False)


def _record(result: Result, guide: str) -> dict[str, Any]:
    finding = result.finding
    return {
        "id": result.id,
        "group": result.group,
        "status": finding.status,
        "summary": finding.summary,
        "expected": finding.expected,
        "fix": finding.fix,
        "command": finding.command,
        "cause": finding.cause,
        "guide": finding.guide or guide,
        "detail": finding.detail,
        "seconds": result.seconds,
    }


def _label(text: str) -> str:
    return f"       {text:<{_ID_WIDTH}} "


def _row(label: str, text: str) -> list[str]:
    """Return a labelled text, wrapped; a command is never wrapped, so that it can be copied."""
    head = _label(label)
    wrapped = textwrap.wrap(text, WIDTH - len(head), break_long_words=False) or [""]
    return [head + wrapped[0], *(" " * len(head) + line for line in wrapped[1:])]


def heading(host: Host) -> str:
    """Return the first line: who looks at what, and with whose eyes."""
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return f"pd-doctor {__version__} on {socket.gethostname()}, {now}, as {host.environment[1]}"


class Text:
    """The report for people: grouped, aligned, 80 columns; colour on a terminal only."""

    def __init__(self, checks: Sequence[Check], *, terminal: bool, verbose: bool) -> None:
        """Report on checks; verbose adds all that each saw."""
        self._guides = {check.id: check.guide for check in checks}
        self._terminal = terminal
        self._verbose = verbose

    def render(self, results: Sequence[Result], heading: str, seconds: float) -> str:
        """Return the whole page."""
        lines = [*textwrap.wrap(heading, WIDTH), ""]
        for group, title in GROUPS.items():
            members = [r for r in results if r.group == group and self._is_shown(r)]
            if members:
                lines.append(self._paint("1", title))
                lines += [line for result in members for line in self._result(result)]
                lines.append("")
        lines.append(self._verdict(results, seconds))
        return "\n".join(lines)

    def _is_shown(self, result: Result) -> bool:
        """Leave out what does not arise on this host, unless all is asked for."""
        finding = result.finding
        return self._verbose or finding.status != SKIP or bool(finding.cause or finding.command)

    def _result(self, result: Result) -> list[str]:
        finding = result.finding
        mark = self._mark(finding.status)
        text = finding.summary
        if finding.cause:
            text = f"{text}: see {finding.cause}"
        head = f"{mark} {result.id:<{_ID_WIDTH}} "
        lines = self._wrapped(head, text, finding.status)
        if finding.status in (WARN, FAIL):
            lines += self._advice(result)
        if self._verbose:
            lines += self._details(result)
        return lines

    def _mark(self, status: str) -> str:
        symbol = _SYMBOLS[status] if self._terminal else " "
        return f"{symbol} {status.upper():<4}"

    def _wrapped(self, head: str, text: str, status: str) -> list[str]:
        wrapped = textwrap.wrap(text, WIDTH - len(head), break_long_words=False) or [""]
        first = self._paint(_COLOURS[status], head[:6]) + head[6:] + wrapped[0]
        return [first, *(" " * len(head) + line for line in wrapped[1:])]

    def _advice(self, result: Result) -> list[str]:
        finding = result.finding
        chapter = CHAPTERS[finding.guide or self._guides[result.id]]
        return [
            *_row("expected", finding.expected),
            *_row("do", finding.fix),
            f"{_label('run')}{self._paint('1', finding.command)}",
            *_row("guide", chapter),
        ]

    def _details(self, result: Result) -> list[str]:
        lines = []
        for name, value in result.finding.detail.items():
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            lines += _row(name[:18], shown)
        return [*lines, *_row("took", f"{result.seconds:.2f} s")]

    def _verdict(self, results: Sequence[Result], seconds: float) -> str:
        counts = summary(results)
        figures = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        colour = _COLOURS[FAIL if counts[FAIL] else WARN if counts[WARN] else OK]
        tail = f" in {seconds:.1f} s. {_conclusion(results)}"
        return "\n".join(textwrap.wrap(figures + tail, WIDTH)).replace(
            figures, self._paint(colour, figures)
        )

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._terminal else text


def _conclusion(results: Sequence[Result]) -> str:
    """Return what it all comes to; nothing is called well that was not looked at."""
    seen = {result.finding.status for result in results}
    if FAIL in seen:
        return "Mend what failed first; what is skipped may follow from it."
    if WARN in seen:
        return "Nothing failed; see what the warnings say."
    if any(result.finding.status == SKIP and result.finding.command for result in results):
        return "Nothing failed; run it with sudo to see the rest."
    if any(result.id == _WHOLE_WAY and result.finding.status == OK for result in results):
        return "Nothing stands between this host and PagerDuty."
    return "Nothing failed of what was looked at."
