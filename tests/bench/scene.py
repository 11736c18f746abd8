"""The scene of a benchmark: nginx as PagerDuty, a host, a filled queue."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from pdagent.outqueue import layout
from tests.bench.measure import SYSTEM_PYTHON
from tests.emulator.fixtures import CertFiles, Certificates
from tests.host import Host

_CONFIG = """\
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    keepalive_timeout 600;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        default_type application/json;
        location / {{ return 202 '{answer}'; }}
    }}
}}
"""
_ANSWER = json.dumps({"status": "success", "message": "Event processed", "dedup_key": "bench"})


@contextlib.contextmanager
def nginx(directory: Path) -> Iterator[tuple[str, str]]:
    """An nginx with TLS that accepts every event; yields its URL and CA file."""
    port, certificates, files = _identity(directory)
    config = directory / "nginx.conf"
    words = {"directory": directory, "port": port, "answer": _ANSWER, **files._asdict()}
    config.write_text(_CONFIG.format(**words), encoding="utf-8")
    with _running(["nginx", "-c", str(config), "-p", str(directory)], port) as url:
        yield url, certificates.ca_file


@contextlib.contextmanager
def slow_server(directory: Path, delay: float) -> Iterator[tuple[str, str]]:
    """A server that answers ``delay`` seconds late; yields its URL and CA file."""
    port, certificates, files = _identity(directory)
    program = str(Path(__file__).with_name("slow_server.py"))
    command = [SYSTEM_PYTHON, program, str(port), files.cert, files.key, str(delay)]
    with _running(command, port) as url:
        yield url, certificates.ca_file


def _identity(directory: Path) -> tuple[int, Certificates, CertFiles]:
    """A free port, and a certificate for it of a CA of its own."""
    directory.mkdir(parents=True)
    certificates = Certificates(directory)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return port, certificates, certificates.issue("127.0.0.1")


@contextlib.contextmanager
def _running(command: list[str], port: int) -> Iterator[str]:
    process = subprocess.Popen(command)
    try:
        _wait_for_port(port)
        yield f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


@contextlib.contextmanager
def daemon_host(directory: Path, url: str, ca_file: str, **settings: object) -> Iterator[Host]:
    """A host with the settings a package ships, but for its addresses and directories.

    Its directory goes with the block: a backlog is a hundred thousand files.
    """
    directory.mkdir(parents=True)
    shipped = {"send_interval_secs": 10, "backoff_interval_secs": 60, "log_level": "info"}
    urls = {"events_api_url": url, "heartbeat_url": url + "/heartbeat", "ca_file": ca_file}
    host = Host(directory, python=SYSTEM_PYTHON, **{**shipped, **urls, **settings})
    try:
        yield host
    finally:
        host.close()
        shutil.rmtree(directory)


def fill(host: Host, events: int, keys: int) -> None:
    """Put events into pdq as pd-send leaves them, without its cost of syncing each."""
    now = time.time_ns() // 1000 - events
    for number in range(events):
        key = f"{number % keys:032d}"
        body = {
            "agent": {"agent_id": None, "queued_at": "2026-01-01T00:00:00Z", "queued_by": "bench"},
            "description": f"disk full on db{number}",
            "details": {"free": "1%", "number": number, "load": "0.75"},
            "event_type": "trigger",
            "incident_key": f"disk/db{number}",
            "service_key": key,
        }
        path = host.outqueue / "pdq" / layout.name(now + number, key)
        path.write_text(json.dumps(body, separators=(",", ":"), sort_keys=True), encoding="ascii")


def hold(host: Host) -> None:
    """Keep the daemon from sending."""
    (host.directory / "data" / "db" / layout.hold_name()).touch()


def release(host: Host) -> None:
    """Let the daemon send, and tell it so."""
    (host.directory / "data" / "db" / layout.hold_name()).unlink()
    wake = os.open(host.directory / "run" / "wake", os.O_WRONLY | os.O_NONBLOCK)
    os.write(wake, b"\n")
    os.close(wake)


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
