"""pd-send: options, output, exit codes: promises 3, 10 and 13."""

from __future__ import annotations

import contextlib
import io
import json
import os
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdagent.commands import send

KEY = "0123456789abcdef0123456789abcdef"
TRIGGER = ["-k", KEY, "-t", "trigger", "-d", "disk full"]


@pytest.fixture
def run(run_main):
    """Run pd-send: (exit code, standard output, standard error)."""
    return lambda *argv: run_main(send.main, *argv)


def without_agent(body):
    return {name: value for name, value in body.items() if name != "agent"}


def test_a_trigger_is_queued_with_all_fields_of_1_x(run, bodies):
    code, out, err = run(
        *TRIGGER,
        *("-i", "backup/web3", "-c", "cron", "-u", "https://wiki.example/backup"),
        *("-f", "job=nightly", "-f", "rc=1", "-f", "rc=2=3, x\ny"),
    )

    assert (code, out, err) == (0, "Event processed. Incident Key: backup/web3\n", "")
    [body] = bodies()
    assert without_agent(body) == {
        "service_key": KEY,
        "event_type": "trigger",
        "description": "disk full",
        "incident_key": "backup/web3",
        "client": "cron",
        "client_url": "https://wiki.example/backup",
        "details": {"job": "nightly", "rc": "2=3, x\ny"},
    }


def test_v1_events_say_which_agent_queued_them_and_when(run, bodies, queue):
    ident = str(uuid.uuid4())
    with open(f"{queue}/../agent_id.txt", "w") as file:
        file.write(ident + "\n")

    run(*TRIGGER)

    agent = bodies()[0]["agent"]
    assert agent["agent_id"] == ident
    assert agent["queued_by"] == "pd-send"
    assert len(agent["queued_at"]) == 20
    assert agent["queued_at"].endswith("Z")


@pytest.mark.parametrize("text", [b"", b"not a uuid\n", b"\xff" * 200, b"z" * 8 + b"-zzzz" * 3])
def test_a_bad_agent_id_is_null_and_no_error(run, bodies, queue, text):
    with open(f"{queue}/../agent_id.txt", "wb") as file:
        file.write(text)

    assert run(*TRIGGER)[0] == 0
    assert bodies()[0]["agent"]["agent_id"] is None


def test_a_trigger_without_key_gets_one_so_that_a_repeat_is_the_same_alert(run, bodies):
    code, out, _ = run(*TRIGGER)

    key = bodies()[0]["incident_key"]
    assert len(key) == 32
    assert (code, out) == (0, f"Event processed. Incident Key: {key}\n")


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_a_follow_up_has_no_more_fields_than_given(run, bodies, action):
    assert run("-k", KEY, "-t", action, "-i", "k")[0] == 0
    assert without_agent(bodies()[0]) == {
        "service_key": KEY,
        "event_type": action,
        "incident_key": "k",
        "details": {},
    }


USAGE = {
    "no key": (["-t", "trigger", "-d", "x"], "argument -k/--service-key is required"),
    "no type": (["-k", KEY, "-d", "x"], "argument -t/--event-type is required"),
    "bad type": (["-k", KEY, "-t", "x"], "argument -t/--event-type: invalid choice: 'x'"),
    "no description": (["-k", KEY, "-t", "trigger"], "Event type 'trigger' requires description"),
    "blank": (["-k", KEY, "-t", "trigger", "-d", " "], "Event type 'trigger' requires description"),
    "no incident key": (["-k", KEY, "-t", "resolve"], "Event type 'resolve' requires incident key"),
    "field": ([*TRIGGER, "-f", "novalue"], "argument -f/--field: 'novalue' is not KEY=VALUE"),
    "key": (
        ["-k", "a/b", "-t", "resolve", "-i", "x"],
        "service_key ... has a character other than",
    ),
    "long key": (["-k", "k" * 300, "-t", "resolve", "-i", "x"], "service_key is too long: 300"),
    "incident key": ([*TRIGGER, "-i", "k" * 256], "incident_key is too long: 256 characters, the"),
    "latin-1": ([*TRIGGER, "--severity", "fat\udce9"], "invalid choice: 'fat"),
    "severity": ([*TRIGGER, "--severity", "fatal"], "argument --severity: invalid choice: 'fatal'"),
    "timestamp": ([*TRIGGER, "--timestamp", "now"], "payload.timestamp is not a time with zone"),
    "link": ([*TRIGGER, "--link", " "], "links[0].href is missing"),
    "image": ([*TRIGGER, "--image", "http://x"], "images[0].src must start with https://: 'http"),
    "two keys": (
        [*TRIGGER, "-i", "a", "--dedup-key", "b"],
        "--incident-key and --dedup-key differ",
    ),
    "change": (["--change", *TRIGGER], "--event-type has no meaning with --change"),
    "change nothing": (["--change", "-k", KEY], "payload.summary is missing: change events"),
    "wait": ([*TRIGGER, "--wait", "soon"], "argument --wait: 'soon' is not a number of seconds"),
    "batch": (["--batch", *TRIGGER], "--event-type has no meaning with --batch"),
    "batch wait": (["--batch", "--wait"], "--wait has no meaning with --batch"),
    "key file": ([*TRIGGER, "--key-file", "x"], "--key-file: not allowed with argument -k"),
    "no key file": (["--key-file", "/nowhere"], "--key-file: cannot read /nowhere: No such file"),
}


