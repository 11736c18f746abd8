"""The control port: plain HTTP and JSON, for tests and for curl. Its verbs::

GET    /health                  counts of connections, requests, ...
GET    /wait?events=N&requests=N&timeout=SECONDS
                                the same, once the counts are reached
GET    /requests?since=N&path=P everything that arrived
GET    /events?key=K&dedup_key=D
                                the events taken, in order
GET    /alerts                  {key: {dedup_key: {state, history}}}
GET    /faults                  the kinds and stages there are
POST   /faults                  {"match": {"path", "key", "method"}, "times": n,
                                "fault": {"kind", "stage", "status", "delay",
                                "headers", "body", "processed"}}
DELETE /faults                  behave properly again
POST   /throttle                {"per_minute": n or null, "announce": true}
POST   /heartbeat               {"interval_secs": n}
POST   /certificate             {"cert": PATH, "key": PATH, "only_version": "1.1"}
                                for new connections; {} restores the first one
POST   /reset                   forget everything, behave as at the start
"""

from __future__ import annotations

import http.server
import json
import urllib.parse
from typing import Any, Callable

from tests.emulator import faults
from tests.emulator.api import PagerDuty
from tests.emulator.server import Tls


class BadRequestError(ValueError):
    """What the control port was asked makes no sense."""


class Control:
    """The verbs of the control port, by method and path."""

    def __init__(self, service: PagerDuty, tls: Tls) -> None:
        self.service, self.tls = service, tls
        self.verbs: dict[tuple[str, str], Callable[[dict[str, str], Any], Any]] = {
            ("GET", "/health"): self._health,
            ("GET", "/wait"): self._wait,
            ("GET", "/requests"): self._requests,
            ("GET", "/events"): self._events,
            ("GET", "/alerts"): lambda query, body: {"alerts": service.alerts.snapshot()},
            ("GET", "/faults"): lambda query, body: faults.known(),
            ("POST", "/faults"): lambda query, body: service.faults.add(faults.parse(body)),
            ("DELETE", "/faults"): lambda query, body: service.faults.clear(),
            ("POST", "/throttle"): self._throttle,
            ("POST", "/heartbeat"): self._heartbeat,
            ("POST", "/certificate"): self._certificate,
            ("POST", "/reset"): self._reset,
        }

    def _health(self, query: dict[str, str], body: Any) -> Any:
        return {"status": "ok", **self.service.recorder.counts()}

    def _wait(self, query: dict[str, str], body: Any) -> Any:
        timeout = float(query.pop("timeout", "10"))
        wanted = {name: int(value) for name, value in query.items()}
        known = self.service.recorder.counts()
        if not set(wanted) <= set(known):
            raise BadRequestError(f"wait for one of {', '.join(known)}")
        return self.service.recorder.wait_for(wanted, timeout)

    def _requests(self, query: dict[str, str], body: Any) -> Any:
        since = int(query.get("since", 0))
        return {"requests": self.service.recorder.requests(since=since, path=query.get("path"))}

    def _events(self, query: dict[str, str], body: Any) -> Any:
        wanted = {field: query.get(field) for field in ("key", "dedup_key")}
        return {"events": self.service.recorder.events(**wanted)}

    def _throttle(self, query: dict[str, str], body: Any) -> None:
        self.service.throttle.per_minute = body.get("per_minute")
        self.service.throttle.announce = bool(body.get("announce", False))

    def _heartbeat(self, query: dict[str, str], body: Any) -> None:
        self.service.heartbeat_interval_secs = int(body["interval_secs"])

    def _certificate(self, query: dict[str, str], body: Any) -> None:
        if not body:
            self.tls.restore()
            return
        self.tls.use(body["cert"], body.get("key", body["cert"]), body.get("only_version"))

    def _reset(self, query: dict[str, str], body: Any) -> None:
        self.service.reset()
        self.tls.restore()


class ControlHandler(http.server.BaseHTTPRequestHandler):
    """JSON in, JSON out; a request that makes no sense is answered with 400 and why."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    control: Control  # set on the subclass made for each server

    def _exchange(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        verb = self.control.verbs.get((self.command, url.path))
        if verb is None:
            self._send(404, {"error": f"no {self.command} {url.path}"})
            return
        try:
            result = verb(query, json.loads(raw) if raw else {})
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            self._send(400, {"error": f"{type(error).__name__}: {error}"})
            return
        self._send(200, {"ok": True} if result is None else result)

    do_GET = do_POST = do_DELETE = _exchange  # noqa: N815

    def _send(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the control port is used many times a second."""


class ControlServer(http.server.ThreadingHTTPServer):
    """The control port's listener."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], control: Control) -> None:
        handler = type("BoundControlHandler", (ControlHandler,), {"control": control})
        super().__init__(address, handler)
