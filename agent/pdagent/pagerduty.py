"""HTTPS to PagerDuty: one exchange in, one small `Verdict` out.

Whatever happens on the wire (an answer, a proxy's page, a reset, a name that does not
resolve) becomes a `Verdict`; nothing here knows of queues, keys or retries.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import time
from http.client import RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ProxyError

from pdagent import __version__
from pdagent.verdict import NOT_NOW, Answer, Verdict, judge, one_line

EXCHANGE_SECONDS = 10.0
"""Bound on connecting, on the TLS handshake and on the whole answer, each."""

IDLE_SECONDS = 20.0
"""A kept connection idle for longer is not trusted with an event any more."""

MAX_ANSWER_BYTES = 64 * 1024
"""PagerDuty's answers are a few hundred bytes; more than this is not one of them."""

ANY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, never bound to

JSON_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"pdagent/{__version__}",
}


class UnreachableError(Exception):
    """No answer came; `verdict` says why."""

    def __init__(self, verdict: Verdict) -> None:
        """Keep the verdict beside its one-line text."""
        super().__init__(verdict.detail)
        self.verdict = verdict


class TrustError(Exception):
    """The trusted certificates cannot be used; the text names the file and the remedy."""


# --- explaining a failure --------------------------------------------------------------

_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN}


def _has_errno(*numbers: int) -> Any:
    return lambda exc: isinstance(exc, OSError) and exc.errno in numbers


def _says(*words: str) -> Any:
    return lambda exc: any(word in str(exc) for word in words)


def _is(*kinds: type[BaseException]) -> Any:
    return lambda exc: isinstance(exc, kinds)


# First match wins: (test of one exception of the chain, reason, suspect, sentence).
_FAILURES: tuple[tuple[Any, str, bool, str], ...] = (
    (_says("failed: 407"), "proxy_auth", False, "{proxy} asks for a user and password (407)"),
    (_is(ProxyError), "proxy", False, "{proxy} does not carry the connection: {cause}"),
    (_is(requests.exceptions.InvalidProxyURL), "proxy", False, "{proxy} is malformed: {cause}"),
    (_is(requests.exceptions.InvalidSchema), "proxy", False, "{proxy} cannot be used: {cause}"),
    (_is(socket.gaierror), "dns", False, "{host} cannot be resolved: {cause}"),
    (
        _is(ssl.SSLCertVerificationError),
        "tls_verify",
        False,
        "the certificate of {host} is not trusted: {cause}",
    ),
    (_is(ssl.SSLError), "tls", False, "no TLS with {host}: {cause}"),
    (_has_errno(errno.ECONNREFUSED), "refused", False, "{host} refused the connection"),
    (_has_errno(*_ROUTE), "route", False, "no route to {host}: {cause}"),
    (_is(requests.exceptions.ConnectTimeout), "timeout", False, "{host} did not answer in time"),
    (_is(socket.timeout), "timeout", True, "{host} took the request and did not answer in time"),
    (_is(requests.exceptions.Timeout), "timeout", True, "{host} did not answer in time"),
    (
        _is(ConnectionError, RemoteDisconnected),
        "reset",
        True,
        "{host} closed the connection without an answer",
    ),
    (_is(Exception), "bad_answer", True, "{host} answered with what is not HTTP: {cause}"),
)


def explain(exc: BaseException, host: str, proxy: str) -> Verdict:
    """Turn a failed exchange into a Verdict; host is "name:port", proxy its name or ""."""
    chain = _chain(exc)
    _, reason, suspect, sentence = next(
        row for row in _FAILURES if any(row[0](each) for each in chain)
    )
    cause = one_line(_root_cause(chain), 160)
    detail = sentence.format(host=host, proxy=f"the proxy {proxy}", cause=cause)
    return Verdict(NOT_NOW, reason, detail, suspect=suspect)


def _chain(exc: BaseException) -> list[BaseException]:
    """Return exc and everything it was made from; urllib3 keeps causes in several places."""
    found: list[BaseException] = []
    queue: list[Any] = [exc]
    while queue:
        each = queue.pop(0)
        if isinstance(each, BaseException) and each not in found:
            found.append(each)
            queue += [getattr(each, "reason", None), *each.args, each.__cause__, each.__context__]
    return found


def _root_cause(chain: list[BaseException]) -> str:
    for exc in chain:
        if isinstance(exc, ssl.SSLCertVerificationError):
            return exc.verify_message
        if (
            isinstance(exc, OSError)
            and exc.strerror
            and not isinstance(exc, requests.RequestException)
        ):
            return exc.strerror
    return str(chain[-1]) or type(chain[-1]).__name__


def _is_reset(exc: BaseException) -> bool:
    return any(isinstance(each, (ConnectionResetError, BrokenPipeError)) for each in _chain(exc))


# --- trust -----------------------------------------------------------------------------


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


# --- the wire --------------------------------------------------------------------------


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


class _BoundedSocket(_Bounded, socket.socket):
    pass


class _BoundedTLSSocket(_Bounded, ssl.SSLSocket):
    pass


