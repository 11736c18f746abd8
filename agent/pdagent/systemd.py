"""sd_notify in the standard library alone: readiness, status text and watchdog."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping

logger = logging.getLogger("pdagent.systemd")


class Notifier:
    """Tells systemd how it goes (sd_notify); silent without one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Read NOTIFY_SOCKET and WATCHDOG_USEC."""
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_seconds = int(environment.get("WATCHDOG_USEC") or 0) / 1e6 or None

    def tell(self, *lines: str) -> None:
        """Send lines such as READY=1."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            try:
                sock.sendto("\n".join(lines).encode(), address)
            except OSError as exc:
                logger.warning("Cannot tell systemd: %s", exc.strerror)