@pytest.mark.parametrize(("argv", "message"), USAGE.values(), ids=USAGE.keys())
def test_a_usage_error_queues_nothing_and_exits_2(run, bodies, argv, message):
    code, out, err = run(*argv)

    assert (code, out) == (2, "")
    assert err.startswith("usage: pd-send [-h]")
    assert f"pd-send: error: {message}" in " ".join(err.split("\n")) or message in err
    assert KEY not in err
    assert bodies() == []


V2 = ["--severity", "critical", "--source", "db7"]


def test_any_v2_option_makes_a_v2_event(run, bodies):
    code, out, _ = run(
        *TRIGGER,
        *V2,
        *("--component", "disk", "--group", "db", "--class", "space", "-f", "used=97%"),
        *(
            "--timestamp",
            "2026-05-04T03:02:01Z",
            "--dedup-key",
            "k",
            "-c",
            "cron",
            "-u",
            "https://c",
        ),
        *("--link", "https://a.example The run book", "--link", "https://b.example"),
        *("--image", "https://i.example/a.png  load "),
    )

    assert (code, out) == (0, "Event processed. Incident Key: k\n")
    assert bodies() == [
        {
            "routing_key": KEY,
            "event_action": "trigger",
            "dedup_key": "k",
            "client": "cron",
            "client_url": "https://c",
            "links": [
                {"href": "https://a.example", "text": "The run book"},
                {"href": "https://b.example"},
            ],
            "images": [{"src": "https://i.example/a.png", "alt": "load"}],
            "payload": {
                "summary": "disk full",
                "source": "db7",
                "severity": "critical",
                "component": "disk",
                "group": "db",
                "class": "space",
                "timestamp": "2026-05-04T03:02:01Z",
                "custom_details": {"used": "97%"},
            },
        }
    ]


def test_a_v2_trigger_is_about_this_host_and_an_error_unless_said_otherwise(run, bodies):
    run(*TRIGGER, "--component", "disk")

    payload = bodies()[0]["payload"]
    assert (payload["source"], payload["severity"]) == (os.uname().nodename, "error")
    assert len(bodies()[0]["dedup_key"]) == 32


def test_a_v2_resolve_needs_the_dedup_key_alone(run, bodies):
    assert run("-k", KEY, "-t", "resolve", "--dedup-key", "k")[0] == 0
    assert bodies() == [{"routing_key": KEY, "event_action": "resolve", "dedup_key": "k"}]


def test_a_change_event_has_no_incident_key(run, bodies):
    code, out, _ = run("--change", "-k", KEY, "-d", "deployed 1.2", "-f", "build=7")

    assert (code, out) == (0, "Event processed.\n")
    assert bodies() == [
        {
            "routing_key": KEY,
            "payload": {
                "summary": "deployed 1.2",
                "source": os.uname().nodename,
                "custom_details": {"build": "7"},
            },
        }
    ]


def test_quiet_prints_nothing(run, bodies):
    assert run(*TRIGGER, "-q") == (0, "", "")
    assert len(bodies()) == 1


@pytest.mark.parametrize(
    ("more", "kind", "field"),
    [([], "v1", "incident_key"), (["--dedup-key", "k"], "v2", "dedup_key")],
)
def test_json_reports_what_was_queued_without_the_integration_key(run, queue, more, kind, field):
    code, out, err = run(*TRIGGER, *more, "--json")

    record = json.loads(out)
    assert (code, err) == (0, "")
    assert record.pop(field)
    [name] = os.listdir(f"{queue}/pdq")
    assert record == {"status": "queued", "kind": kind, "queued_us": int(name[:16])}


def test_json_of_a_change_event_has_no_dedup_key(run):
    record = json.loads(run("--change", "-k", KEY, "-d", "x", "--json")[1])

    assert sorted(record) == ["kind", "queued_us", "status"]


@pytest.mark.parametrize(
    ("argv", "url"),
    [
        (TRIGGER, "https://events.pagerduty.com/generic/2010-04-15/create_event.json"),
        ([*TRIGGER, *V2], "https://events.pagerduty.com/v2/enqueue"),
        (
            ["--change", "-k", KEY, "-d", "x"],
            "https://events.pagerduty.com/v2/change/enqueue",
        ),
    ],
)
def test_dry_run_prints_endpoint_and_body_and_queues_nothing(run, bodies, argv, url):
    code, out, _ = run(*argv, "--dry-run")

    request, body = out.split("\n", 1)
    assert (code, request) == (0, f"POST {url}")
    assert KEY in json.loads(body).values()
    assert bodies() == []


