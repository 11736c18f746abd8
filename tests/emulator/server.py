"""The listening side: connections, TLS, requests in, answers out."""

from __future__ import annotations

import http.server
import socket
import socketserver
import ssl
import sys
import threading
import time
from typing import Any

from tests.emulator import answers, wire
from tests.emulator.answers import Answer
from tests.emulator.api import ENDPOINTS, PagerDuty, integration_key, parse_body
from tests.emulator.recorder import Entry

_MAX_READ_BYTES = 64 * 1024 * 1024
_TLS_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


def tls_context(cert: str, key: str, only_version: str | None = None) -> ssl.SSLContext:
    """A server context; ``only_version`` (1.0 to 1.3) pins one TLS version.

    Raises OSError (ssl.SSLError included) when a file cannot be read, KeyError for
    an unknown version.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if only_version is not None:
        # OpenSSL 3 offers the old versions at its lowest security level only.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = _TLS_VERSIONS["1.0"]
        context.maximum_version = _TLS_VERSIONS[only_version]
        context.minimum_version = _TLS_VERSIONS[only_version]
    context.load_cert_chain(cert, key)
    return context


class Tls:
    """The context for new connections; None while the emulator speaks plain HTTP."""

    def __init__(self, cert: str | None, key: str | None) -> None:
        self._original = (cert, key)
        self.restore()

    def use(self, cert: str, key: str, only_version: str | None = None) -> None:
        """Answer new connections with this certificate."""
        self.context: ssl.SSLContext | None = tls_context(cert, key, only_version)

    def restore(self) -> None:
        """Back to the certificate of the command line."""
        cert, key = self._original
        self.context = tls_context(cert, key or cert) if cert else None


class Listener(socketserver.ThreadingTCPServer):
    """One address that answers as PagerDuty; a thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], service: PagerDuty, tls: Tls) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.service, self.tls = service, tls
        super().__init__(address, Connection)

    def server_bind(self) -> None:
        """Bind; an IPv6 address answers IPv6 only, so that both can be listed."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that ended early (a fault, a failed handshake) is no news."""
        if not isinstance(sys.exc_info()[1], (wire.ConnectionEndedError, OSError)):
            super().handle_error(request, client_address)

    def start(self) -> None:
        """Serve in a thread of its own until the process ends."""
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()


class Connection(http.server.BaseHTTPRequestHandler):
    """One client connection: as many requests as the client sends."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def handle(self) -> None:
        """Serve the connection; whatever the client does ends only this connection."""
        try:
            super().handle()
        except (wire.ConnectionEndedError, OSError):
            self.close_connection = True

    def setup(self) -> None:
        """Strike early faults, shake hands, then get ready for HTTP."""
        self.service = self.server.service
        recorder = self.service.recorder  # a late handshake is not the next test's
        self.number = recorder.connection()
        self._early_fault("accept")
        context = self.server.tls.context
        if context is not None:
            self.request.settimeout(30)
            self._early_fault("handshake")
            self.request = context.wrap_socket(self.request, server_side=True)
            self.request.settimeout(None)
            recorder.handshake()
        super().setup()

    def finish(self) -> None:
        """Close for good: the TLS layer has taken the socket from the server."""
        super().finish()
        self.request.close()

    def _early_fault(self, stage: str) -> None:
        fault = self.service.faults.take(stage)
        if fault is not None:
            if stage == "handshake":
                self.request.recv(1, socket.MSG_PEEK)
            wire.strike(self.request, fault)

    def _exchange(self) -> None:
        entry = self._entry()
        facts = {"path": self.path.partition("?")[0], "method": self.command}
        fault = self.service.faults.take("request", **facts)
        if fault is not None:
            self.service.recorder.request(entry)
            entry["fault"] = fault.kind
            wire.strike(self.connection, fault)
        raw = self._read_body()
        entry.update(body=parse_body(raw), raw_size=len(raw))
        if fault is None:
            self.service.recorder.request(entry)
        fault = self.service.faults.take(
            "answer", "headers", "body", key=integration_key(entry), **facts
        )
        proper = None
        if fault is None or fault.processed:
            proper = self.service.answer(entry)
        answer = fault.answer(proper or _promising(facts["path"])) if fault else proper
        entry.update(status=answer.status, fault=fault.kind if fault else entry["fault"])
        entry["answer"] = _shown(answer.body)
        wire.send(self.connection, answer, fault, close=self.close_connection)
        self.close_connection = self.close_connection or answer.ends_connection

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _exchange  # noqa: N815

    def _entry(self) -> Entry:
        at_ns = time.time_ns()
        return {
            "at": at_ns / 1e9,
            "at_ns": at_ns,
            "connection": self.number,
            "client": self.client_address[0],
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers.items()),
            "body": None,
            "raw_size": 0,
            "status": None,
            "answer": None,
            "fault": None,
        }

    def _read_body(self) -> bytes:
        try:
            length = int(self.headers.get("Content-Length", 0))
        except ValueError:
            length = -1
        if not 0 <= length <= _MAX_READ_BYTES:
            raise wire.ConnectionEndedError
        body = self.rfile.read(length)
        if len(body) < length:
            raise wire.ConnectionEndedError
        return body

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing here: the recorder knows everything."""


def _promising(path: str) -> Answer:
    """What a fault spoils when the event is not taken: a success that never gets through.

    A client that trusts the status line alone loses the event, and a test sees it.
    """
    endpoint = ENDPOINTS.get(path)
    return answers.accepted(endpoint.accepted if endpoint else 200)


def _shown(body: Any) -> Any:
    return body.decode("latin-1")[:1000] if isinstance(body, bytes) else body
