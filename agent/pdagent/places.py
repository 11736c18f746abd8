"""Places in the network: what an address and a URL in the settings may look like."""

from __future__ import annotations

# The C module alone: socket would double the start-up time of pd-send.
from _socket import AF_INET, AF_INET6, inet_pton

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_MAX_PORT = 65535


def is_address(text: str) -> bool:
    """Tell whether `text` is an IPv4 or IPv6 address."""
    try:
        inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except OSError:
        return False
    return True


def is_url(text: str) -> bool:
    """Tell whether `text` is an http or https URL that every library takes for one."""
    scheme, _, rest = text.partition("://")
    plain = text.isascii() and text.isprintable() and " " not in text
    return plain and scheme in ("https", "http") and _is_peer(rest.partition("/")[0])


def _is_peer(text: str) -> bool:
    """Tell whether this is a host or host:port, perhaps with user:password@ before it."""
    place = text.rpartition("@")[2]
    host, mark, port = place.rpartition(":")
    if not mark or place.endswith("]"):
        return _is_host(place)
    return _is_host(host) and port.isdigit() and len(port) < 6 and 0 < int(port) <= _MAX_PORT


def _is_host(text: str) -> bool:
    """Tell whether this is a name, an IPv4 address, or an IPv6 address in brackets."""
    if text.startswith("[") and text.endswith("]"):
        return ":" in text and is_address(text[1:-1])
    return all(label and _LETTERS.issuperset(label.lower()) for label in text.split("."))
