"""The clock, which every certificate rests on."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime

from pdagent.doctor import host, probe
from pdagent.doctor.check import FAIL, WARN, Check, Finding, Results, ok, skip
from pdagent.doctor.host import Context
from pdagent.doctor.network import addresses_of
from pdagent.doctor.service import epoch
from pdagent.doctor.tls import DATE_ERRORS, HANDSHAKE_SECONDS, REACHED, trusting_anyone

MAX_SKEW_SECONDS = 120
_UNITS = (("days", 86400), ("h", 3600), ("min", 60), ("s", 1))


def clock(context: Context, results: Results) -> Finding:
    """Compare this host's clock with the Date that the events host sends.

    The connection is not verified, because a wrong clock makes every certificate
    look invalid; nothing is sent over it but a HEAD request.
    """
    date = remote_date(context, addresses_of(context.events, results))
    if date is None:
        return skip(f"{context.events.host} sends no date")
    skew, jump = time.time() - date, jump_since_start(context)
    if abs(skew) <= MAX_SKEW_SECONDS:
        return ok(_right(skew, jump), skew_seconds=round(skew, 1), jump_seconds=round(jump))
    breaks_tls = results["net.tls"].detail.get("verify_code") in DATE_ERRORS
    direction = "ahead of" if skew > 0 else "behind"
    return Finding(
        FAIL if breaks_tls else WARN,
        f"the clock is {_span(abs(skew))} {direction} PagerDuty's",
        expected=f"at most {MAX_SKEW_SECONDS} s off",
        fix="have the time set from the network",
        command=_clock_command(date),
        detail={"skew_seconds": round(skew, 1)},
    )


def _right(skew: float, jump: float) -> str:
    text = f"{abs(skew):.0f} s off PagerDuty's"
    if abs(jump) <= MAX_SKEW_SECONDS:
        return text
    way = "forward" if jump > 0 else "back"
    return f"{text}; it was set {way} by {_span(abs(jump))} since the agent started"


def jump_since_start(context: Context) -> float:
    """Return by how many seconds the clock was set since the daemon started.

    The daemon wrote down the time of its start; the boot clock, which nobody sets, says
    how long ago that was.
    """
    process, state = context.host.process, context.host.state
    noted = epoch(state.get("started_at"))
    if process is None or state.get("pid") != process.pid or not noted:
        return 0.0
    return process.started_at - noted


def remote_date(context: Context, addresses: Sequence[str]) -> float | None:
    """Return the Date header of the events host, in seconds since the epoch."""
    destination = context.events
    source = context.settings.source_address
    request = f"HEAD / HTTP/1.1\r\nHost: {destination}\r\nConnection: close\r\n\r\n".encode()
    try:
        with probe.open_to(destination, addresses, source, timeout=HANDSHAKE_SECONDS) as tcp:
            if not destination.tls:
                return _date_in(tcp, request)
            tls = trusting_anyone()
            with tls.wrap_socket(tcp, server_hostname=destination.host) as connection:
                return _date_in(connection, request)
    except (OSError, ValueError):
        return None


def _date_in(connection: socket.socket, request: bytes) -> float | None:
    connection.sendall(request)
    head = b""
    while b"\r\n\r\n" not in head and len(head) < 65536:
        piece = connection.recv(4096)
        if not piece:
            break
        head += piece
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "date":
            return parsedate_to_datetime(value.strip()).timestamp()
    return None


def _span(seconds: float) -> str:
    name, size = next(unit for unit in _UNITS if seconds >= unit[1])
    return f"{seconds / size:.0f} {name}"


def _clock_command(date: float) -> str:
    if shutil.which("chronyc"):
        return "sudo chronyc makestep"
    if host.run(["timedatectl", "show", "-p", "CanNTP", "--value"]).strip() == "yes":
        return "sudo timedatectl set-ntp true"
    return f"sudo date -u -s '{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(date))}'"


CHECKS = (
    Check(
        id="time.clock",
        group="system",
        question="Is the clock right?",
        guide="testing-tls",
        run=clock,
        needs=REACHED,
        after=("net.dns", "proxy.dns", "proxy.tcp", "net.tls"),
        limit=12.0,
        network=True,
    ),
)
