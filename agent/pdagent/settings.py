"""The settings of /etc/pdagent.conf: every key with default, bounds and unit in one table.

The reader is our own because pd-send is forked once a notification and because an error has
to name its line. It understands what 1.x wrote: one section ``[Main]``, ``key = value`` or
``key: value``, and comment lines that start with ``#`` or ``;``.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False  # typing is not imported on the way of pd-send
if TYPE_CHECKING:
    from typing import Union

    Value = Union[int, bool, str]

DEFAULT_PATH = "/etc/pdagent.conf"
SECTION = "[Main]"

_REGIONS = {
    "us": ("https://events.pagerduty.com", "https://api.pagerduty.com"),
    "eu": ("https://events.eu.pagerduty.com", "https://api.eu.pagerduty.com"),
}
_HEARTBEAT_PATH = "/agent/2014-03-14/heartbeat"
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_MAX_DIGITS = 12
_MAX_BYTES = 1024 * 1024  # a configuration file is a few hundred


class SettingsError(Exception):
    """The configuration cannot be used; the text says what is wrong, where, and what is allowed.

    Its first line is the one 1.x printed. A command prints the text and then AGENT_WILL_QUIT.
    """


AGENT_WILL_QUIT = "Agent will now quit"


class Key:
    """One configuration key: `kind` is int, bool, choice, path, url or address.

    `low` and `high` bound an int (inclusive), `choices` lists the words of a choice, `unit` is
    what a number counts, and an `optional` key may be left empty.
    """

    __slots__ = ("choices", "default", "doc", "high", "kind", "low", "name", "optional", "unit")

    def __init__(
        self,
        name: str,
        kind: str,
        default: Value,
        doc: str,
        *,
        low: int = 0,
        high: int = 0,
        unit: str = "",
        choices: tuple[str, ...] = (),
        optional: bool = False,
    ) -> None:
        """Describe one key; `doc` is the one line shown in the manual."""
        self.name = name
        self.kind = kind
        self.default = default
        self.doc = doc
        self.low = low
        self.high = high
        self.unit = unit
        self.choices = choices
        self.optional = optional

    @property
    def allowed(self) -> str:
        """What a value may be, in words for an error message and the manual."""
        if self.kind == "int":
            return f"a whole number from {self.low} to {self.high} ({self.unit})"
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        words = {
            "bool": "true or false",
            "path": "an absolute path",
            "url": "a URL starting with https:// or http://",
            "address": "an IPv4 or IPv6 address of this host; 0.0.0.0 lets the system choose",
        }[self.kind]
        return words + ", or nothing" if self.optional else words


def _int(name: str, default: int, low: int, high: int, unit: str, doc: str) -> Key:
    return Key(name, "int", default, doc, low=low, high=high, unit=unit)


def _optional(name: str, kind: str, doc: str, default: str = "") -> Key:
    return Key(name, kind, default, doc, optional=True)


_WEEK = 7 * 24 * 3600
_LEVELS = ("debug", "info", "warning", "error")

KEYS = (
    _int("send_interval_secs", 10, 1, 3600, "seconds", "longest pause between two looks at pdq"),
    _int("cleanup_interval_secs", 10800, 1, _WEEK, "seconds", "pause between two clean-ups"),
    _int(
        "cleanup_threshold_secs",
        604800,
        1,
        3650 * 86400,
        "seconds",
        "age after which files in suc, err and tmp are deleted",
    ),
    _int("backoff_interval_secs", 60, 1, 3600, "seconds", "longest wait before a key is retried"),
    _int(
        "retry_limit_for_possible_errors",
        60,
        1,
        100000,
        "attempts",
        "attempts before an event that alone keeps failing is quarantined",
    ),
    Key("source_address", "address", "0.0.0.0", "local address of outgoing connections"),  # noqa: S104 - the 1.x default; never listened on
    Key("region", "choice", "us", "PagerDuty service region", choices=tuple(_REGIONS)),
    _optional("events_api_url", "url", "base URL of the Events API instead of the region's"),
    _optional("heartbeat_url", "url", "whole heartbeat URL instead of the region's"),
    Key("heartbeat_enabled", "bool", True, "whether the agent phones home"),
    _optional("ca_file", "path", "CA bundle used instead of the system's trust store"),
    Key("data_dir", "path", "/var/lib/pdagent", "where the queue and the agent id live"),
    Key("run_dir", "path", "/run/pdagent", "where the pid, wake and state files live"),
    _optional(
        "log_file", "path", "log file; empty: standard error", "/var/log/pdagent/pdagentd.log"
    ),
    Key("log_level", "choice", "info", "least level that is logged", choices=_LEVELS),
    _int("max_queue_mb", 1024, 1, 1048576, "MiB", "size of pdq above which submits are refused"),
    _int("min_free_mb", 50, 0, 1048576, "MiB", "free space below which submits are refused"),
    _int("workers", 10, 1, 64, "threads", "how many integration keys are sent for at once"),
    _optional("metrics_file", "path", "OpenMetrics text file to write; empty: none"),
    Key(
        "integrations_event_version",
        "choice",
        "v1",
        "Events API version that pd-nagios, pd-zabbix and pd-sensu write",
        choices=("v1",),
    ),
)
_BY_NAME = {key.name: key for key in KEYS}


class Settings:
    """The values in force, one attribute a key, with where each came from.

    `path` is the file read, or "" when the default file is absent; `origin` maps a key to
    "default" or "PATH:LINE".
    """

    send_interval_secs: int
    cleanup_interval_secs: int
    cleanup_threshold_secs: int
    backoff_interval_secs: int
    retry_limit_for_possible_errors: int
    source_address: str
    region: str
    events_api_url: str
    heartbeat_url: str
    heartbeat_enabled: bool
    ca_file: str
    data_dir: str
    run_dir: str
    log_file: str
    log_level: str
    max_queue_mb: int
    min_free_mb: int
    workers: int
    metrics_file: str
    integrations_event_version: str

    def __init__(self, path: str = "") -> None:
        """Start from the defaults alone."""
        self.path = path
        self.origin: dict[str, str] = {}
        self._remarks: list[tuple[str, str, str]] = []
        for key in KEYS:
            setattr(self, key.name, key.default)
            self.origin[key.name] = "default"

    @property
    def warnings(self) -> list[str]:
        """One line for each thing in the file that is suspicious but no error."""
        from pdagent.remarks import remark

        return [remark(*found, known=_BY_NAME) for found in self._remarks]

    @property
    def outqueue_dir(self) -> str:
        """The queue: the directory above tmp, pdq, suc and err."""
        return self.data_dir + "/outqueue"

    @property
    def db_dir(self) -> str:
        """The daemon's own state: back-off, counters, hold markers."""
        return self.data_dir + "/db"

    @property
    def agent_id_file(self) -> str:
        """The file with the UUID that names this agent to PagerDuty."""
        return self.data_dir + "/agent_id.txt"

    @property
    def wake_fifo(self) -> str:
        """The FIFO that a submit writes a byte to, so that the daemon looks at once."""
        return self.run_dir + "/wake"

    @property
    def state_file(self) -> str:
        """The daemon's description of itself, readable by all."""
        return self.run_dir + "/state.json"

    @property
    def pid_file(self) -> str:
        """The daemon's process id."""
        return self.run_dir + "/pdagentd.pid"

    @property
    def events_base_url(self) -> str:
        """Scheme and host (and any prefix) that the Events API paths are appended to."""
        return self.events_api_url.rstrip("/") or _REGIONS[self.region][0]

    @property
    def effective_heartbeat_url(self) -> str:
        """Where heartbeats go."""
        return self.heartbeat_url or _REGIONS[self.region][1] + _HEARTBEAT_PATH

    def events_url(self, kind: str) -> str:
        """Return the URL that takes events of a `kind`: v1, v2 or change."""
        from pdagent.event import PATHS

        return self.events_base_url + PATHS[kind]


