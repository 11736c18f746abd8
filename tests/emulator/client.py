"""The control port from Python, for tests."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

# A proxy meant for the agent under test must not catch the test's own questions.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class EmulatorError(Exception):
    """The control port refused a request; the text is its reason."""


class Emulator:
    """A running emulator, seen from its control port.

    ``url`` is its base URL for ``events_api_url``, ``ca_file`` the CA that signed
    its certificate (both None when the caller did not start it).
    """

    def __init__(
        self, control_url: str, *, url: str | None = None, ca_file: str | None = None
    ) -> None:
        self.control_url, self.url, self.ca_file = control_url.rstrip("/"), url, ca_file

    @property
    def heartbeat_url(self) -> str:
        """The whole heartbeat URL."""
        return f"{self.url}/agent/2014-03-14/heartbeat"

    def health(self) -> dict[str, Any]:
        """Counts of connections, completed handshakes, requests and accepted events."""
        return self._call("GET", "/health")

    def requests(self, **query: Any) -> list[dict[str, Any]]:
        """What arrived, optionally ``since`` a number or for one ``path``."""
        return self._call("GET", "/requests", query)["requests"]

    def events(self, **query: str) -> list[dict[str, Any]]:
        """Accepted events in order, optionally of one ``key`` and ``dedup_key``."""
        return self._call("GET", "/events", query)["events"]

    def alerts(self) -> dict[str, Any]:
        """Alert state by integration key and dedup key."""
        return self._call("GET", "/alerts")["alerts"]

    def fault(
        self, kind: str, *, times: int | None = 1, match: dict[str, str] | None = None, **fault: Any
    ) -> None:
        """Order misbehaviour; ``fault`` takes stage, status, delay, headers, body, processed."""
        document = {"match": match or {}, "times": times, "fault": {"kind": kind, **fault}}
        self._call("POST", "/faults", body=document)

    def clear_faults(self) -> None:
        """Let it behave properly again."""
        self._call("DELETE", "/faults")

    def throttle(self, per_minute: int | None, *, announce: bool = False) -> None:
        """Set the limit of events a minute for each key; None lifts it."""
        self._call("POST", "/throttle", body={"per_minute": per_minute, "announce": announce})

    def heartbeat_interval(self, secs: int) -> None:
        """Set the interval that heartbeats are answered."""
        self._call("POST", "/heartbeat", body={"interval_secs": secs})

    def certificate(self, cert: str, key: str, *, only_version: str | None = None) -> None:
        """Answer new connections with another certificate, or one TLS version only."""
        self._call(
            "POST", "/certificate", body={"cert": cert, "key": key, "only_version": only_version}
        )

    def restore_certificate(self) -> None:
        """Back to the certificate it was started with."""
        self._call("POST", "/certificate", body={})

    def reset(self) -> None:
        """Forget everything and behave as at the start."""
        self._call("POST", "/reset", body={})

    def wait_for(self, events: int, timeout: float = 60) -> list[dict[str, Any]]:
        """All accepted events once there are this many; raises TimeoutError."""
        self._wait("events", events, timeout)
        return self.events()

    def wait_for_requests(self, requests: int, timeout: float = 60) -> list[dict[str, Any]]:
        """All requests once there are this many; raises TimeoutError."""
        self._wait("requests", requests, timeout)
        return self.requests()

    def wait_for_connections(self, connections: int, timeout: float = 60) -> None:
        """Return once there were this many connections; raises TimeoutError."""
        self._wait("connections", connections, timeout)

    def _wait(self, name: str, least: int, timeout: float) -> None:
        counts = self._call("GET", "/wait", {name: least, "timeout": timeout}, timeout=timeout)
        if counts[name] < least:
            raise TimeoutError(
                f"{counts[name]} {name} of {least} after {timeout} s (emulator counts: {counts})"
            )

    def _call(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        *,
        body: Any = None,
        timeout: float = 0,
    ) -> Any:
        url = self.control_url + path
        if query:
            url += "?" + urllib.parse.urlencode(query)
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method)
        try:
            with _OPENER.open(request, timeout=timeout + 30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise EmulatorError(json.load(error)["error"]) from error
