"""Ask one name server one question over UDP (RFC 1035).

getaddrinfo() gives one code for a server that denies the name, fails or does not
listen, and the guide's advice differs for each. This asks the servers of
/etc/resolv.conf directly and tells the answers apart.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Any

NOERROR, SERVFAIL, NXDOMAIN, REFUSED = "NOERROR", "SERVFAIL", "NXDOMAIN", "REFUSED"
TIMEOUT, UNREACHABLE, CLOSED = "no answer", "unreachable", "nothing listens"

_RCODES = {0: NOERROR, 1: "FORMERR", 2: SERVFAIL, 3: NXDOMAIN, 4: "NOTIMP", 5: REFUSED}
_HEADER = struct.Struct("!6H")
_RECURSION_DESIRED = 0x0100
PORT = 53
_TYPE_A, _CLASS_IN = 1, 1


def nameservers(path: str = "/etc/resolv.conf") -> list[str]:
    """Return the name servers of resolv.conf; the local host where it names none (resolv.conf(5)).

    A missing file means the local host, too.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.split() for line in file]
    except FileNotFoundError:
        lines = []
    named = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return named[:3] or ["127.0.0.1"]


def ask(server: str, name: str, *, timeout: float = 3.5) -> str:
    """Return what server says of name: an RCODE's name, TIMEOUT, UNREACHABLE or CLOSED."""
    address = socket.getaddrinfo(server, PORT, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    family, kind, protocol, _, sockaddr = address[0]
    question = _question(name)
    try:
        with socket.socket(family, kind, protocol) as udp:
            udp.settimeout(timeout)
            udp.connect(sockaddr)
            udp.send(question)
            return _rcode(udp, question[:2])
    except socket.timeout:
        return _over_tcp(family, sockaddr)
    except ConnectionRefusedError:
        return CLOSED
    except PermissionError:
        return TIMEOUT  # this host's own firewall drops the question
    except OSError:
        return UNREACHABLE


def _over_tcp(family: int, sockaddr: tuple[Any, ...]) -> str:
    """Tell a silent server from a closed port: ICMP's word for that is rate-limited."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tcp:
            tcp.settimeout(1.0)
            tcp.connect(sockaddr)
    except ConnectionRefusedError:
        return CLOSED
    except OSError:
        pass
    return TIMEOUT


def _question(name: str) -> bytes:
    header = os.urandom(2) + _HEADER.pack(0, _RECURSION_DESIRED, 1, 0, 0, 0)[2:]
    labels = [label.encode("idna") for label in name.rstrip(".").split(".")]
    encoded = b"".join(bytes([len(label)]) + label for label in labels)
    return header + encoded + b"\0" + struct.pack("!2H", _TYPE_A, _CLASS_IN)


def _rcode(udp: socket.socket, ident: bytes) -> str:
    while True:
        answer = udp.recv(4096)
        if len(answer) >= _HEADER.size and answer[:2] == ident:
            return _RCODES.get(answer[3] & 0x0F, f"RCODE {answer[3] & 0x0F}")
