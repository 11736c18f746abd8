"""pdagentd: check what must be true, go into the background unless told not to, work."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from typing import Callable

from pdagent import __version__, startup
from pdagent.commands.console import complain
from pdagent.commands.options import FLAG, Command, Option
from pdagent.files import remove, write_text
from pdagent.settings import AGENT_WILL_QUIT, Settings, SettingsError, load
from pdagent.submission import CONFIG_VARIABLE

COMMAND = Command(
    "pdagentd",
    (
        Option("-f", "--foreground", form=FLAG, help="stay in the foreground, write no pid file"),
        Option("--check-config", form=FLAG, help="say what is wrong with the settings, and end"),
    ),
    description="Carry events from the queue to PagerDuty.",
    epilog="SIGHUP reads the configuration again; SIGTERM ends the agent within seconds.",
)

UMASK = 0o027
LOG_FORMAT = "%(asctime)s %(levelname)-7s %(threadName)-20s %(name)-20s %(message)s"

logger = logging.getLogger("pdagent.main")


def main(argv: list[str]) -> int:
    """Run the daemon; returns its exit code, in the background the parent's."""
    args = COMMAND.parse(argv)
    named = args.config or os.environ.get(CONFIG_VARIABLE, "")
    path = _absolute(named) if named else ""  # in the background the directory is another
    _open_closed_streams()
    try:
        settings = load(path)
        if args.check_config:
            return _judge(settings)
        as_root = startup.check_user(settings)
        os.umask(UMASK)
        startup.make_directories(settings)
        if args.foreground:
            return _serve(settings, path, as_root, ready=lambda: None)
        return _in_background(settings, path, as_root)
    except SettingsError as exc:
        complain(f"{exc}\n{AGENT_WILL_QUIT}")
    except startup.StartError as exc:
        complain(str(exc))
    return 1


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)
    except FileNotFoundError:  # the working directory is gone, so loading finds nothing either
        return path


def _open_closed_streams() -> None:
    """Give closed standard streams to /dev/null, so that no other file takes their numbers."""
    spare = os.open(os.devnull, os.O_RDWR)
    while spare <= 2:
        spare = os.open(os.devnull, os.O_RDWR)
    os.close(spare)


def _judge(settings: Settings) -> int:
    """Complain about what is suspicious in the file; a deployment wants a typo to fail."""
    for warning in settings.warnings:
        complain(warning)
    return 1 if settings.warnings else 0


def _serve(settings: Settings, path: str, as_root: bool, ready: Callable[[], None]) -> int:
    """Run to the end in this process. Raises StartError before anything has been sent."""
    lock = startup.become_consumer(settings.outqueue_dir)
    agent_id = startup.agent_id(settings.agent_id_file)
    _start_log(settings)
    logger.info("*** pdagentd starting! pid=%s", os.getpid())
    logger.info("Agent version: %s", __version__)
    logger.info("Agent ID: %s", agent_id)
    for warning in settings.warnings:
        logger.warning("%s", warning)
    if as_root:
        logger.warning("Running as root, as root owns %s", settings.data_dir)
    try:
        return _work(settings, path, agent_id, ready)
    finally:
        lock.close()


def _work(settings: Settings, path: str, agent_id: str, ready: Callable[[], None]) -> int:
    # requests takes a tenth of a second to import: start-up errors need not wait for it.
    try:
        from pdagent.daemon import Daemon
        from pdagent.outqueue.answers import Answers
        from pdagent.systemd import Notifier
        from pdagent.trust import TrustError
    except ModuleNotFoundError as exc:  # as when /usr/bin/python3 was made another Python
        logger.error("%s", exc)
        raise startup.StartError(
            f"{exc}: install python3-requests for {sys.executable}\n{AGENT_WILL_QUIT}"
        ) from None
    try:
        return Daemon(
            settings,
            reload=lambda: load(path),
            agent_id=agent_id,
            wake_fd=startup.make_wake_fifo(settings.wake_fifo),
            answers=Answers(startup.make_answers_directory(settings.run_dir)),
            notifier=Notifier(os.environ),
            ready=ready,
        ).run()
    except TrustError as exc:
        logger.error("%s", exc)
        raise startup.StartError(f"{exc}\n{AGENT_WILL_QUIT}") from None
    except startup.StartError:
        raise
    except Exception:  # in the background the log is the only place where it can be seen
        logger.exception("pdagentd broke down; send the bundle of pd-doctor --report to support")
        return 1


def _start_log(settings: Settings) -> None:
    """Log to the file, following logrotate's renames, or to standard error."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if settings.log_file:
        try:
            handler = logging.handlers.WatchedFileHandler(settings.log_file, encoding="utf-8")
        except OSError as exc:
            raise startup.StartError(
                f"Can't write to the log {settings.log_file} ({exc.strerror}), "
                "please check permissions"
            ) from None
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    root = logging.getLogger("pdagent")
    root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
    root.propagate = False
    logging.raiseExceptions = False  # a full disk must not print tracebacks


def _in_background(settings: Settings, path: str, as_root: bool) -> int:
    """Start the daemon in a process of its own; returns when it works, or why it does not."""
    news, teller = os.pipe()
    if os.fork():
        os.close(teller)
        with os.fdopen(news, encoding="utf-8") as file:
            text = file.read()
        if text == "ready":
            return 0
        complain(text or f"pdagentd ended while starting; see {settings.log_file}")
        return 1
    os.close(news)
    os.setsid()
    if os.fork():
        os._exit(0)
    return _background_main(settings, path, as_root, teller)


def _background_main(settings: Settings, path: str, as_root: bool, teller: int) -> int:
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)

    def ready() -> None:
        # For all to read: anyone may ask for "service pdagent status".
        write_text(settings.pid_file, f"{os.getpid()}\n", 0o644)
        _tell(teller, "ready")

    try:
        status = _serve(settings, path, as_root, ready)
    except startup.StartError as exc:
        _tell(teller, str(exc))
        return 1
    remove(settings.pid_file)
    logging.shutdown()
    return status


def _tell(teller: int, text: str) -> None:
    os.write(teller, text.encode())
    os.close(teller)
