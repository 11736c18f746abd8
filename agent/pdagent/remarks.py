"""What is suspicious in a settings file, in words; never on the way of pd-send."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_WORDS = {
    "section": "section {name} is ignored; keys belong in [Main]",
    "repeated": "{name} is set more than once; the last one counts",
    "plain": "{name} is not https: what is sent there can be read on the way",
    "unknown": "unknown key {name}",
}


def remark(topic: str, where: str, name: str, *, known: Iterable[str]) -> str:
    """Word one warning about `name` at `where`; an unknown key is told the nearest known one."""
    near = get_close_matches(name, known, n=1) if topic == "unknown" else []
    hint = f"; did you mean {near[0]}?" if near else ""
    if topic == "unknown" and "proxy" in name:
        hint = "; a proxy is set in the daemon's environment, see pdagentd(8)"
    return f"{where}: {_WORDS[topic].format(name=name)}{hint}"
