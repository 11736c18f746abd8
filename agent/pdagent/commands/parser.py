"""argparse, off the hot path: help, versions and usage errors."""

from __future__ import annotations

from argparse import ArgumentParser

from pdagent.commands import console

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

USAGE = 2


class Parser(ArgumentParser):
    """argparse's parser, printing as the commands do.

    A closed or full stream would otherwise change the exit code, print a stray exception, or
    send a usage error to standard output.
    """

    def error(self, message: str) -> NoReturn:
        """End the process with the usage and `message` on standard error."""
        console.complain(f"{self.format_usage()}{self.prog}: error: {message}")
        raise SystemExit(USAGE)

    def _print_message(self, message: str, file: object = None) -> None:
        """Print the help or the version: errors do not come here."""
        console.say(message, end="")
