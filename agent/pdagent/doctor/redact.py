"""Take secrets out of text: integration keys, proxy passwords, whatever looks like one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pdagent.doctor.check import Finding, Result
from pdagent.event import mask

HIDDEN = "***"
_SECRET_NAME = re.compile(r"pass|secret|token|key|credential|auth", re.IGNORECASE)
_KEY = r"(?<![0-9A-Za-z])[0-9A-Za-z]{32}(?![0-9A-Za-z])"


def _masked(match: re.Match[str]) -> str:
    found = match.group(0)
    return found if found.startswith("...") else mask(found)


# Pattern -> replacement; what stands first is applied first.
_RULES = (
    (
        re.compile(r"(?i)(_proxy\s*=\s*[\"']?(?:\w+://)?)(?!\w*:?//|USER:PASSWORD@)[^\s\"'|]*@"),
        rf"\1{HIDDEN}@",
    ),
    (re.compile(r"(://)(?!USER:PASSWORD@)[^\s/\"']*@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(?i)((?:proxy-)?authorization\s*[:=]\s*\w+\s+)\S+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)((?:password|passwd|secret|token)\"?\s*[:=]\s*)\S+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?<=\d{16}_)[^\s/]+(?=\.(?:txt|json))"), _masked),
    (re.compile(r"(?<=_key\":\")[^\"]*|(?<=_key\": \")[^\"]*"), _masked),
    (re.compile(_KEY), _masked),
)


class Redactor:
    """Replaces secrets: those it was told of, and those that their form gives away."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Take the secrets known word for word."""
        self._secrets = sorted({one for one in secrets if len(one) >= 4}, key=len, reverse=True)

    @classmethod
    def of(cls, environ: Mapping[str, str], keys: Iterable[str]) -> Redactor:
        """Know the integration keys and the passwords that an environment holds."""
        return cls([*keys, *passwords_in(environ)])

    def __call__(self, text: str) -> str:
        """Return text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN if len(secret) < 32 else mask(secret))
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
        return text

    def result(self, result: Result) -> Result:
        """Return a result without secrets, before any report wraps or encodes it."""
        return replace(result, finding=Finding(**self.deep(vars(result.finding))))

    def deep(self, value: Any) -> Any:
        """Return a JSON value fit to be shown: its strings one by one, so that it stays JSON."""
        if isinstance(value, str):
            return _printable(self(value))
        if isinstance(value, Mapping):
            return {self(str(name)): self.deep(inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.deep(inner) for inner in value]
        return value


def passwords_in(environ: Mapping[str, str]) -> list[str]:
    """Return the secrets in an environment: parts of proxy URLs, and values so named."""
    found = [value for name, value in environ.items() if _SECRET_NAME.search(name)]
    for name, value in environ.items():
        if name.lower().endswith("_proxy") and "@" in value:
            pair = value.rpartition("://")[2].rpartition("@")[0]
            found += [pair, pair.partition(":")[2]]
    return found


def _printable(text: str) -> str:
    """Return text without what a terminal obeys: names in the queue are a neighbour's choice."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)
