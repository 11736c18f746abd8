"""How to mend which name servers a host asks: by whoever looks after /etc/resolv.conf."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from pdagent.doctor import dnsquery

PATH = "/etc/resolv.conf"

# (command, service) of each resolver that may run on the host itself.
_LOCAL = (
    ("resolvectl", "systemd-resolved"),
    ("dnsmasq", "dnsmasq"),
    ("unbound", "unbound"),
    ("named", "named"),
)
# What is in the file's first line, or in its real path, and where its servers are named then:
# sudoedit refuses a symbolic link, and what is written into a made file is lost.
_KEEPERS = (
    (
        "/run/systemd/resolve/",
        "sudoedit /etc/systemd/resolved.conf && sudo systemctl restart systemd-resolved",
    ),
    (
        "NetworkManager",
        "sudo nmcli connection modify CONNECTION ipv4.dns ADDRESS"
        " && sudo nmcli connection up CONNECTION",
    ),
    ("/run/resolvconf/", "sudoedit /etc/resolvconf/resolv.conf.d/head && sudo resolvconf -u"),
)


def command(server: str, answer: str, good: Sequence[str], path: str = PATH) -> str:
    """Return what to run when `server` gave `answer`, while the `good` servers know the name."""
    keeper = _keeper(path)
    if good and not keeper:
        return f"sudo sed -i '/^nameserver {server}$/d' {path}"
    if server.startswith("127.") and answer in (dnsquery.CLOSED, dnsquery.SERVFAIL):
        local = next((one for one in _LOCAL if shutil.which(one[0])), None)
        if local:
            return f"sudo service {local[1]} restart"
    return keeper or f"sudoedit {path}"


def _keeper(path: str) -> str:
    """Return the command of the program that makes the file, nothing where people write it."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            traces = os.path.realpath(path) + file.readline()
    except OSError:
        traces = os.path.realpath(path)
    return next((command for trace, command in _KEEPERS if trace in traces), "")
