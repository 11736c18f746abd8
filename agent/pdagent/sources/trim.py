"""Details of a size that the Events API takes: what a check prints knows no limit."""

from __future__ import annotations

from copy import deepcopy

from pdagent.event import MAX_BODY, Event
from pdagent.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_SHORT = 200  # characters; cutting texts shorter than this gains nothing
_MARK = "… (cut)"
_LEFT_OUT = "details of {} bytes left out: PagerDuty takes {} bytes"


def trim(event: Event) -> Event:
    """Return a v1 event whose body is small enough, its longest details halved until it is.

    Each cut is marked. A page without the end of a check's output is better than no page.
    """
    body = deepcopy(event.body)
    excess = len(encode(body)) - MAX_BODY
    while excess > 0 and _halve_longest(body):
        excess = len(encode(body)) - MAX_BODY
    if excess > 0:  # not long texts but very many of them
        size = len(encode(body["details"]))
        body["details"] = {"pdagent": _LEFT_OUT.format(size, MAX_BODY)}
    return Event(body)


def _halve_longest(body: dict[str, Any]) -> bool:
    """Cut the longest text in the details to half; False when none is worth it."""
    longest = max((holder[at] for holder, at in _places(body, "details")), key=len, default="")
    if len(longest) <= _SHORT:
        return False
    half = len(longest) // 2
    for holder, at in _places(body, "details"):
        if holder[at] == longest:
            holder[at] = longest[:half] + _MARK
    return True


def _places(holder: Any, place: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (container, index) of every text at or below holder[place]."""
    found = holder[place]
    if isinstance(found, str):
        yield holder, place
    elif isinstance(found, dict):
        for name in found:
            yield from _places(found, name)
    elif isinstance(found, list):
        for index in range(len(found)):
            yield from _places(found, index)
