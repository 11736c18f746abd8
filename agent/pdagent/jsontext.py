"""JSON as the Events API gets it: compact, keys sorted, plain ASCII.

The same bytes as ``json.dumps(value, separators=(",", ":"), sort_keys=True)``. Importing json
brings in re, enum and more, which takes longer than all the rest of pd-send; the interpreter's
own C function for a string is enough here.
"""

from __future__ import annotations

from _json import encode_basestring_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_CONSTANTS = {None: "null", True: "true", False: "false"}


class JsonError(ValueError):
    """A value that JSON cannot carry; the text names it."""


def encode(value: Any) -> bytes:
    """Return `value` (objects, lists, text, numbers, true, false, None) as JSON bytes.

    Text that is not Unicode, as in an argument in Latin-1, is cleaned. Raises JsonError.
    """
    try:
        return "".join(_pieces(value)).encode("ascii")
    except RecursionError:
        raise JsonError("event is nested too deeply") from None


def clean(text: str) -> str:
    """Return `text` with what could not be decoded as UTF-8 read as Latin-1.

    Python hands such bytes over as lone surrogates (PEP 383). Other lone surrogates, which no
    UTF-8 text can hold, become U+FFFD. The length stays the same.
    """
    if text.isascii():
        return text
    return "".join(_clean(char) if "\ud800" <= char <= "\udfff" else char for char in text)


def _clean(char: str) -> str:
    byte = ord(char) - 0xDC00
    return chr(byte) if 0x80 <= byte <= 0xFF else "\ufffd"


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield encode_basestring_ascii(clean(value))
    elif isinstance(value, dict):
        mark = "{"
        for name in sorted(value):
            if not isinstance(name, str):
                raise JsonError(f"field name {name!r} is not text")
            yield mark + encode_basestring_ascii(clean(name)) + ":"
            yield from _pieces(value[name])
            mark = ","
        yield "}" if value else "{}"
    elif isinstance(value, (list, tuple)):
        mark = "["
        for entry in value:
            yield mark
            yield from _pieces(entry)
            mark = ","
        yield "]" if value else "[]"
    elif value is None or isinstance(value, bool):
        yield _CONSTANTS[value]
    elif isinstance(value, int):
        yield int.__repr__(value)
    elif isinstance(value, float) and value - value == 0:  # neither infinite nor NaN
        yield float.__repr__(value)
    else:
        raise JsonError(f"value {value!r:.40} cannot be sent as JSON")
