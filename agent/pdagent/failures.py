"""What a failed exchange was, in words: the exceptions of ssl, urllib3 and requests to a Verdict.

urllib3 wraps causes in several ways that differ between its versions, so everything that an
exception was made from is looked at, and one table decides.
"""

from __future__ import annotations

import errno
import socket
import ssl
from http.client import RemoteDisconnected
from typing import Any

import requests
from urllib3.exceptions import LocationValueError, ProxyError, ProxySchemeUnknown

from pdagent.verdict import NOT_NOW, Verdict, one_line

_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN}


def _has_errno(*numbers: int) -> Any:
    return lambda exc: isinstance(exc, OSError) and exc.errno in numbers


def _says(*words: str) -> Any:
    return lambda exc: any(word in str(exc) for word in words)


def _is(*kinds: type[BaseException]) -> Any:
    return lambda exc: isinstance(exc, kinds)


_MALFORMED = "{proxy} is malformed: write it as http://HOST:PORT"

# First match wins: (test of one exception of the chain, reason, suspect, sentence).
_FAILURES: tuple[tuple[Any, str, bool, str], ...] = (
    (_says("failed: 407"), "proxy_auth", False, "{proxy} asks for a user and password (407)"),
    (_is(ProxyError), "proxy", False, "{proxy} does not carry the connection: {cause}"),
    (
        _is(requests.exceptions.InvalidSchema, ProxySchemeUnknown),
        "proxy",
        False,
        "{proxy} cannot be used: {cause}",
    ),
    # The URLs of PagerDuty are sound, their settings see to it: what cannot be parsed is a proxy's.
    (_is(requests.exceptions.InvalidURL, LocationValueError), "proxy", False, _MALFORMED),
    (_says("Invalid IPv6 URL"), "proxy", False, _MALFORMED),
    (_is(socket.gaierror), "dns", False, "{host} cannot be resolved: {cause}"),
    (
        _is(ssl.SSLCertVerificationError),
        "tls_verify",
        False,
        "the certificate of {host} is not trusted: {cause}",
    ),
    (_is(ssl.SSLError), "tls", False, "no TLS with {host}: {cause}"),
    (_has_errno(errno.ECONNREFUSED), "refused", False, "{host} refused the connection"),
    (_has_errno(*_ROUTE), "route", False, "no route to {host}: {cause}"),
    (_is(requests.exceptions.ConnectTimeout), "timeout", False, "{host} did not answer in time"),
    (_is(socket.timeout), "timeout", True, "{host} took the request and did not answer in time"),
    (_is(requests.exceptions.Timeout), "timeout", True, "{host} did not answer in time"),
    (
        _is(ConnectionError, RemoteDisconnected),
        "reset",
        True,
        "{host} closed the connection without an answer",
    ),
    (_is(Exception), "bad_answer", True, "{host} answered with what is not HTTP: {cause}"),
)


def explain(exc: BaseException, host: str, proxy: str) -> Verdict:
    """Turn a failed exchange into a Verdict; host is "name:port", proxy its name or ""."""
    chain = chain_of(exc)
    _, reason, suspect, sentence = next(
        row for row in _FAILURES if any(row[0](each) for each in chain)
    )
    cause = one_line(_root_cause(chain), 160)
    detail = sentence.format(host=host, proxy=f"the proxy {proxy}", cause=cause)
    return Verdict(NOT_NOW, reason, detail, suspect=suspect)


def chain_of(exc: BaseException) -> list[BaseException]:
    """Return exc and everything it was made from; urllib3 keeps causes in several places."""
    found: list[BaseException] = []
    queue: list[Any] = [exc]
    while queue:
        each = queue.pop(0)
        if isinstance(each, BaseException) and each not in found:
            found.append(each)
            queue += [getattr(each, "reason", None), *each.args, each.__cause__, each.__context__]
    return found


def _root_cause(chain: list[BaseException]) -> str:
    for exc in chain:
        if isinstance(exc, ssl.SSLCertVerificationError):
            return exc.verify_message
        if (
            isinstance(exc, OSError)
            and exc.strerror
            and not isinstance(exc, requests.RequestException)
        ):
            return exc.strerror
    return str(chain[-1]) or type(chain[-1]).__name__


def is_reset(exc: BaseException) -> bool:
    """Tell whether the other side closed the connection on us."""
    return any(isinstance(each, (ConnectionResetError, BrokenPipeError)) for each in chain_of(exc))


def is_no_tls(exc: BaseException) -> bool:
    """Tell whether the other side answered a TLS handshake with something else."""
    words = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "record layer failure", "wrong version number")
    return isinstance(exc, ssl.SSLError) and any(word in str(exc) for word in words)
