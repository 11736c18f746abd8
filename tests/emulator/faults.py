"""Misbehaviour on request: what goes wrong, for whom, how often and at which stage."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from tests.emulator import answers

# Stages of a connection and of an exchange, in their order.
STAGES = {
    "accept": "the connection is accepted, nothing is read",
    "handshake": "the client's first TLS message has arrived, nothing is answered",
    "request": "the request's head is read, its body is not",
    "answer": "the whole request is read, nothing is answered",
    "headers": "the answer's status line is sent, its headers are not",
    "body": "the head and half of the answer's body are sent",
}
CONNECTION_STAGES = ("accept", "handshake")

# kind: (default stage, meaning). The last four replace the answer and need no stage.
KINDS = {
    "slow": ("answer", "wait `delay` seconds, then go on"),
    "drip": ("body", "send the rest one byte every `delay` seconds"),
    "reset": ("answer", "reset the connection (TCP RST)"),
    "close": ("answer", "close the connection in an orderly way"),
    "truncate": ("body", "announce the whole body, send half, close"),
    "endless": ("body", "go on sending until the client gives up"),
    "status": ("answer", "answer `status` (default 503) with `headers` and `body`"),
    "html": ("answer", "answer `status` (default 200) with a proxy's log-in page"),
    "redirect": ("answer", "answer `status` (default 302) to another place"),
    "bad_json": ("answer", "answer success with JSON that breaks off"),
}
_REPLACING = ("status", "html", "redirect", "bad_json")
_DEFAULT_STATUS = {"status": 503, "html": 200, "redirect": 302, "bad_json": 202}
_LOGIN_PAGE = (
    b"<!DOCTYPE html><html><head><title>Network log-in</title></head>"
    b"<body><h1>Please log in to the proxy</h1></body></html>"
)


def known() -> dict[str, dict[str, str]]:
    """The kinds and stages with their meanings."""
    return {"kinds": {kind: meaning for kind, (_, meaning) in KINDS.items()}, "stages": STAGES}


class FaultError(ValueError):
    """The description of a fault makes no sense; the text says what is allowed."""


@dataclass
class Fault:
    """One kind of misbehaviour and the requests it applies to.

    ``times`` None means every matching request until the faults are deleted.
    ``processed`` tells whether PagerDuty takes the event although its answer is
    spoilt, which is what makes a client send it again.
    """

    kind: str
    stage: str
    status: int | None = None
    delay: float = 1.0
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    processed: bool = False
    match: dict[str, str] = field(default_factory=dict)
    times: int | None = 1

    def applies(self, stages: tuple[str, ...], facts: dict[str, str | None]) -> bool:
        """Whether this fault strikes now, at one of these stages."""
        return self.stage in stages and all(
            facts.get(name) == value for name, value in self.match.items()
        )

    def answer(self, proper: answers.Answer) -> answers.Answer:
        """The answer under this fault, given the proper one."""
        if self.kind not in _REPLACING:
            return proper
        status = self.status or _DEFAULT_STATUS[self.kind]
        if self.kind == "html":
            return answers.Answer(status, _LOGIN_PAGE, {"Content-Type": "text/html"})
        if self.kind == "bad_json":
            return answers.Answer(status, b'{"status": "success", "mess')
        chosen = answers.other(status)
        body = chosen.body if self.body is None else self.body
        if isinstance(body, str):
            body = body.encode()
        if self.kind == "redirect":
            return answers.Answer(status, body, {"Location": "/elsewhere", **self.headers})
        return answers.Answer(status, body, self.headers)


def parse(document: Any) -> Fault:
    """A fault from the control port's JSON; raises FaultError."""
    if not isinstance(document, dict) or not isinstance(document.get("fault"), dict):
        raise FaultError('expected {"match": {...}, "times": n, "fault": {"kind": ...}}')
    wanted = dict(document["fault"])
    kind = wanted.pop("kind", None)
    if kind not in KINDS:
        raise FaultError(f"unknown kind {kind!r}; known: {', '.join(KINDS)}")
    stage = wanted.pop("stage", KINDS[kind][0])
    if stage not in STAGES:
        raise FaultError(f"unknown stage {stage!r}; known: {', '.join(STAGES)}")
    match = document.get("match") or {}
    _check_match(stage, match)
    unknown = set(wanted) - {"status", "delay", "headers", "body", "processed"}
    if unknown:
        raise FaultError(f"unknown field of the fault: {', '.join(sorted(unknown))}")
    wanted.setdefault("processed", kind in ("slow", "drip", "truncate"))
    return Fault(kind, stage, match=match, times=document.get("times", 1), **wanted)


def _check_match(stage: str, match: dict[str, str]) -> None:
    knowable = {"path", "key", "method"}
    if stage in CONNECTION_STAGES:
        knowable = set()
    elif stage == "request":
        knowable = {"path", "method"}
    unknown = set(match) - knowable
    if unknown:
        raise FaultError(
            f"at stage {stage!r} a fault cannot be matched by {', '.join(sorted(unknown))}"
        )


class FaultPlan:
    """The faults asked for; the first that applies strikes and is counted down."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Append a fault to the plan."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Behave properly from now on."""
        with self._lock:
            self._faults.clear()

    def take(self, *stages: str, **facts: str | None) -> Fault | None:
        """The fault that strikes at one of these stages for a request with these facts."""
        with self._lock:
            for fault in self._faults:
                if fault.applies(stages, facts):
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self._faults.remove(fault)
                    return fault
        return None
