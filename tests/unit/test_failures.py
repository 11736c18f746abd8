"""Failures of the wire in words: promises 5 and 13."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl

import pytest
import requests
from urllib3.exceptions import ProxyError

from pdagent.failures import explain


def wrapped(cause: BaseException) -> BaseException:
    """The cause as requests and urllib3 wrap it."""
    try:
        try:
            raise cause
        except BaseException as inner:
            raise requests.exceptions.ConnectionError(OSError("wrapped"), inner) from inner
    except requests.exceptions.ConnectionError as outer:
        return outer


def verification_error() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "verify failed")
    error.verify_message = "certificate has expired"
    return error


@pytest.mark.parametrize(
    ("cause", "reason", "suspect", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "dns", False, "cannot be resolved"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "refused", False, "refused"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "route", False, "no route"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "route", False, "no route"),
        (OSError(errno.EADDRNOTAVAIL, "Cannot assign address"), "route", False, "no route"),
        (verification_error(), "tls_verify", False, "not trusted: certificate has expired"),
        (ssl.SSLError(1, "wrong version number"), "tls", False, "no TLS with"),
        (requests.exceptions.ConnectTimeout(), "timeout", False, "did not answer in time"),
        (socket.timeout("timed out"), "timeout", True, "took the request"),
        (requests.exceptions.ReadTimeout(), "timeout", True, "did not answer in time"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "reset", True, "closed the connection"),
        (http.client.RemoteDisconnected("gone"), "reset", True, "closed the connection"),
        (http.client.BadStatusLine("x"), "bad_answer", True, "not HTTP"),
        (ValueError(), "bad_answer", True, "ValueError"),
        (OSError("Tunnel connection failed: 407 Auth"), "proxy_auth", False, "user and password"),
        (ProxyError("no", OSError(errno.ECONNREFUSED, "refused")), "proxy", False, "carry"),
        (requests.exceptions.InvalidProxyURL("bad"), "proxy", False, "malformed"),
        (requests.exceptions.InvalidSchema("no SOCKS"), "proxy", False, "cannot be used"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_each_failure_is_named(
    cause: BaseException, reason: str, suspect: bool, words: str
) -> None:
    verdict = explain(wrapped(cause), "events.pagerduty.com:443", "proxy.local:8118")
    assert (verdict.outcome, verdict.reason, verdict.suspect) == ("not_now", reason, suspect)
    assert words in verdict.detail
    assert "events.pagerduty.com:443" in verdict.detail or "proxy.local:8118" in verdict.detail


def test_an_exception_that_holds_itself_is_walked_once() -> None:
    error = ValueError("loop")
    error.__context__ = KeyError("inner")
    error.__context__.__context__ = error
    assert explain(error, "host:443", "").reason == "bad_answer"
