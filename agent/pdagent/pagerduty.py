"""HTTPS to PagerDuty: one exchange in, one small `Verdict` out.

Whatever happens on the wire (an answer, a proxy's page, a reset, a name that does not
resolve) becomes a `Verdict`; nothing here knows of queues, keys or retries.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from inspect import signature
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import ProxyManager

from pdagent import __version__
from pdagent.failures import chain_of, explain, is_no_tls, is_reset
from pdagent.trust import BoundedSocket, Trust
from pdagent.verdict import Answer, Verdict, judge

logger = logging.getLogger("pdagent.pagerduty")

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


# urllib3 1.25, which Amazon Linux 2023 has, does not know the option.
_TLS_TO_PROXIES = "proxy_ssl_context" in signature(ProxyManager).parameters
_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


def _bounded(sock: socket.socket) -> socket.socket:
    seconds = sock.gettimeout()
    bounded = BoundedSocket(sock.family, sock.type, sock.proto, fileno=sock.detach())
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
        if _TLS_TO_PROXIES:
            kwargs["proxy_ssl_context"] = self._options["ssl_context"]
        manager = super().proxy_manager_for(proxy, **self._options, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Require a good certificate, and leave the context as it is.

        requests names a bundle of its own here, Debian's urllib3 has one by default; either
        would be added to a pinned one, and takes 25 ms for each connection.
        """
        conn.cert_reqs = "CERT_REQUIRED"
        conn.ca_certs = conn.ca_cert_dir = None


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
                if not (kept and is_reset(exc)):
                    raise
                # The server closed the idle connection while we were writing to it.
                return self._once(url, body)
        except Exception as exc:  # whatever requests, urllib3 or ssl can think of
            self.close()
            if self._takes_plain_proxy(url, exc):
                return self.exchange(url, body)
            raise UnreachableError(explain(exc, _host(url), self.proxy_for(url))) from exc

    def proxy_for(self, url: str) -> str:
        """Return "host:port" of the proxy that url goes through, "" for none."""
        proxy = select_proxy(url, self._proxies_for(url))
        return _host(proxy if "//" in proxy else f"http://{proxy}") if proxy else ""

    def _takes_plain_proxy(self, url: str, exc: Exception) -> bool:
        """Speak plainly to a proxy that does not understand TLS though its URL says https.

        The troubleshooting guide writes https_proxy=https://proxy.local:8118 for an ordinary
        proxy, and 1.x never spoke TLS with one.
        """
        proxies = self._proxies_for(url)
        plain = {
            scheme: "http" + proxy[5:] if proxy.startswith("https:") else proxy
            for scheme, proxy in proxies.items()
        }
        if plain == proxies or not any(is_no_tls(each) for each in chain_of(exc)):
            return False
        logger.warning("The proxy %s does not speak TLS: write http://", self.proxy_for(url))
        self._proxies[url] = plain
        return True

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
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    except ValueError:  # the port is not a number, or half a bracket of IPv6: as it is written
        return url.rpartition("//")[2].rpartition("@")[2]
