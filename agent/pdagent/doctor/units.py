"""The service's files on disk: unit, drop-ins, environment files.

systemd says what it has read; what it would read now stands in the files. The
difference is a finding, so both are looked at.
"""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Iterator, Sequence

UNIT = "pdagent.service"
INIT_SCRIPT = "/etc/init.d/pdagent"
ENVIRONMENT_FILES = ("/etc/default/pdagent", "/etc/sysconfig/pdagent")
# In systemd's order of precedence, systemd.unit(5).
_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)


def unit_paths() -> list[str]:
    """Return where the unit stands on disk, the one that counts first."""
    return [path for path in (f"{one}/{UNIT}" for one in _FOLDERS) if os.path.lexists(path)]


def package_folder() -> str:
    """Return where packages put units: hosts from before the /usr merge have /lib alone."""
    return next((one for one in _FOLDERS[-2:] if os.path.isdir(one)), _FOLDERS[-1])


def drop_ins() -> list[str]:
    """Return the unit's drop-ins in the order in which they are applied."""
    found: dict[str, str] = {}
    for folder in _FOLDERS:
        for path in glob.glob(f"{folder}/{UNIT}.d/*.conf"):
            found.setdefault(os.path.basename(path), path)
    return [found[name] for name in sorted(found)]


def files() -> list[str]:
    """Return the unit in force and its drop-ins."""
    return unit_paths()[:1] + drop_ins()


def environment(*, systemd: bool) -> dict[str, str] | None:
    """Return what the service's files would give its process; None if one is unreadable."""
    environ: dict[str, str] = {}
    sources = list(ENVIRONMENT_FILES)
    try:
        if systemd:
            environ, sources = _from_units()
        for path in sources:
            environ.update(assignments(_lines(path)))
    except OSError:
        return None
    return environ


def _from_units() -> tuple[dict[str, str], list[str]]:
    """Return the Environment= values of unit and drop-ins, and their EnvironmentFile= paths."""
    environ: dict[str, str] = {}
    sources: list[str] = []
    for path in files():
        for name, value in _settings(path):
            if name == "Environment":
                environ = {**environ, **assignments(_words(value))} if value else {}
            elif name == "EnvironmentFile":
                sources = [*sources, value.lstrip("-")] if value else []
    return environ, sources


def _settings(path: str) -> Iterator[tuple[str, str]]:
    text = "\n".join(_lines(path)).replace("\\\n", " ")
    for line in text.splitlines():
        name, separator, value = line.strip().partition("=")
        if separator and not name.startswith(("#", ";")):
            yield name.strip(), value.strip()


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def assignments(lines: Sequence[str]) -> dict[str, str]:
    """Return the variables that KEY=VALUE lines set, as both init systems read them."""
    environ = {}
    for line in lines:
        text = line.strip()
        text = text[7:].lstrip() if text.startswith("export ") else text
        name, separator, value = text.partition("=")
        if separator and name.isidentifier():
            environ[name] = _unquoted(value.strip())
    return environ


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def environment_file() -> str:
    """Return the environment file of this host's family."""
    return ENVIRONMENT_FILES[1] if os.path.isdir("/etc/sysconfig") else ENVIRONMENT_FILES[0]


def origin_of(variable: str) -> str:
    """Return the file that sets a variable of the service, else the one that should."""
    for path in [*reversed(drop_ins()), *ENVIRONMENT_FILES]:
        try:
            if variable.lower() in "\n".join(_lines(path)).lower():
                return path
        except OSError:
            continue
    return environment_file()
