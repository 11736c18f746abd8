"""An HTTP answer, and the documented ones."""

from __future__ import annotations

import email.utils
import http
import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """Status, further headers and body; a body that is not bytes is sent as JSON."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def ends_connection(self) -> bool:
        """An interim answer (1xx) that nothing follows can only be followed by the end."""
        return self.status < 200

    def encoded(self, *, sized: bool = True, close: bool = False) -> tuple[bytes, bytes]:
        """Head and body as sent. ``sized`` False leaves Content-Length out."""
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        if self.status < 200 or self.status in (204, 304):  # these have no body
            body, sized, close = b"", True, close or self.ends_connection
        headers = {
            "Date": email.utils.formatdate(usegmt=True),
            "Content-Type": "application/json; charset=utf-8",
            **({"Content-Length": str(len(body))} if sized else {}),
            **({"Connection": "close"} if close or not sized else {}),
            **self.headers,
        }
        lines = [f"HTTP/1.1 {self.status} {_reason(self.status)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), body


def accepted(status: int, **keys: str) -> Answer:
    """The event was taken: 200 on v1, 202 on v2."""
    return Answer(status, {"status": "success", "message": "Event processed", **keys})


def refused(errors: list[str], *, status: int = 400) -> Answer:
    """PagerDuty's definite no to this event."""
    body = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
    return Answer(status, body)


def unparsable(label: str) -> Answer:
    """The body is not a JSON object; ``label`` is the status word of that API version."""
    body = {
        "status": label,
        "message": "Event object format is unrecognized",
        "errors": ["JSON parse error"],
    }
    return Answer(400, body)


def throttled(status: int, headers: dict[str, str]) -> Answer:
    """Too many calls for this key: 403 on v1, 429 on v2."""
    body = {"status": "throttle exceeded", "message": "Request Limit Exceeded"}
    return Answer(status, body, headers)


def other(status: int, **headers: str) -> Answer:
    """An answer of no event's own: wrong path, wrong method, or a wanted fault."""
    body = {"status": "error", "message": _reason(status), "errors": [f"HTTP status {status}"]}
    return Answer(status, body, headers)


def _reason(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Emulated"