def load(path: str = "") -> Settings:
    """Read the settings from `path`, else from /etc/pdagent.conf if there is one.

    Raises SettingsError when the file cannot be read, is not in the dialect, or holds a value
    that is not allowed.
    """
    text = _read(path or DEFAULT_PATH, optional=not path)
    if text is None:
        return Settings()
    settings = Settings(path or DEFAULT_PATH)
    for line, name, value in _parse(settings, text):
        where = f"{settings.path}:{line}"
        key = _BY_NAME.get(name)
        if key is None:
            settings._remarks.append(("unknown", where, name))
            continue
        if settings.origin[name] != "default":
            settings._remarks.append(("repeated", where, name))
        if key.kind == "url" and value.startswith("http://"):
            settings._remarks.append(("plain", where, name))
        setattr(settings, name, _value(key, value, settings.path, line))
        settings.origin[name] = where
    return settings


def _read(path: str, *, optional: bool) -> str | None:
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SettingsError(_unreadable(path, "it is not a regular file"))
            raw = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        if optional:
            return None
        raise SettingsError(_unreadable(path, "there is no such file")) from None
    except OSError as error:
        raise SettingsError(_unreadable(path, error.strerror)) from None
    if len(raw) > _MAX_BYTES:
        raise SettingsError(f"Error loading config: {path}: longer than {_MAX_BYTES} bytes")
    try:
        return raw.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"Error loading config: {path}:{line}: not UTF-8 text") from None


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for whoever writes to a FIFO or a terminal."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _unreadable(path: str, reason: str | None) -> str:
    return f"Unable to read the config file at: {path}\n({reason}; check --config and its mode)"


