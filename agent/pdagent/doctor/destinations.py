"""Where the agent's requests go: the hosts of its URLs, and the proxy in between.

Proxies are chosen by requests' own rules from this process's environment, which
pd-doctor sets to the daemon's before it asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from requests import utils

EVENTS, HEARTBEAT = "events", "heartbeat"
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Proxy:
    """A proxy as the environment names it; problem says what is malformed, if anything."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = ""
    problem: str = ""

    def __str__(self) -> str:
        """Return the proxy's URL without user and password."""
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True)
class Destination:
    """One URL of the agent's, and how it is reached."""

    role: str
    url: str
    host: str
    port: int
    tls: bool
    proxy: Proxy | None = None

    @property
    def peer(self) -> tuple[str, int]:
        """The host and port that the TCP connection goes to."""
        return (self.proxy.host, self.proxy.port) if self.proxy else (self.host, self.port)

    def __str__(self) -> str:
        """Return host:port."""
        return f"{bracketed(self.host)}:{self.port}"


def bracketed(host: str) -> str:
    """Return host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def destination(role: str, url: str) -> Destination:
    """Return how url is reached from this process's environment."""
    parts = urlsplit(url)
    return Destination(
        role=role,
        url=url,
        host=parts.hostname or "",
        port=_port(parts) or _DEFAULT_PORTS.get(parts.scheme, 443),
        tls=parts.scheme == "https",
        proxy=_proxy_for(url),
    )


def _port(parts: SplitResult) -> int | None:
    """Return the port, None where none is named, -1 where it is not a number."""
    try:
        return parts.port
    except ValueError:
        return -1


def _proxy_for(url: str) -> Proxy | None:
    proxies = utils.get_environ_proxies(url, no_proxy=None)
    named = utils.select_proxy(url, proxies)
    return parse_proxy(named) if named else None


def parse_proxy(named: str) -> Proxy:
    """Return the proxy that a *_proxy variable names; without a scheme it is http."""
    text = named.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
    except ValueError:
        return Proxy("http", "", 0, problem="its brackets hold no IPv6 address")
    port = _port(parts)
    if port == -1:
        return Proxy(parts.scheme, parts.hostname or "", 0, problem="the port is not a number")
    return Proxy(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=port or _DEFAULT_PORTS.get(parts.scheme, 80),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        problem=_problem(parts.scheme, parts.hostname),
    )


def _problem(scheme: str, host: str | None) -> str:
    if scheme not in _DEFAULT_PORTS:
        return f'the scheme is "{scheme}"'
    return "" if host else "there is no host name"
