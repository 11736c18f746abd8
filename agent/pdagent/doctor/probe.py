"""The network as the daemon meets it: names, routes, connections, the proxy's tunnel.

Every function takes its time limit in seconds and the address to send from, and
turns what went wrong into one word of the table below.
"""

from __future__ import annotations

import base64
import errno
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Callable, TypeVar

from pdagent.doctor import dnsquery
from pdagent.doctor.destinations import Destination, Proxy

REFUSED, TIMEOUT, RESET, NO_ROUTE = "refused", "timed out", "reset", "no route"
BAD_SOURCE, BLOCKED = "source address not on this host", "forbidden by a rule of this host"

_WORDS = {
    errno.ECONNREFUSED: REFUSED,
    errno.ETIMEDOUT: TIMEOUT,
    errno.ECONNRESET: RESET,
    errno.ENETUNREACH: NO_ROUTE,
    errno.EHOSTUNREACH: NO_ROUTE,
    errno.ENETDOWN: NO_ROUTE,
    errno.EADDRNOTAVAIL: BAD_SOURCE,
    errno.EPERM: BLOCKED,
    errno.EACCES: BLOCKED,
}
_ANY_SOURCE = ("", "0.0.0.0", "::")  # noqa: S104 - compared, never bound

T = TypeVar("T")
R = TypeVar("R")


def word(error: OSError) -> str:
    """Return what went wrong in the words of this module."""
    if isinstance(error, socket.timeout):
        return TIMEOUT
    return _WORDS.get(error.errno or 0, error.strerror or str(error))


def in_parallel(ask: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return ask(item) for every item, asked at the same time."""
    if not items:
        return []
    with ThreadPoolExecutor(max_workers=min(16, len(items))) as pool:
        return list(pool.map(ask, items))


@dataclass
class Lookup:
    """What the system and each name server say of one name."""

    host: str
    addresses: list[str] = field(default_factory=list)
    error: str = ""
    servers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def look_up(host: str, *, limit: float) -> Lookup:
    """Ask the system for host's addresses, and on failure each name server why."""
    lookup = Lookup(host)
    started = time.monotonic()
    asker = threading.Thread(target=_ask_system, args=(lookup,), daemon=True)
    asker.start()
    asker.join(1.0)
    if not lookup.addresses:
        servers = dnsquery.nameservers()
        answers = in_parallel(lambda server: dnsquery.ask(server, host), servers)
        lookup.servers = dict(zip(servers, answers))
    asker.join(max(0.0, started + limit - time.monotonic()))
    if not lookup.addresses and not lookup.error:
        lookup.error = f"no answer within {limit:.0f} s"
    lookup.seconds = round(time.monotonic() - started, 3)
    return lookup


def _ask_system(lookup: Lookup) -> None:
    try:
        found = socket.getaddrinfo(lookup.host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        lookup.error = getattr(error, "strerror", None) or str(error)
        return
    lookup.addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))


def source_for(address: str, source: str) -> str:
    """Return the local address that traffic to address leaves from; OSError if it cannot."""
    family = family_of(address)
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        if source not in _ANY_SOURCE:
            udp.bind((source, 0))
        udp.connect((address, 9))
        return str(udp.getsockname()[0])


def family_of(address: str) -> socket.AddressFamily:
    """Return the family of a numeric address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def connect(address: str, port: int, source: str, *, timeout: float) -> socket.socket:
    """Return a connection to address:port from source; OSError if there is none."""
    tcp = socket.socket(family_of(address), socket.SOCK_STREAM)
    try:
        tcp.settimeout(timeout)
        if source not in _ANY_SOURCE:
            tcp.bind((source, 0))
        tcp.connect((address, port))
    except BaseException:
        tcp.close()
        raise
    return tcp


@dataclass(frozen=True)
class Attempt:
    """One TCP connection that was tried: error is empty where it came about."""

    address: str
    port: int
    error: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return the attempt for a Finding's detail."""
        return {
            "address": self.address,
            "port": self.port,
            "error": self.error,
            "seconds": self.seconds,
        }


def try_connect(address: str, port: int, source: str, *, timeout: float) -> Attempt:
    """Connect to address:port, close, and return how it went."""
    started, error = time.monotonic(), ""
    try:
        connect(address, port, source, timeout=timeout).close()
    except OSError as problem:
        error = word(problem)
    return Attempt(address, port, error, round(time.monotonic() - started, 4))


class ProxyRefusedError(OSError):
    """The proxy answered CONNECT with something else than 200."""

    def __init__(self, status: int, reason: str) -> None:
        """Keep the proxy's status (0 where it did not speak HTTP) and reason."""
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


def open_to(
    destination: Destination, addresses: Sequence[str], source: str, *, timeout: float
) -> socket.socket:
    """Return a connection to destination, through its proxy where it has one.

    addresses are the peer's, tried in turn. Raises OSError, and ProxyRefusedError for an
    answer other than 200 to CONNECT.
    """
    error: OSError = OSError("no address to connect to")
    for address in addresses:
        try:
            tcp = connect(address, destination.peer[1], source, timeout=timeout)
            break
        except OSError as problem:
            error = problem
    else:
        raise error
    if destination.proxy:
        try:
            request_tunnel(tcp, destination, destination.proxy)
        except BaseException:
            tcp.close()
            raise
    return tcp


def request_tunnel(tcp: socket.socket, destination: Destination, proxy: Proxy) -> None:
    """Ask the proxy at the other end of tcp for a tunnel; ProxyRefusedError if it gives none."""
    lines = [f"CONNECT {destination} HTTP/1.1", f"Host: {destination}"]
    if proxy.user:
        pair = f"{proxy.user}:{proxy.password}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}")
    tcp.sendall("\r\n".join([*lines, "", ""]).encode())
    head = _read_head(tcp)
    words = head.split("\r\n", 1)[0].split(" ", 2)
    if not words[0].startswith("HTTP/") or len(words) < 2 or not words[1].isdigit():
        raise ProxyRefusedError(0, "no HTTP answer")
    if words[1] != "200":
        raise ProxyRefusedError(int(words[1]), words[2] if len(words) > 2 else "")


def _read_head(tcp: socket.socket, limit: int = 65536) -> str:
    """Read byte by byte, so that nothing behind the head is taken from the tunnel."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and len(head) < limit:
        byte = tcp.recv(1)
        if not byte:
            break
        head += byte
    return head.decode("latin-1")
