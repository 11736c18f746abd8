"""Names and modes of the queue: what users' scripts and the guide rely on."""

from __future__ import annotations

import os

import pytest

from pdagent.outqueue import layout


def test_a_name_is_sixteen_digits_of_microseconds_and_the_key():
    assert layout.name(1_700_000_000_123_456, "abc") == "1700000000123456_abc.txt"
    assert layout.name(7, "abc") == "0000000000000007_abc.txt"


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("1700000000123456_abc.txt", (1_700_000_000_123_456, "abc")),
        ("0_x.txt", (0, "x")),
        ("17_a_b.c.txt", (17, "a_b.c")),
        ("17_.txt", None),
        ("17_abc", None),
        ("17_abc.json", None),
        ("_abc.txt", None),
        ("x17_abc.txt", None),
        ("-17_abc.txt", None),
        ("\u0661\u0667_abc.txt", None),
        ("17abc.txt", None),
        ("", None),
    ],
)
def test_only_a_name_of_the_rule_is_parsed(name, parsed):
    assert layout.parse(name) == parsed


def test_names_of_reasons_and_hold_markers():
    assert layout.reason_name("17_abc.txt") == "17_abc.json"
    assert layout.hold_name() == "hold"
    assert layout.hold_name("abc") == "hold.abc"


def modes(data_dir):
    return {path: os.stat(data_dir / path).st_mode & 0o7777 for path in layout.MODES}


def test_ensure_makes_the_whole_queue_whatever_the_umask_is(tmp_path):
    before = os.umask(0o077)
    try:
        layout.ensure(str(tmp_path / "deep" / "data"))
    finally:
        os.umask(before)

    assert modes(tmp_path / "deep" / "data") == layout.MODES
    ledger = tmp_path / "deep" / "data" / "outqueue" / "ledger"
    assert os.stat(ledger).st_mode & 0o7777 == 0o666


def test_ensure_mends_what_is_missing_and_leaves_the_rest_alone(tmp_path):
    layout.ensure(str(tmp_path))
    (tmp_path / "outqueue" / "ledger").write_text("kept")
    (tmp_path / "outqueue" / "suc").rmdir()
    os.chmod(tmp_path / "outqueue" / "pdq", 0o2753)

    layout.ensure(str(tmp_path))

    assert modes(tmp_path) == {**layout.MODES, "": modes(tmp_path)[""], "outqueue/pdq": 0o2753}
    assert (tmp_path / "outqueue" / "ledger").read_text() == "kept"
