"""argparse, off the hot path: help, versions and usage errors."""

from __future__ import annotations

import re
from argparse import ArgumentParser

from pdagent.commands import console
from pdagent.event import mask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

USAGE = 2

# PagerDuty's integration keys have 32 letters and digits; one may have been cut when copied.
_KEY_SHAPED = re.compile("[0-9A-Za-z]{20,}")


def without_keys(message: str) -> str:
    """Return a message with whatever may be an integration key masked.

    A forgotten -k makes the key a stray argument, and usage errors end up in mails of cron.
    """
    return _KEY_SHAPED.sub(lambda found: mask(found[0]), message)


class Parser(ArgumentParser):
    """argparse's parser, printing as the commands do.

    A closed or full stream would otherwise change the exit code, print a stray exception, or
    send a usage error to standard output.
    """

    def error(self, message: str) -> NoReturn:
        """End the process with the usage and `message` on standard error."""
        console.complain(f"{self.format_usage()}{self.prog}: error: {without_keys(message)}")
        raise SystemExit(USAGE)

    def _print_message(self, message: str, file: object = None) -> None:
        """Print the help or the version: errors do not come here."""
        console.say(message, end="")