def test_a_narrow_umask_is_told_in_the_words_of_1_x(config, capfd):
    os.umask(0o077)
    try:
        assert send.main(["--config", config, *TRIGGER, "-i", "k"]) == 0
        assert capfd.readouterr().out == (
            "WARNING: Current umask too restrictive. Using default umask (022).\n"
            "(For umask requirements, please refer: "
            "https://www.pagerduty.com/docs/guides/agent-install-guide/)\n"
            "Event processed. Incident Key: k\n"
        )
        os.umask(0o077)
        assert send.main(["--config", config, *TRIGGER, "--json"]) == 0
        out, err = capfd.readouterr()
        assert json.loads(out)
        assert err.startswith("WARNING: Current umask")
        os.umask(0o077)
        assert send.main(["--config", config, *TRIGGER, "-q"]) == 0
        assert capfd.readouterr() == ("", "")
    finally:
        os.umask(0o022)


def test_the_integration_key_can_stay_out_of_the_process_list(run, bodies, tmp_path):
    (tmp_path / "key").write_text(KEY + "\nignored\n")

    assert run("--key-file", str(tmp_path / "key"), "-t", "trigger", "-d", "x")[0] == 0
    assert bodies()[0]["service_key"] == KEY


def test_a_key_file_without_a_key_is_named(run, bodies):
    code, _, err = run("--key-file", "/dev/null", "-t", "trigger", "-d", "x")

    assert code == 2
    assert "--key-file: no integration key in the first line of /dev/null" in err
    assert bodies() == []


def test_a_config_error_ends_as_in_1_x(run, tmp_path):
    (tmp_path / "pdagent.conf").write_text("[Main]\nworkers = many\n")

    code, out, err = run(*TRIGGER)

    assert (code, out) == (1, "")
    assert err.split("\n")[0] == f"Bad workers in config file: {tmp_path}/pdagent.conf"
    assert err.endswith("\nAgent will now quit\n")


def test_a_full_queue_exits_3(run, bodies, tmp_path):
    with open(tmp_path / "pdagent.conf", "a") as file:
        file.write("max_queue_mb = 1\n")
    details = [*("-f", "a=" + "x" * 500_000)]
    for _ in range(2):
        assert run(*TRIGGER, *details)[0] == 0

    code, out, err = run(*TRIGGER, *details)

    assert (code, out) == (3, "")
    assert err.startswith("pd-send: Event refused: 1 MiB wait in ")
    assert len(bodies()) == 2


def test_a_missing_queue_exits_1_with_one_line(run, tmp_path):
    with open(tmp_path / "pdagent.conf", "a") as file:
        file.write(f"data_dir = {tmp_path}/other\n")

    code, out, err = run(*TRIGGER)

    assert (code, out) == (1, "")
    assert err == (
        f"pd-send: Event not queued: Can't find directory {tmp_path}/other/outqueue;"
        " start pdagent once or reinstall it (No such file or directory)\n"
    )


def test_an_interrupt_ends_with_one_line(run, monkeypatch):
    def interrupted(_event, _settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(send.submission, "store", interrupted)

    assert run(*TRIGGER) == (130, "", "pd-send: interrupted\n")


def test_a_defect_ends_with_one_line_too(run, monkeypatch):
    def defect(_event, _settings):
        raise AssertionError("a < b")

    monkeypatch.setattr(send.submission, "store", defect)

    assert run(*TRIGGER) == (1, "", "pd-send: AssertionError: a < b\n")


# Those that wait, or read a file or standard input, have tests of their own.
ELSEWHERE = {"--wait", "--batch", "--config", "--key-file"}
FLAGS = {flag for option in send.COMMAND.options for flag in option.flags} - ELSEWHERE
WORDS = st.one_of(
    st.sampled_from(sorted(FLAGS)),
    st.sampled_from(["trigger", "resolve", "error", "a=b", "=", KEY, "2026-05-04T03:02:01Z", ""]),
    st.binary(max_size=8).map(
        lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape")
    ),
)


@pytest.fixture(scope="module")
def defaults(tmp_path_factory):
    """A settings file that changes nothing."""
    path = tmp_path_factory.mktemp("defaults") / "pdagent.conf"
    path.write_text("[Main]\n")
    return str(path)


@given(st.lists(WORDS, max_size=8))
def test_no_command_line_ends_in_a_defect(defaults, argv):
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        try:
            code = send.main(["-k", KEY, *argv, "--config", defaults, "--dry-run"])
        except SystemExit as end:
            code = end.code

    assert code in (0, 2)