def _parse(settings: Settings, text: str) -> list[tuple[int, str, str]]:
    """Return (line number, key, value) for each setting in [Main]."""
    found = []
    section = ""
    main_seen = False
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        where = f"{settings.path}:{number}"
        if line[0] == "[":
            section = line
            main_seen = main_seen or section == SECTION
            if section != SECTION:
                settings._remarks.append(("section", where, section))
            continue
        name, value = _split(line)
        if not name or not section:
            reason = "a key must be followed by =" if section else f"text before {SECTION}"
            raise SettingsError(f"Error loading config: {where}: {line!r}: {reason}")
        if section == SECTION:
            found.append((number, name, value))
    if not main_seen:
        raise SettingsError(f"Config is missing {SECTION} section\n({settings.path})")
    return found


def _split(line: str) -> tuple[str, str]:
    """Split at the first = or :, whichever comes first; ("", line) when there is neither."""
    ends = [end for end in (line.find("="), line.find(":")) if end > 0]
    if not ends:
        return "", line
    end = min(ends)
    return line[:end].strip().lower(), line[end + 1 :].strip()


def _value(key: Key, text: str, path: str, line: int) -> Value:
    value = "" if key.optional and not text else _READERS[key.kind](key, text)
    if value is not None:
        return value
    raise SettingsError(
        f"Bad {key.name} in config file: {path}\n"
        f"({path}:{line}: {key.name} = {text}: allowed is {key.allowed})"
    )


def _read_int(key: Key, text: str) -> Value | None:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        return None
    return int(text) if key.low <= int(text) <= key.high else None


def _read_bool(_key: Key, text: str) -> Value | None:
    word = text.lower()
    return word in _TRUE if word in _TRUE + _FALSE else None


def _read_choice(key: Key, text: str) -> Value | None:
    word = text.lower()
    return word if word in key.choices else None


def _read_path(_key: Key, text: str) -> Value | None:
    if not text.startswith("/") or "\0" in text:
        return None
    return text.rstrip("/") or "/"  # the same directory, so the same to whoever compares


def _read_url(_key: Key, text: str) -> Value | None:
    from pdagent.places import is_url  # few settings hold one: pd-send need not load it

    return text if is_url(text) else None


def _read_address(key: Key, text: str) -> Value | None:
    if text == key.default:
        return text
    from pdagent.places import is_address

    return text if is_address(text) else None


_READERS = {
    "int": _read_int,
    "bool": _read_bool,
    "choice": _read_choice,
    "path": _read_path,
    "url": _read_url,
    "address": _read_address,
}
