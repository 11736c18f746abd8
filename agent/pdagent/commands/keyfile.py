"""Where the integration key comes from: an option, or a file so that no process list shows it."""

from __future__ import annotations

from pdagent.commands.options import Option
from pdagent.event import EventError

KEY_FILE = Option(
    "--key-file", metavar="FILE", help="read the integration key from FILE (-: stdin)"
)

_LONGEST_LINE = 1024


def integration_key(given: str | None, path: str | None, flags: str, *, stdin: bool = True) -> str:
    """Return the key that was `given` with `flags`, or the first line of the file at `path`.

    `stdin` tells whether standard input is free. Raises EventError.
    """
    if given and path:
        raise EventError(f"argument --key-file: not allowed with argument {flags}")
    if given:
        return given
    if not path:
        raise EventError(f"argument {flags} is required")
    if path == "-" and not stdin:
        raise EventError("argument --key-file: standard input is taken by the event itself")
    return _first_line(path)


def _first_line(path: str) -> str:
    try:
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
            line = file.readline(_LONGEST_LINE)
    except OSError as error:
        raise EventError(f"argument --key-file: cannot read {path}: {error.strerror}") from None
    key = line.decode("utf-8", "surrogateescape").strip()
    if not key:
        raise EventError(f"argument --key-file: no integration key in the first line of {path}")
    return key
