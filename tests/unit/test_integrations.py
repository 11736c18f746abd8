"""pd-nagios, pd-zabbix and pd-sensu: the bodies, keys and output of 1.x, without its crashes."""

from __future__ import annotations

import io
import json
import os
import sys

import pytest

from pdagent.commands import nagios, sensu, zabbix

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def run(run_main, monkeypatch):
    def run(command, *argv, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        return run_main(command.main, *argv)

    return run


@pytest.fixture
def body(bodies):
    """The one body in pdq, agent id and time aside."""

    def body():
        [found] = bodies()
        agent = found["agent"]
        assert agent.pop("queued_at")
        assert agent.pop("agent_id") is None
        return found

    return body


def fields(**macros):
    return [word for pair in macros.items() for word in ("-f", "=".join(pair))]


SERVICE = fields(SERVICEDESC="Disk /srv", SERVICESTATE="CRITICAL", HOSTNAME="db7")
HOST = fields(HOSTNAME="db7", HOSTSTATE="DOWN")
SERVICE_KEY = "event_source=service;host_name=db7;service_desc=Disk /srv"


def test_nagios_service_problem(run, body):
    code, out, err = run(
        nagios,
        *("-k", KEY, "-t", "PROBLEM", "-n", "service", *SERVICE),
        *fields(SERVICEOUTPUT="97% used = full; 2, 3"),
    )

    assert (code, out, err) == (0, f"Event processed. Incident Key: {SERVICE_KEY}\n", "")
    assert body() == {
        "agent": {"queued_by": "pd-nagios"},
        "client": "",
        "client_url": "",
        "description": "SERVICEDESC=Disk /srv; SERVICESTATE=CRITICAL; HOSTNAME=db7",
        "details": {
            "HOSTNAME": "db7",
            "SERVICEDESC": "Disk /srv",
            "SERVICEOUTPUT": "97% used = full; 2, 3",
            "SERVICESTATE": "CRITICAL",
            "pd_nagios_object": "service",
        },
        "event_type": "trigger",
        "incident_key": SERVICE_KEY,
        "service_key": KEY,
    }


def test_nagios_host_recovery_is_the_bytes_of_1_x(run, queue, bodies):
    code, out, _ = run(nagios, "-k", KEY, "-t", "RECOVERY", "-n", "host", *HOST)

    assert (code, out) == (
        0,
        "Event processed. Incident Key: event_source=host;host_name=db7\n",
    )
    agent = json.dumps(bodies()[0]["agent"], separators=(",", ":"), sort_keys=True)
    expected = (
        f'{{"agent":{agent},"client":"","client_url":"",'
        '"description":"HOSTNAME=db7; HOSTSTATE=DOWN",'
        '"details":{"HOSTNAME":"db7","HOSTSTATE":"DOWN","pd_nagios_object":"host"},'
        '"event_type":"resolve","incident_key":"event_source=host;host_name=db7",'
        f'"service_key":"{KEY}"}}'
    )
    [name] = os.listdir(f"{queue}/pdq")
    with open(f"{queue}/pdq/{name}") as file:
        assert file.read() == expected


@pytest.mark.parametrize(
    ("word", "event_type"),
    [("PROBLEM", "trigger"), ("ACKNOWLEDGEMENT", "acknowledge"), ("RECOVERY", "resolve")],
)
def test_nagios_types(run, body, word, event_type):
    assert run(nagios, "-k", KEY, "-t", word, "-n", "host", *HOST)[0] == 0
    assert body()["event_type"] == event_type


def test_nagios_incident_key_of_ones_own(run, body):
    _, out, _ = run(nagios, "-k", KEY, "-t", "PROBLEM", "-n", "host", "-i", "mine", *HOST)

    assert out == "Event processed. Incident Key: mine\n"
    assert body()["incident_key"] == "mine"


def test_nagios_key_too_long_for_pagerduty_is_cut_the_same_way_for_problem_and_recovery(
    run, bodies
):
    long = fields(SERVICEDESC="d" * 300, SERVICESTATE="x", HOSTNAME="db7")
    other = fields(SERVICEDESC="d" * 301, SERVICESTATE="x", HOSTNAME="db7")
    for word, macros in (("PROBLEM", long), ("RECOVERY", long), ("PROBLEM", other)):
        assert run(nagios, "-k", KEY, "-t", word, "-n", "service", *macros)[0] == 0

    problem, recovery, another = [body["incident_key"] for body in bodies()]
    assert problem == recovery != another
    assert problem.startswith("event_source=service;host_name=db7;service_desc=ddd")
    assert len(problem) == 255


NAGIOS_USAGE = {
    "no fields": (
        ["-k", KEY, "-t", "PROBLEM", "-n", "host"],
        "Missing fields for type 'host'.  HOSTNAME, HOSTSTATE required",
    ),
    "service fields": (
        ["-k", KEY, "-t", "PROBLEM", "-n", "service", *HOST],
        "Missing fields for type 'service'.  HOSTNAME, SERVICEDESC, SERVICESTATE required",
    ),
    "flapping": (
        ["-k", KEY, "-t", "FLAPPINGSTART", "-n", "host", *HOST],
        "argument -t/--event-type: invalid choice: 'FLAPPINGSTART'",
    ),
    "no type": (["-k", KEY, "-n", "host"], "the following arguments are required: -t/--event-type"),
    "no key": (["-t", "PROBLEM", "-n", "host", *HOST], "argument -k/--service-key is required"),
    "macro": (["-k", "$X$", "-t", "PROBLEM", "-n", "host", *HOST], "service_key ... has a char"),
    "field": (
        ["-k", KEY, "-t", "PROBLEM", "-n", "host", "-f", "HOSTNAME"],
        "argument -f/--field: 'HOSTNAME' is not KEY=VALUE",
    ),
}


@pytest.mark.parametrize(("argv", "message"), NAGIOS_USAGE.values(), ids=NAGIOS_USAGE.keys())
def test_nagios_usage_errors_are_clear_and_exit_2(run, bodies, argv, message):
    code, out, err = run(nagios, *argv)

    assert (code, out, bodies()) == (2, "", [])
    assert message in err


ZABBIX = "name:Disk full\nid:13\nstatus:PROBLEM\nhostname:db7\nip: 10.0.0.7\nurl:\nvalue:1"


def test_zabbix_trigger(run, body):
    assert run(zabbix, KEY, "trigger", f"\n {ZABBIX}\n\n") == (0, "", "")
    assert body() == {
        "agent": {"queued_by": "pd-zabbix"},
        "client": "",
        "client_url": "",
        "description": "Disk full : PROBLEM for db7",
        "details": {
            "name": "Disk full",
            "id": "13",
            "status": "PROBLEM",
            "hostname": "db7",
            "ip": " 10.0.0.7",
            "url": "",
            "value": "1",
        },
        "event_type": "trigger",
        "incident_key": "13-db7",
        "service_key": KEY,
    }


@pytest.mark.parametrize("word", ["trigger", "acknowledge", "resolve"])
def test_zabbix_types_go_verbatim(run, body, word):
    run(zabbix, KEY, word, ZABBIX, "ignored")

    assert body()["event_type"] == word


def test_zabbix_url_becomes_the_client_url(run, body):
    run(zabbix, KEY, "trigger", ZABBIX.replace("url:", "url:https://zabbix.example/1"))

    assert (body()["client"], body()["client_url"]) == ("Zabbix", "https://zabbix.example/1")


def test_zabbix_incident_key_of_ones_own_needs_no_id(run, body):
    run(zabbix, KEY, "trigger", ZABBIX.replace("id:13", "incident_key:mine"))

    assert body()["incident_key"] == "mine"


def test_zabbix_line_without_colon_continues_the_value_before(run, body):
    run(zabbix, KEY, "trigger", "first line\nmore\n" + ZABBIX + "\nNOTE:a\n b \nc")

    details = body()["details"]
    assert details["NOTE"] == "abc"
    assert details["first line"] == "first linemore"


@pytest.mark.parametrize(
    ("word", "event_type", "note"),
    [
        (
            "trigger",
            "resolve",
            "NOTE: Escalation cancelled: x (converted from trigger to resolve by"
            " pdagent integration)",
        ),
        ("acknowledge", "acknowledge", "NOTE: Escalation cancelled: x"),
    ],
)
def test_zabbix_cancelled_escalation_resolves_its_trigger(run, body, word, event_type, note):
    run(zabbix, KEY, word, ZABBIX + "\nNOTE:NOTE: Escalation cancelled: x")

    assert (body()["event_type"], body()["details"]["NOTE"]) == (event_type, note)


ZABBIX_USAGE = {
    "nothing": ([], "the following arguments are required: SERVICE_KEY, MESSAGE_TYPE, BODY"),
    "no body": ([KEY, "trigger"], "the following arguments are required: BODY"),
    "type": ([KEY, "PROBLEM", ZABBIX], "message type is 'PROBLEM', allowed: trigger, acknow"),
    "empty body": ([KEY, "trigger", ""], "message body lacks name, status, hostname, id: it must"),
    "no id": ([KEY, "trigger", ZABBIX.replace("id:", "x:")], "message body lacks id: it must"),
    "key": (["{$PD}", "trigger", ZABBIX], "service_key ...D} has a character other than"),
    "own key without name": (
        [KEY, "trigger", "incident_key:x\nstatus:s\nhostname:h"],
        "message body lacks name: it must have lines name:, id:, status: and hostname:",
    ),
}


@pytest.mark.parametrize(("argv", "message"), ZABBIX_USAGE.values(), ids=ZABBIX_USAGE.keys())
def test_zabbix_usage_errors_are_clear_and_exit_2(run, bodies, argv, message):
    code, out, err = run(zabbix, *argv)

    assert (code, out, bodies()) == (2, "", [])
    assert message in err.replace("\n", " ")


def core(**more):
    return {
        "id": "e1",
        "action": "create",
        "client": {"name": "web1"},
        "check": {"name": "disk", "output": "97% used\n", "status": 2},
        **more,
    }


def dump(event):
    return json.dumps(event).encode()


def test_sensu_core_event(run, body):
    assert run(sensu, "-k", KEY, stdin=dump(core())) == (0, "", "")
    assert body() == {
        "agent": {"queued_by": "pd-sensu"},
        "client": "",
        "client_url": "",
        "description": "web1/disk : 97% used\n",
        "details": core(),
        "event_type": "trigger",
        "incident_key": "web1/disk",
        "service_key": KEY,
    }


@pytest.mark.parametrize(
    ("action", "event_type"),
    [("create", "trigger"), ("resolve", "resolve"), ("flapping", "trigger"), (["x"], "trigger")],
)
def test_sensu_actions(run, body, action, event_type):
    run(sensu, "-k", KEY, stdin=dump(core(action=action)))

    assert body()["event_type"] == event_type


def test_sensu_incident_key_of_ones_own(run, body):
    run(sensu, "--integration-key", KEY, "--incident-key", "mine", stdin=dump(core()))

    assert (body()["incident_key"], body()["description"]) == ("mine", "mine : 97% used\n")


def test_sensu_without_client_takes_the_id(run, body):
    event = core()
    del event["client"]

    run(sensu, "-k", KEY, stdin=dump(event))

    assert body()["incident_key"] == "e1"


@pytest.mark.parametrize(("status", "event_type"), [(0, "resolve"), (1, "trigger"), (2, "trigger")])
def test_sensu_go_events_are_understood(run, body, status, event_type):
    event = {
        "entity": {"metadata": {"name": "web1", "namespace": "default"}},
        "check": {"metadata": {"name": "disk"}, "output": "97% used", "status": status},
    }

    assert run(sensu, "-k", KEY, stdin=dump(event))[0] == 0
    found = body()
    assert (found["event_type"], found["incident_key"], found["description"]) == (
        event_type,
        "web1/disk",
        "web1/disk : 97% used",
    )
    assert found["details"] == event


def test_sensu_long_output_is_cut_in_the_description_and_whole_in_the_details(run, body):
    event = core(check={"name": "disk", "output": "x" * 2000})

    run(sensu, "-k", KEY, stdin=dump(event))

    found = body()
    assert found["description"] == ("web1/disk : " + "x" * 2000)[:1023] + "…"
    assert found["details"] == event


def test_sensu_latin_1_output_does_no_harm(run, body):
    run(sensu, "-k", KEY, stdin=dump(core(id="@")).replace(b"@", b"caf\xe9"))

    assert body()["details"]["id"] == "café"


def test_a_page_with_an_endless_output_goes_out(run, body):
    code, _, err = run(sensu, "-k", KEY, stdin=dump(core(more="x" * 600_000)))

    assert (code, err) == (0, "")
    assert body()["details"]["more"].endswith("… (cut)")


SENSU_BAD = {
    "empty": (b"", "standard input is not JSON (0 characters): Expecting value"),
    "broken": (b'{"action":', "standard input is not JSON (10 characters)"),
    "list": (b"[]", "standard input is not a Sensu event: not a JSON object"),
    "no check": (dump({"action": "create"}), "Sensu event has no object check"),
    "no action": (dump({"client": {"name": "a"}, "check": core()["check"]}), "no event.action"),
    "no output": (dump(core(check={"name": "disk"})), "Sensu event has no check.output"),
    "no name": (dump(core(client={})), "Sensu event has no client.name"),
    "odd client": (dump(core(client="web1")), "Sensu event has no object client"),
    "no id": (dump({"action": "create", "check": core()["check"]}), "has no event.id"),
    "nested": (b"[" * 100_000, "standard input is not JSON (100000 characters)"),
    "endless": (b" " * (8 * 512 * 1024 + 1), "standard input is too long: the limit is 4194304"),
}


@pytest.mark.parametrize(("stdin", "message"), SENSU_BAD.values(), ids=SENSU_BAD.keys())
def test_sensu_bad_input_is_one_clear_line_and_exits_1(run, bodies, stdin, message):
    code, out, err = run(sensu, "-k", KEY, stdin=stdin)

    assert (code, out, bodies()) == (1, "", [])
    assert err.startswith("pd-sensu: ")
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "argument -k/--integration-key is required"),
        (["-k", "a b"], "integration key ... has a character other than"),
        (["--key-file", "-"], "--key-file: standard input is taken by the event itself"),
    ],
)
def test_sensu_usage_errors_are_clear_and_exit_2(run, bodies, argv, message):
    code, out, err = run(sensu, *argv, stdin=dump(core()))

    assert (code, out, bodies()) == (2, "", [])
    assert message in err


def test_sensu_closed_standard_input_is_bad_input(run_main, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)

    assert run_main(sensu.main, "-k", KEY)[0] == 1
