"""The bundle for support: all that was seen in one archive, without secrets."""

from __future__ import annotations

import glob
import io
import os
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from typing import Callable

from pdagent import __version__
from pdagent.doctor import basic, host, units
from pdagent.doctor.host import Host
from pdagent.outqueue import layout
from pdagent.state import iso

_LOG_BYTES = 256 * 1024
_LISTED = 1000
_ENVIRONMENT = ("_proxy", "ssl_", "requests_ca", "curl_ca", "pdagent", "path", "lang", "lc_", "tz")
_FILES = ("/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/hosts", "/etc/os-release")
_COMMANDS = {
    "versions/openssl.txt": ["openssl", "version", "-a"],
    "versions/package.txt": ["dpkg-query", "-W", "pdagent", "python3", "python3-requests"],
    "versions/rpm.txt": ["rpm", "-q", "pdagent", "python3", "python3-requests"],
    "versions/kernel.txt": ["uname", "-srvm"],
    "service/status.txt": ["systemctl", "status", "--no-pager", "-n", "50", "pdagent"],
    "service/show.txt": ["systemctl", "show", "pdagent"],
    "service/journal.txt": ["journalctl", "--no-pager", "-n", "300", "-u", "pdagent"],
    "network/addresses.txt": ["ip", "address"],
    "network/routes.txt": ["ip", "route", "show", "table", "all"],
    "network/rules.txt": ["nft", "list", "ruleset"],
}


def write(path: str, here: Host, reports: Mapping[str, str], redact: Callable[[str], str]) -> int:
    """Write the bundle to path, readable by its owner alone; return the number of files.

    reports are added under their names as they are; all else passes redact. Raises OSError.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    count = 0
    os.fchmod(fd, 0o600)  # the file may have been there
    with os.fdopen(fd, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        gathered = ((name, redact(text)) for name, text in _contents(here))
        for name, text in [*reports.items(), *gathered]:
            if text:
                _add(archive, f"pd-doctor/{name}", text)
                count += 1
    return count


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode("utf-8", "replace")
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(data))


def _contents(here: Host) -> Iterator[tuple[str, str]]:
    settings = here.settings
    yield "versions/agent.txt", f"pdagent {__version__}\nPython {sys.version}\n"
    yield "config/settings.txt", _settings(here)
    for path in _text_files(here):
        yield f"files{path}", _read(path)
    yield "service/environment.txt", _environment(here)
    yield "state.json", _read(settings.state_file)
    yield "queue/listing.txt", "".join(_listing(settings.data_dir))
    if settings.log_file:
        yield "log/pdagentd.log", _log(settings.log_file)
    for name, command in _COMMANDS.items():
        yield name, host.run(command)


def _text_files(here: Host) -> list[str]:
    own = [path for path in units.files() if os.path.isfile(path)]
    return [here.config_path, *own, *units.ENVIRONMENT_FILES, units.INIT_SCRIPT, *_FILES]


def _settings(here: Host) -> str:
    origin = here.settings.origin
    rows = [f"{key} = {getattr(here.settings, key)}  ({where})" for key, where in origin.items()]
    return "\n".join([here.config_error, *rows, *here.settings.warnings, ""])


def _environment(here: Host) -> str:
    environ, source = here.environment
    shown = {name: value for name, value in environ.items() if _is_shown(name)}
    return f"from {source}\n" + "".join(f"{n}={v}\n" for n, v in sorted(shown.items()))


def _is_shown(name: str) -> bool:
    return name.lower().endswith("_proxy") or name.lower().startswith(_ENVIRONMENT)


def _listing(data_dir: str) -> Iterator[str]:
    """List the queue with mode, owner, size and time; never what is in the files."""
    for folder in [data_dir, *(os.path.join(data_dir, one) for one in layout.MODES if one)]:
        names = sorted(glob.glob(f"{glob.escape(folder)}/*"))
        yield f"{folder}: {len(names)} entries\n"
        for path in [folder, *names[:_LISTED]]:
            try:
                info = os.lstat(path)
            except OSError as error:
                yield f"  {os.path.basename(path)}: {error.strerror}\n"
                continue
            when = iso(info.st_mtime) or "?"  # a neighbour may set any time
            owner = f"{info.st_uid}:{info.st_gid}"
            name = os.path.basename(path)
            yield f"  {info.st_mode:06o} {owner:<12} {info.st_size:>9} {when} {name}\n"


def _log(path: str) -> str:
    try:
        return "\n".join(basic.tail(path, _LOG_BYTES)) + "\n"
    except OSError as error:
        return f"{path}: {error.strerror}\n"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError as error:
        return "" if isinstance(error, FileNotFoundError) else f"{path}: {error.strerror}\n"
