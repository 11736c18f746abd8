"""What each answer means for the event: promises 5, 7, 8 and 13."""

from __future__ import annotations

import json
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from pdagent.verdict import (
    ACCEPTED,
    NOT_NOW,
    REJECTED,
    THROTTLED,
    Answer,
    Verdict,
    judge,
    one_line,
    retry_after,
)

NOW = 1_800_000_000.0
SUCCESS = {"status": "success", "message": "Event processed", "incident_key": "web3/disk"}
INVALID = {"status": "invalid event", "message": "Event object is invalid", "errors": ["bad key"]}
LOGIN_PAGE = b"<!DOCTYPE html><title>Please log in</title>"


def answer(status: int, body: Any = b"", **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, CaseInsensitiveDict(named), raw)


def verdict(status: int, body: Any = b"", **headers: str) -> Verdict:
    return judge(answer(status, body, **headers), NOW)


@pytest.mark.parametrize("status", [200, 202])
def test_success_is_200_or_202_that_says_so(status: int) -> None:
    assert verdict(status, SUCCESS) == Verdict(ACCEPTED, status=status, alert_key="web3/disk")


def test_the_dedup_key_of_v2_is_read_too() -> None:
    assert verdict(202, {"status": "success", "dedup_key": "d"}).alert_key == "d"


@pytest.mark.parametrize(
    "body",
    [b"", b'{"status": "succ', b"[]", b"null", b"\xff\xfe", b'{"status": "failed"}', b"{" * 60_000],
)
def test_a_status_line_alone_is_no_success(body: bytes) -> None:
    found = verdict(202, body)
    assert (found.outcome, found.reason) == (NOT_NOW, "bad_answer")


@pytest.mark.parametrize("status", [201, 203, 204, 206, 299])
def test_other_2xx_is_no_success(status: int) -> None:
    assert verdict(status, SUCCESS).outcome == NOT_NOW


@pytest.mark.parametrize("status", [200, 202])
def test_a_login_page_is_named_as_such(status: int) -> None:
    found = verdict(status, LOGIN_PAGE, Content_Type="text/html")
    assert (found.outcome, found.reason) == (NOT_NOW, "captive_portal")
    assert "proxy login page" in found.detail


def test_a_web_page_without_its_content_type_is_known_too() -> None:
    assert verdict(200, b"  <html>").reason == "captive_portal"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_redirects_are_not_success_and_name_their_target(status: int) -> None:
    found = verdict(status, SUCCESS, Location="http://login.example/?user:secret@x")
    assert (found.outcome, found.reason) == (NOT_NOW, "redirect")
    assert "login.example" in found.detail


def test_400_is_refused_with_message_and_errors() -> None:
    found = verdict(400, INVALID)
    assert (found.outcome, found.status) == (REJECTED, 400)
    assert (found.message, found.errors) == ("Event object is invalid", ("bad key",))
    assert found.detail == "Event object is invalid; bad key"


def test_400_without_a_body_is_refused() -> None:
    assert (verdict(400).outcome, verdict(400).detail) == (REJECTED, "status 400")


@pytest.mark.parametrize("status", [401, 402, 404, 405, 410, 413, 414, 415, 422, 431, 451])
def test_other_4xx_is_refused_when_pagerduty_says_it(status: int) -> None:
    assert verdict(status, INVALID).outcome == REJECTED


@pytest.mark.parametrize("status", [401, 402, 404, 405, 410, 413, 414, 415, 422, 431, 451])
@pytest.mark.parametrize("body", [b"", b"Not Found", b'{"fault": 1}'])
def test_other_4xx_from_something_on_the_way_is_not_now(status: int, body: bytes) -> None:
    found = verdict(status, body)
    assert (found.outcome, found.reason, found.suspect) == (NOT_NOW, f"http_{status}", True)


@pytest.mark.parametrize("status", [400, 403, 404, 500, 502])
def test_a_web_page_refuses_nothing(status: int) -> None:
    found = verdict(status, LOGIN_PAGE, Content_Type="text/html; charset=utf-8")
    assert found.outcome == NOT_NOW
    assert "web page" in found.detail


def test_a_web_page_without_markup_refuses_nothing() -> None:
    assert verdict(400, b"Bad Request", Content_Type="text/html").outcome == NOT_NOW


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("body", [b"", INVALID, {"message": "Request Limit Exceeded"}])
def test_403_and_429_are_throttling(status: int, body: Any) -> None:
    assert verdict(status, body).outcome == THROTTLED


def test_a_gateways_429_page_is_throttling() -> None:
    assert verdict(429, LOGIN_PAGE, Retry_After="7").retry_after == 7


def test_407_is_the_proxys() -> None:
    assert verdict(407, LOGIN_PAGE, Content_Type="text/html").reason == "proxy_auth"


@pytest.mark.parametrize("status", [101, 199, 408, 421, 425, 500, 501, 503, 504, 599])
def test_everything_else_is_not_now(status: int) -> None:
    assert verdict(status, INVALID).outcome == NOT_NOW


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_has_a_verdict(status: int) -> None:
    assert verdict(status, INVALID).outcome in (ACCEPTED, REJECTED, THROTTLED, NOT_NOW)


def test_errors_that_are_no_list_are_kept() -> None:
    assert verdict(400, {"message": None, "errors": "one"}).errors == ("one",)


# --- how long to wait


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "30"}, 30),
        ({"ratelimit-reset": "12"}, 12),
        ({"Retry-After": "Fri, 15 Jan 2027 08:01:00 GMT"}, 60),
        ({"Retry-After": "Fri, 15 Jan 2027 07:00:00 GMT"}, 0),
        ({"ratelimit-reset": str(int(NOW) + 25)}, 25),
        ({"Retry-After": "soon", "ratelimit-reset": "5"}, 5),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({}, None),
    ],
)
def test_the_pause_asked_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(CaseInsensitiveDict(headers), NOW) == seconds


# --- what is fit for a log


def test_a_log_line_is_one_line() -> None:
    assert one_line("a\nb\r\x1b[31mc\u2028d") == "a b [31mc d"


def test_a_log_line_holds_no_proxy_password() -> None:
    assert one_line("http://user:secret@proxy:8118 failed") == "http://***@proxy:8118 failed"


def test_a_log_line_is_bounded() -> None:
    assert len(one_line("x" * 10_000)) == 300
