"""The command line of the emulator."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from tests.emulator.api import ENDPOINTS, HEARTBEAT_PATH, PagerDuty
from tests.emulator.control import Control, ControlServer
from tests.emulator.server import Listener, Tls

_DESCRIPTION = """\
Answer as PagerDuty does: Events API v1 and v2, change events and the agent's
heartbeat, with its documented rules, answers and rate limit. Everything that
arrives is kept and can be read, and misbehaviour ordered, on the control port.
"""
_EPILOG = """\
Try it:
  python -m tests.emulator --listen 127.0.0.1:8000 --control 127.0.0.1:8080
  curl -d '{"routing_key": "0123456789abcdef0123456789abcdef",
            "event_action": "trigger", "payload": {"summary": "disk full",
            "source": "db7", "severity": "error"}}' \\
       http://127.0.0.1:8000/v2/enqueue
  curl http://127.0.0.1:8080/alerts
  curl -d '{"times": 3, "fault": {"kind": "status", "status": 503}}' \\
       http://127.0.0.1:8080/faults

A certificate for trying TLS:
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \\
      -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem

The control port's verbs: docs/emulator.md. Exit status: 0 after SIGTERM or
SIGINT, 1 when it cannot start, 2 for a usage error.
"""


class StartError(Exception):
    """The emulator cannot start; the text says why and what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; returns the exit status."""
    options = _parser().parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        ports = _start(options)
    except StartError as error:
        print(f"emulator: {error}", file=sys.stderr)
        return 1
    scheme = "https" if options.tls_cert else "http"
    for host, port in ports["listen"]:
        print(f"PagerDuty emulator at {scheme}://{_netloc(host, port)}", flush=True)
    print(f"Control port at http://{_netloc(*ports['control'])}", flush=True)
    if options.port_file:
        _write_whole(options.port_file, json.dumps(ports))
    stop.wait()
    return 0


def _start(options: argparse.Namespace) -> dict[str, Any]:
    """Start listening; returns the addresses in use."""
    service = PagerDuty(
        per_minute=options.throttle_per_minute or None,
        heartbeat_interval_secs=options.heartbeat_interval_secs,
        keep=options.keep,
    )
    try:
        tls = Tls(options.tls_cert, options.tls_key)
    except OSError as error:
        raise StartError(
            f"cannot use the certificate {options.tls_cert} with the key "
            f"{options.tls_key or options.tls_cert}: {error}"
        ) from error
    listeners = [
        _listening(address, lambda where: Listener(where, service, tls))
        for address in options.listen or [("127.0.0.1", 8443)]
    ]
    control = _listening(options.control, lambda where: ControlServer(where, Control(service, tls)))
    for listener in listeners:
        listener.start()
    threading.Thread(target=control.serve_forever, args=(0.1,), daemon=True).start()
    return {
        "listen": [listener.server_address[:2] for listener in listeners],
        "control": control.server_address[:2],
    }


def _listening(address: tuple[str, int], make: Any) -> Any:
    try:
        return make(address)
    except OSError as error:
        raise StartError(
            f"cannot listen on {_netloc(*address)}: {error.strerror}; "
            "choose another address, or port 0 for any free one"
        ) from error


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not ADDR:PORT, such as 127.0.0.1:8443")
    return host.strip("[]"), int(port)


def _netloc(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _write_whole(path: str, text: str) -> None:
    """Write so that a reader sees all of it or nothing."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.emulator",
        description="\n  ".join([_DESCRIPTION + "\nEndpoints:", *ENDPOINTS, HEARTBEAT_PATH]),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--listen",
        metavar="ADDR:PORT",
        action="append",
        type=_address,
        help="answer here; repeat for more, [::1]:8443 for IPv6, port 0 for any "
        "(default 127.0.0.1:8443)",
    )
    add("--tls-cert", metavar="FILE", help="PEM certificate chain; without it, plain HTTP")
    add("--tls-key", metavar="FILE", help="its key (default: in the certificate's file)")
    add(
        "--control",
        metavar="ADDR:PORT",
        type=_address,
        default=("127.0.0.1", 8080),
        help="control port, plain HTTP (default 127.0.0.1:8080)",
    )
    add(
        "--throttle-per-minute",
        metavar="N",
        type=int,
        default=120,
        help="events a minute taken for one key, 0 for no limit (default 120)",
    )
    add(
        "--heartbeat-interval-secs",
        metavar="N",
        type=int,
        default=86400,
        help="what a heartbeat is answered (default 86400)",
    )
    add(
        "--keep",
        metavar="N",
        type=int,
        default=100000,
        help="requests and events remembered (default 100000)",
    )
    add("--port-file", metavar="FILE", help="write the addresses in use there, as JSON")
    return parser
