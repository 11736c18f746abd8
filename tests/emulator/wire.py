"""Sending an answer over a connection, spoilt in the way a fault asks for."""

from __future__ import annotations

import os
import socket
import struct
import time

from tests.emulator.answers import Answer
from tests.emulator.faults import Fault

_ENDLESS_HEADER = b"X-Endless: " + b"a" * 1000 + b"\r\n"
_ENDLESS_BODY = b" " * 65536


class ConnectionEndedError(Exception):
    """The fault has ended this connection; nothing more can be sent on it."""


def send(connection: socket.socket, answer: Answer, fault: Fault | None, *, close: bool) -> None:
    """Send the answer; raises ConnectionEndedError when a fault ended the connection."""
    if fault is None or fault.kind in ("status", "html", "redirect", "bad_json"):
        connection.sendall(b"".join(answer.encoded(close=close)))
        return
    head, body = answer.encoded(sized=fault.kind != "endless", close=close)
    before, after = _split(fault.stage, head, body)
    connection.sendall(before)
    strike(connection, fault)
    if fault.kind == "drip":
        _drip(connection, after, fault.delay)
    elif fault.kind == "endless":
        _pour(connection, _ENDLESS_HEADER if fault.stage == "headers" else _ENDLESS_BODY)
    else:
        connection.sendall(after)


def strike(connection: socket.socket, fault: Fault) -> None:
    """What a fault does to the connection at its stage: wait, reset or close."""
    if fault.kind == "slow":
        time.sleep(fault.delay)
    elif fault.kind == "reset":
        _reset(connection)
        raise ConnectionEndedError
    elif fault.kind in ("close", "truncate"):
        raise ConnectionEndedError


def _split(stage: str, head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """What is sent before and after the fault of this stage."""
    everything = head + body
    # After the status line, so that what follows an endless fault can be further headers.
    at = {"headers": head.index(b"\r\n") + 2, "body": len(head) + len(body) // 2}.get(stage, 0)
    return everything[:at], everything[at:]


def _reset(connection: socket.socket) -> None:
    """Close so that the client gets a TCP reset instead of an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())


def _drip(connection: socket.socket, data: bytes, delay: float) -> None:
    for position in range(len(data)):
        connection.sendall(data[position : position + 1])
        time.sleep(delay)


def _pour(connection: socket.socket, data: bytes) -> None:
    while True:
        connection.sendall(data)
