"""The configuration file: its dialect, every key, every way to break one."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdagent import settings
from pdagent.settings import KEYS, SettingsError, load


@pytest.fixture
def write(tmp_path):
    """Write a configuration file and return its path."""

    def write(text, encoding="utf-8"):
        path = tmp_path / "pdagent.conf"
        path.write_bytes(text.encode(encoding))
        return str(path)

    return write


SHIPPED_1_7 = """\
# This is the configuration file for PagerDuty Agent.
[Main]

; how often to send
send_interval_secs: 10
cleanup_interval_secs=10800
cleanup_threshold_secs = 604800
backoff_interval_secs: 60
retry_limit_for_possible_errors: 60
source_address: 0.0.0.0
"""


def test_a_file_of_1_7_gives_the_defaults_and_no_warning(write):
    path = write(SHIPPED_1_7)

    found = load(path)

    assert {key.name: getattr(found, key.name) for key in KEYS} == {
        key.name: key.default for key in KEYS
    }
    assert found.warnings == []
    assert found.origin["send_interval_secs"] == f"{path}:5"
    assert found.origin["workers"] == "default"
    assert found.path == path


def test_an_absent_default_file_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "DEFAULT_PATH", str(tmp_path / "none.conf"))

    assert load().path == ""
    assert load().data_dir == "/var/lib/pdagent"


def test_the_default_file_is_read_when_there_is_one(monkeypatch, write):
    path = write("[Main]\nworkers = 3\n")
    monkeypatch.setattr(settings, "DEFAULT_PATH", path)

    assert (load().workers, load().path) == (3, path)


def test_every_key_is_an_annotated_attribute_so_that_types_are_checked():
    annotated = settings.Settings.__annotations__
    kinds = {"int": "int", "bool": "bool"}

    assert annotated == {key.name: kinds.get(key.kind, "str") for key in KEYS}


def test_every_key_is_described_for_the_manual_and_only_numbers_have_a_unit():
    assert all(key.doc and key.allowed for key in KEYS)
    assert [key.name for key in KEYS if key.unit] == [k.name for k in KEYS if k.kind == "int"]


GOOD = [
    ("send_interval_secs", "1", 1),
    ("send_interval_secs", "3600", 3600),
    ("min_free_mb", "0", 0),
    ("source_address", "192.0.2.1", "192.0.2.1"),
    ("source_address", "2001:db8::1", "2001:db8::1"),
    ("region", "EU", "eu"),
    ("heartbeat_enabled", "Off", False),
    ("heartbeat_enabled", "yes", True),
    ("events_api_url", "http://127.0.0.1:8443/prefix", "http://127.0.0.1:8443/prefix"),
    ("events_api_url", "", ""),
    ("heartbeat_url", "https://[::1]:9/beat", "https://[::1]:9/beat"),
    ("heartbeat_url", "https://joe:p@ss@Gate_1:65535/?a=b", "https://joe:p@ss@Gate_1:65535/?a=b"),
    ("heartbeat_url", "https://[::1]", "https://[::1]"),
    ("ca_file", "/etc/ssl/own ca.pem", "/etc/ssl/own ca.pem"),
    ("ca_file", "", ""),
    ("log_file", "", ""),
    ("data_dir", "/srv/päger = duty: %(x)s", "/srv/päger = duty: %(x)s"),
    ("log_level", "debug", "debug"),
    ("integrations_event_version", "v1", "v1"),
]


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_a_good_value_is_taken(write, name, text, value):
    assert getattr(load(write(f"[Main]\n{name} = {text}\n")), name) == value


BAD = {
    "int": ["", "ten", "1.5", "-1", "+5", "0x10", "1 0", "\u0663", "9" * 5000, "10 ; ten"],
    "bool": ["", "maybe", "2", "tru"],
    "choice": ["", "mars", "us,eu"],
    "path": ["relative/path", "~/data", "/nul\0l"],
    "url": [
        "https://events.example:port",
        "ftp://x",
        "https://",
        "https:///path",
        "events.pagerduty.com",
        "https://a b",
        "https://[",
        "https://]",
        "https://[::1",
        "https://[::1]x",
        "https://[::g]",
        "https://[10.0.0.1]",
        "https://a:0",
        "https://a:65536",
        "https://a:",
        "https://:443",
        "https://a..b",
        "https://a?b",
        "https://ü",
    ],
    "address": [
        "",
        "localhost",
        "1.2.3",
        "1.2.3.4.5",
        "256.0.0.1",
        "::g",
        "10.0.0.0/8",
        "fe80::1%eth0",
    ],
}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_bad_value_names_file_line_key_value_and_what_is_allowed(write, key):
    bad = list(BAD[key.kind])
    if key.kind == "int":
        bad += [str(key.low - 1), str(key.high + 1)]
    if key.kind in ("path", "url") and not key.optional:
        bad.append("")
    for text in bad:
        path = write(f"# comment\n[Main]\n{key.name} = {text}\n")
        with pytest.raises(SettingsError) as refusal:
            load(path)
        assert str(refusal.value) == (
            f"Bad {key.name} in config file: {path}\n"
            f"({path}:3: {key.name} = {text}: allowed is {key.allowed})"
        )


def test_what_is_allowed_is_said_in_words():
    allowed = {key.name: key.allowed for key in KEYS}

    assert allowed["workers"] == "a whole number from 1 to 64 (threads)"
    assert allowed["region"] == "one of us, eu"
    assert allowed["data_dir"] == "an absolute path"
    assert allowed["ca_file"] == "an absolute path, or nothing"
    assert allowed["events_api_url"] == "a URL starting with https:// or http://, or nothing"
    assert allowed["heartbeat_enabled"] == "true or false"
    assert allowed["source_address"].startswith("an IPv4 or IPv6 address of this host")


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("workers = 3\n[Main]\n", 1, "'workers = 3': text before [Main]"),
        ("[Main]\nworkers\n", 2, "'workers': a key must be followed by ="),
        ("[Main]\n= 3\n", 2, "'= 3': a key must be followed by ="),
        ("garbage", 1, "'garbage': text before [Main]"),
    ],
)
def test_what_is_not_in_the_dialect_names_its_line(write, text, line, reason):
    path = write(text)

    with pytest.raises(SettingsError) as refusal:
        load(path)

    assert str(refusal.value) == f"Error loading config: {path}:{line}: {reason}"


def test_a_file_that_is_not_utf_8_names_the_line(write):
    path = write("[Main]\n\nca_file = /etc/schlüssel.pem\n", encoding="latin-1")

    with pytest.raises(SettingsError, match=r"Error loading config: .*:3: not UTF-8 text"):
        load(path)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(write):
    assert load(write("\ufeff[Main]\r\nworkers = 3\r\n")).workers == 3


@pytest.mark.parametrize("text", ["", "# nothing\n", "[main]\nworkers = 3\n"])
def test_a_file_without_its_section_is_an_error(write, text):
    path = write(text)

    with pytest.raises(SettingsError) as refusal:
        load(path)

    assert str(refusal.value) == f"Config is missing [Main] section\n({path})"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is not a regular file"),
    ],
    ids=["missing", "directory", "loop", "FIFO", "device"],
)
@pytest.mark.timeout(10)
def test_an_unreadable_file_is_named_in_the_words_of_1_x(tmp_path, make, reason):
    path = tmp_path / "odd.conf"
    make(path)

    with pytest.raises(SettingsError) as refusal:
        load(str(path))

    assert str(refusal.value).split("\n") == [
        f"Unable to read the config file at: {path}",
        f"({reason}; check --config and its mode)",
    ]


def test_a_huge_file_is_an_error(tmp_path):
    path = tmp_path / "huge.conf"
    with path.open("wb") as file:
        file.truncate(1 << 40)

    with pytest.raises(SettingsError, match=f"{path}: longer than 1048576 bytes"):
        load(str(path))


def test_a_file_of_a_mebibyte_is_read_to_its_end(write):
    text = "\nworkers = 3"

    assert load(write("[Main]\n".ljust(1048576 - len(text), "#") + text)).workers == 3


def test_a_file_one_may_not_read_is_named_too(write, as_nobody):
    path = write("[Main]\n")
    os.chmod(path, 0o600)

    with pytest.raises(SettingsError, match=f"Unable to read the config file at: {path}"):
        as_nobody(lambda: load(path))


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("[Main]\nworker = 3\n", "2: unknown key worker; did you mean workers?"),
        ("[Main]\nfrobnicate = 3\n", "2: unknown key frobnicate"),
        (
            "[Main]\nworkers = 3\nworkers = 4\n",
            "3: workers is set more than once; the last one counts",
        ),
        ("[Main]\n[Other]\nx = y\n", "2: section [Other] is ignored; keys belong in [Main]"),
        (
            "[Main]\nheartbeat_url = http://127.0.0.1/\n",
            "2: heartbeat_url is not https: what is sent there can be read on the way",
        ),
        (
            "[Main]\nhttps_proxy = http://proxy.local:8118\n",
            "2: unknown key https_proxy; a proxy is set in the daemon's environment,"
            " see pdagentd(8)",
        ),
    ],
)
def test_what_is_suspicious_is_a_warning(write, text, warning):
    path = write(text)

    assert load(path).warnings == [f"{path}:{warning}"]


def test_a_url_of_https_is_not_suspicious(write):
    assert load(write("[Main]\nheartbeat_url = https://gate/beat\n")).warnings == []


def test_a_repeated_key_takes_its_last_value_and_a_key_may_be_in_capitals(write):
    assert load(write("[Main]\nworkers = 3\nWORKERS = 4\n")).workers == 4


def test_a_slash_at_the_end_names_the_same_directory(write):
    found = load(write("[Main]\ndata_dir = /var/lib/pdagent/\nrun_dir = //\n"))

    assert (found.data_dir, found.run_dir) == ("/var/lib/pdagent", "/")


def test_paths_follow_the_two_directories(write):
    found = load(write("[Main]\ndata_dir = /d\nrun_dir = /r\n"))

    assert found.outqueue_dir == "/d/outqueue"
    assert found.db_dir == "/d/db"
    assert found.agent_id_file == "/d/agent_id.txt"
    assert found.wake_fifo == "/r/wake"
    assert found.state_file == "/r/state.json"
    assert found.pid_file == "/r/pdagentd.pid"


@pytest.mark.parametrize(
    ("text", "events", "heartbeat"),
    [
        (
            "",
            "https://events.pagerduty.com/v2/enqueue",
            "https://api.pagerduty.com/agent/2014-03-14/heartbeat",
        ),
        (
            "region = eu",
            "https://events.eu.pagerduty.com/v2/enqueue",
            "https://api.eu.pagerduty.com/agent/2014-03-14/heartbeat",
        ),
        (
            "region = eu\nevents_api_url = https://gate/pd/\nheartbeat_url = https://gate/beat",
            "https://gate/pd/v2/enqueue",
            "https://gate/beat",
        ),
    ],
)
def test_urls_follow_the_region_unless_they_are_given(write, text, events, heartbeat):
    found = load(write("[Main]\n" + text))

    assert found.events_url("v2") == events
    assert found.effective_heartbeat_url == heartbeat


LINES = st.one_of(
    st.sampled_from(["[Main]", "[x]", "# c", "; c", "", "=", ":", "region = eu", "workers=\u0663"]),
    st.builds("{} = {}".format, st.sampled_from([key.name for key in KEYS]), st.text(max_size=9)),
    st.text(max_size=20),
)


@given(st.lists(LINES, max_size=6), st.sampled_from(["utf-8", "utf-16", "latin-1"]))
def test_any_file_gives_settings_or_a_settings_error(tmp_path_factory, lines, encoding):
    path = tmp_path_factory.getbasetemp() / "any.conf"
    path.write_bytes("\n".join(lines).encode(encoding, "replace"))
    try:
        found = load(str(path))
    except SettingsError as error:
        assert str(path) in str(error)  # noqa: PT017 - both outcomes are right
    else:
        assert all(warning.startswith(f"{path}:") for warning in found.warnings)
