"""What the redactor hides, whatever form a secret comes in."""

import json

import pytest

from pdagent.doctor.check import WARN, Finding, Result
from pdagent.doctor.redact import Redactor

KEY = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"service_key={KEY}", "service_key=...c5d6"),
        (f"1795414578537129_{KEY}.txt", "1795414578537129_...c5d6.txt"),
        (f"err/1795414578537129_{KEY}.json", "err/1795414578537129_...c5d6.json"),
        ("1795414578537129_short-key.txt", "1795414578537129_...-key.txt"),
        ('{"routing_key":"not-of-32"}', '{"routing_key":"...f-32"}'),
        ('"service_key": "not-of-32"', '"service_key": "...f-32"'),
        ("https_proxy=http://joe:pa55@proxy:3128", "https_proxy=http://***@proxy:3128"),
        ("https_proxy=http://joe:p@ss/w@proxy:3128", "https_proxy=http://***@proxy:3128"),
        ('Environment="https_proxy=joe:pa55@proxy:1"', 'Environment="https_proxy=***@proxy:1"'),
        ("Proxy-Authorization: Basic am9lOnBhNTU=", "Proxy-Authorization: Basic ***"),
        ("password = pa55", "password = ***"),
        ('"token": "abc"', '"token": ***'),
    ],
)
def test_a_secret_is_known_by_its_form(text, shown):
    assert Redactor([])(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "events.pagerduty.com has 3 addresses",
        "https://events.pagerduty.com/v2/enqueue",
        "http://USER:PASSWORD@proxy.example:3128",
        "agent_id 9886f76f-4a80-41fc-b8e8-7e18b084ca56",
        "1795414578537129_...c5d6.txt",
    ],
)
def test_what_is_no_secret_stays(text):
    assert Redactor([])(text) == text


def test_the_secrets_of_an_environment_are_hidden_wherever_they_stand():
    redact = Redactor.of(
        {"https_proxy": "http://joe:hunter2x@proxy:1", "API_TOKEN": "t0psecret"}, []
    )
    assert redact("hunter2x and t0psecret") == "*** and ***"


def test_a_given_key_is_shown_by_its_last_four():
    assert Redactor.of({}, [KEY])(f"key {KEY}!") == "key ...c5d6!"


def test_a_result_stays_valid_json_whatever_is_taken_out_of_it():
    line = f"Proxy-Authorization: Basic am9lOnBhNTU= for {KEY}, password=pa55"
    finding = Finding(WARN, line, command=line, detail={line: 1, "recent": [line, {"a": line}]})
    result = Redactor([]).result(Result("log.errors", "service", finding, 0.1))
    shown = json.dumps(vars(result.finding))
    assert "am9l" not in shown
    assert KEY not in shown
    assert "pa55" not in shown
    assert json.loads(shown)["detail"]["recent"][1]["a"].startswith("Proxy-Authorization: Basic")