class _Context(ssl.SSLContext):
    """Checks the address where a URL has no host name; urllib3 1.26 then gives no name at all."""

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        if not kwargs.get("server_hostname"):
            kwargs["server_hostname"] = sock.getpeername()[0]
        return super().wrap_socket(sock, *args, **kwargs)


class _HTTPConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _bounded(super()._new_conn())


class _HTTPSConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _bounded(super()._new_conn())


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


def _bounded(sock: socket.socket) -> socket.socket:
    seconds = sock.gettimeout()
    bounded = _BoundedSocket(sock.family, sock.type, sock.proto, fileno=sock.detach())
    bounded.settimeout(seconds)
    return bounded


class _Adapter(HTTPAdapter):
    """requests' transport with the shared TLS context and the configured source address."""

    def __init__(self, context: ssl.SSLContext, source_address: str) -> None:
        self._options: dict[str, Any] = {"ssl_context": context}
        if source_address not in ANY_ADDRESS:
            self._options["source_address"] = (source_address, 0)
        super().__init__(pool_connections=4, pool_maxsize=1)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **kwargs: Any
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **kwargs, **self._options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        context = self._options["ssl_context"]
        manager = super().proxy_manager_for(
            proxy, proxy_ssl_context=context, **self._options, **kwargs
        )
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Require a good certificate; requests would add a bundle of its own to the context."""
        conn.cert_reqs = "CERT_REQUIRED"


class Client:
    """One keep-alive connection to PagerDuty; each worker thread has its own.

    Proxies are taken from the environment, as the troubleshooting guide describes.
    """

    def __init__(
        self, trust: Trust, source_address: str = "", timeout: float = EXCHANGE_SECONDS
    ) -> None:
        """Nothing is opened before the first exchange; timeout is in seconds."""
        self._trust = trust
        self._source_address = source_address
        self._timeout = timeout
        self._adapter: _Adapter | None = None
        self._context: ssl.SSLContext | None = None
        self._used_at = 0.0
        self._requests: dict[str, requests.PreparedRequest] = {}
        self._proxies: dict[str, dict[str, str]] = {}

    def close(self) -> None:
        """Close the kept connection."""
        if self._adapter is not None:
            self._adapter.close()
            self._adapter = None

    def deliver(self, url: str, body: bytes) -> Verdict:
        """Post an event's body once and say what came of it. Never raises."""
        try:
            return judge(self.exchange(url, body), time.time())
        except UnreachableError as exc:
            return exc.verdict

    def exchange(self, url: str, body: bytes) -> Answer:
        """Post a JSON body and return the answer of whatever status; raises UnreachableError."""
        kept = self._is_kept()
        try:
            try:
                return self._once(url, body)
            except Exception as exc:
                self.close()
                if not (kept and _is_reset(exc)):
                    raise
                # The server closed the idle connection while we were writing to it.
                return self._once(url, body)
        except Exception as exc:  # whatever requests, urllib3 or ssl can think of
            self.close()
            raise UnreachableError(explain(exc, _host(url), self.proxy_for(url))) from exc

    def proxy_for(self, url: str) -> str:
        """Return "host:port" of the proxy that url goes through, "" for none."""
        proxy = select_proxy(url, self._proxies_for(url))
        return _host(proxy if "//" in proxy else f"http://{proxy}") if proxy else ""

    def _is_kept(self) -> bool:
        """Drop a connection that is stale or was made with older certificates."""
        fresh = time.monotonic() - self._used_at < IDLE_SECONDS
        if self._adapter is not None and not (fresh and self._context is self._trust.context):
            self.close()
        return self._adapter is not None

    def _once(self, url: str, body: bytes) -> Answer:
        if self._adapter is None:
            self._context = self._trust.context
            self._adapter = _Adapter(self._context, self._source_address)
        response = self._adapter.send(
            self._prepare(url, body),
            stream=True,
            timeout=self._timeout,
            proxies=self._proxies_for(url),
        )
        try:
            content = response.raw.read(MAX_ANSWER_BYTES, decode_content=True)
        finally:
            response.close()  # keeps the connection only when the answer was read to its end
        self._used_at = time.monotonic()
        return Answer(response.status_code, response.headers, content)

    def _prepare(self, url: str, body: bytes) -> requests.PreparedRequest:
        """Reuse one prepared request a URL: preparing costs as much as a small exchange."""
        prepared = self._requests.get(url)
        if prepared is None:
            prepared = requests.Request("POST", url, JSON_HEADERS, data=b"").prepare()
            self._requests[url] = prepared
        prepared.body = body
        prepared.headers["Content-Length"] = str(len(body))
        return prepared

    def _proxies_for(self, url: str) -> dict[str, str]:
        if url not in self._proxies:
            self._proxies[url] = get_environ_proxies(url, no_proxy=None)
        return self._proxies[url]


def _host(url: str) -> str:
    parts = urlsplit(url)
    try:
        return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    except ValueError:  # the port is not a number
        return str(parts.hostname)
