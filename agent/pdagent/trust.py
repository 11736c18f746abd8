"""Whom to believe on the wire, and for how long to listen: TLS context and bounded sockets."""

from __future__ import annotations

import os
import socket
import ssl
import time
from typing import Any


class TrustError(Exception):
    """The trusted certificates cannot be used; the text names the file and the remedy."""


class _Bounded:
    """A time-out that bounds all that is received until the next settimeout.

    A plain socket's time-out starts anew with every packet, so a server that drips one
    byte at a time would hold a worker for days.
    """

    _end: float | None = None

    def settimeout(self, value: float | None) -> None:
        self._end = None if value is None else time.monotonic() + value
        super().settimeout(value)  # type: ignore[misc]  # mixed into socket classes

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self._end is not None:
            super().settimeout(max(self._end - time.monotonic(), 0.001))  # type: ignore[misc]
        return super().recv_into(*args, **kwargs)  # type: ignore[misc,no-any-return]


class BoundedSocket(_Bounded, socket.socket):
    """A plain socket that keeps its time-out as a whole."""


class _BoundedTLSSocket(_Bounded, ssl.SSLSocket):
    """The same with TLS."""


class _Context(ssl.SSLContext):
    """Checks the address where a URL has no host name; urllib3 1.26 then gives no name at all."""

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        if not kwargs.get("server_hostname"):
            kwargs["server_hostname"] = sock.getpeername()[0]
        return super().wrap_socket(sock, *args, **kwargs)


class Trust:
    """The TLS context that every connection shares, made again when its file changes.

    `ca_file` pins a bundle; empty means the system's trust store. Sharing one context
    saves two megabytes and a tenth of a second for each connection.
    """

    def __init__(self, ca_file: str = "") -> None:
        """Load the certificates; TrustError says what is wrong with the file."""
        self._pinned = bool(ca_file)
        self._file = ca_file or ssl.get_default_verify_paths().cafile or ""
        self._stamp = self._look()
        self.context = self._load()

    def refresh(self) -> bool:
        """Load again when the file changed; True when it did. TrustError keeps the old one."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        self.context = self._load()
        return True

    def _look(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._file)
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    def _load(self) -> ssl.SSLContext:
        context = _Context(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslsocket_class = _BoundedTLSSocket
        if not self._pinned:
            context.load_default_certs()
            return context
        try:
            context.load_verify_locations(cafile=self._file)
        except OSError as exc:
            cause = "no certificate in it" if isinstance(exc, ssl.SSLError) else exc.strerror
            raise TrustError(
                f"ca_file {self._file}: {cause}. It must hold the trusted certificates in PEM "
                "form; leave ca_file empty to use the system's trust store."
            ) from None
        return context
