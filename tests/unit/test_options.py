"""Command lines: the quick reader agrees with argparse wherever it dares to answer."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdagent import __version__
from pdagent.commands import doctor, nagios, send, sensu, zabbix
from pdagent.commands.options import FLAG, MAYBE, REPEAT, Command, Option

COMMANDS = [send.COMMAND, nagios.COMMAND, zabbix.COMMAND, sensu.COMMAND, doctor.COMMAND]
TOY = Command(
    "toy",
    (
        Option("-a", "--alpha", help="a value"),
        Option("-b", "--beta", help="one of two", choices=("x", "y")),
        Option("-f", "--flag", form=FLAG, help="a flag"),
        Option("-r", "--repeat", form=REPEAT, help="repeats"),
        Option("-m", "--maybe", form=MAYBE, without="9", help="may be followed"),
    ),
    description="Toy.",
)

WORDS = st.sampled_from(
    [
        *("-a", "--alpha", "--alpha=x", "--alpha=", "--al", "-ax", "-a=x"),
        *("-b", "--beta", "--beta=y", "--beta=z", "x", "y", "z"),
        *("-f", "--flag", "--flag=x", "-fr", "-fa"),
        *("-r", "--repeat", "--repeat=k=v", "k=v", "-m", "--maybe", "--maybe=3", "-m3"),
        *("--", "-", "", "-1", "- x", "--config", "--unknown", "--unknown=1", "é", "a b"),
    ]
)


def argparse_values(command, argv):
    """What argparse makes of `argv`, or None where it refuses."""
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            return vars(command.parser().parse_args(argv))
        except SystemExit:
            return None


@given(st.lists(WORDS, max_size=6))
def test_a_quick_answer_is_the_one_argparse_gives(argv):
    quick = TOY._quick(argv)

    assert quick is None or quick == argparse_values(TOY, argv)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["-a", "1", "--repeat", "k=v", "-r", "l=w", "-f", "-b", "x"],
        ["--alpha=1=2", "--maybe=3"],
        ["-m"],
        ["-m", "5", "-f"],
        ["-m", "-f"],
        ["-a", "-", "-m", "-"],
    ],
)
def test_plain_command_lines_are_read_quickly(argv):
    assert TOY._quick(argv) == argparse_values(TOY, argv)


@pytest.mark.parametrize(
    ("argv", "values"),
    [
        (["--alp", "1"], {"alpha": "1"}),
        (["-a1"], {"alpha": "1"}),
        (["-fa", "1"], {"flag": True, "alpha": "1"}),
        (["-a", "- 1 disk"], {"alpha": "- 1 disk"}),
        (["-a", "-1"], {"alpha": "-1"}),
    ],
)
def test_what_1_x_understood_is_understood(argv, values):
    found = TOY.parse(argv)

    assert {name: getattr(found, name) for name in values} == values


def test_repeated_options_do_not_leak_into_the_next_parse():
    TOY.parse(["-r", "x"])

    assert TOY.parse([]).repeat == []
    assert TOY.parse(["--rep", "y"]).repeat == ["y"]
    assert TOY.parse(["--al", "y"]).repeat == []


def test_words_are_taken_verbatim_and_further_ones_are_ignored():
    found = zabbix.COMMAND.parse(["key", "--trigger", "-x: 1", "more", "--help"])

    assert (found.SERVICE_KEY, found.MESSAGE_TYPE, found.BODY) == ("key", "--trigger", "-x: 1")


def test_options_may_stand_before_words():
    found = zabbix.COMMAND.parse(["--config", "/c", "key", "trigger", "body"])

    assert (found.config, found.BODY) == ("/c", "body")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help_and_version(command, capfd):
    for argv in (["--help"], ["-h"]):
        with pytest.raises(SystemExit) as end:
            command.parse(argv)
        assert end.value.code == 0
        assert capfd.readouterr().out.startswith(f"usage: {command.name} [-h] [--version]")
    with pytest.raises(SystemExit) as end:
        command.parse(["--version"])
    assert end.value.code == 0
    assert capfd.readouterr().out == f"{command.name} {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_option_has_a_help_line_and_no_flag_twice(command):
    flags = [flag for option in command.options for flag in option.flags]

    assert all(option.help for option in command.options)
    assert len(flags) == len(set(flags))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_help_fits_an_80_column_terminal(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert [line for line in command.parser().format_help().splitlines() if len(line) > 80] == []


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["-b", "z"], "argument -b/--beta: invalid choice: 'z' (choose from"),
        (["-a"], "argument -a/--alpha: expected one argument"),
        (["stray"], "unrecognized arguments: stray"),
    ],
)
def test_usage_errors_are_argparses(argv, message, capfd):
    with pytest.raises(SystemExit) as end:
        TOY.parse(argv)

    assert end.value.code == 2
    assert message in capfd.readouterr().err


@pytest.mark.parametrize("argv", [[], ["-b"], ["-f"], ["-x"]])
@pytest.mark.parametrize("key", ["0123456789abcdef0123456789abcdef", "R0123456789ABCDEFGHIJKLM"])
def test_a_key_in_the_wrong_place_is_not_repeated_in_full(argv, key, capfd):
    with pytest.raises(SystemExit):
        TOY.parse([*argv, key])

    said = capfd.readouterr().err
    assert key not in said
    assert f"...{key[-4:]}" in said
