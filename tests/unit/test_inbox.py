"""Submit: what is on disk after it, and what is not: promises 1, 2, 4, 9, 10 and 11."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest

from pdagent import housekeeping
from pdagent.outqueue import inbox, layout, ledger
from pdagent.outqueue.inbox import COULD_NOT, REFUSED, Limits, SubmitError

KEY = "k" * 32
BODY = b'{"service_key":"k"}'
LIMITS = Limits(max_queue_bytes=1 << 30, min_free_bytes=0)
NOW_NS = 1_700_000_000_123_456_789


def submit(queue, body=BODY, limits=LIMITS, **more):
    return inbox.submit(queue, KEY, body, limits=limits, **more)


def files(queue):
    return {state: sorted(os.listdir(f"{queue}/{state}")) for state in layout.STATES}


def content(queue, name):
    with open(f"{queue}/pdq/{name}", "rb") as file:
        return file.read()


def only(name):
    return {"tmp": [], "pdq": [name], "suc": [], "err": []}


NOTHING = {"tmp": [], "pdq": [], "suc": [], "err": []}


def test_an_accepted_event_is_one_file_in_pdq_and_nothing_in_tmp(queue):
    name = submit(queue, clock=lambda: NOW_NS)

    assert name == f"1700000000123456_{KEY}.txt"
    assert files(queue) == only(name)
    assert content(queue, name) == BODY
    assert os.stat(f"{queue}/pdq/{name}").st_nlink == 1
    assert ledger.queued_bytes(queue) == len(BODY)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_the_umask_changes_nothing(queue, umask):
    before = os.umask(umask)
    try:
        name = submit(queue)
    finally:
        os.umask(before)

    assert os.stat(f"{queue}/pdq/{name}").st_mode & 0o7777 == 0o640


def test_an_ordinary_user_submits_and_the_group_of_the_queue_may_read(queue, as_nobody):
    os.chown(f"{queue}/tmp", -1, 4242)
    os.chmod(f"{queue}/tmp", 0o3733)

    name = as_nobody(lambda: submit(queue))

    assert content(queue, name) == BODY
    assert files(queue) == only(name)
    status = os.stat(f"{queue}/pdq/{name}")
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (65534, 4242, 0o640)


def test_an_ordinary_user_can_neither_list_nor_read_nor_remove_the_events_of_others(
    queue, as_nobody
):
    name = submit(queue)

    for forbidden in (
        lambda: os.listdir(f"{queue}/pdq"),
        lambda: os.listdir(f"{queue}/tmp"),
        lambda: content(queue, name),
        lambda: os.unlink(f"{queue}/pdq/{name}"),
        lambda: os.rename(f"{queue}/pdq/{name}", f"{queue}/pdq/{name}x"),
        lambda: os.stat(f"{queue}/suc/{name}"),
    ):
        with pytest.raises(PermissionError):
            as_nobody(forbidden)


@pytest.mark.parametrize("step_ns", [0, -1000, -86_400 * 10**9, 86_400 * 10**9])
def test_names_keep_the_order_of_submits_when_the_clock_steps(queue, as_nobody, step_ns):
    times = [NOW_NS, NOW_NS + step_ns, NOW_NS + step_ns + 1000, NOW_NS + 10**9]

    names = [as_nobody(lambda t=t: submit(queue, clock=lambda: t)) for t in times]

    assert names == sorted(set(names))


def test_a_draft_that_clean_up_took_as_the_clock_jumped_is_written_again(queue):
    swept = []

    def clock():
        if os.listdir(f"{queue}/tmp") and not any(swept):
            swept.append(housekeeping.sweep(queue, 60, now=time.time() + 3600).tmp)
        return NOW_NS

    name = submit(queue, clock=clock)

    assert swept == [1]
    assert files(queue) == only(name)
    assert content(queue, name) == BODY
    assert ledger.queued_bytes(queue) == len(BODY)


def test_no_existing_file_is_replaced(queue):
    os.unlink(f"{queue}/ledger")
    taken = [layout.name(NOW_NS // 1000, KEY)]
    for name in taken:
        for state in ("tmp", "pdq"):
            with open(f"{queue}/{state}/{name}", "w") as file:
                file.write("mine")
    clock = iter([NOW_NS, NOW_NS, NOW_NS, NOW_NS + 5000])

    name = submit(queue, clock=lambda: next(clock))

    assert name == layout.name(NOW_NS // 1000 + 5, KEY)
    assert content(queue, taken[0]) == b"mine"
    assert files(queue) == {**NOTHING, "tmp": taken, "pdq": [*taken, name]}


def test_a_program_may_submit_as_often_as_it_likes(queue, tmp_path, as_nobody):
    os.mkfifo(tmp_path / "wake")
    reader = os.open(tmp_path / "wake", os.O_RDONLY | os.O_NONBLOCK)
    before = set(os.listdir("/proc/self/fd"))

    submit(queue, wake_fifo=str(tmp_path / "wake"))
    as_nobody(lambda: submit(queue))

    assert set(os.listdir("/proc/self/fd")) <= before
    os.close(reader)


@pytest.mark.parametrize("state", ["tmp", "pdq"])
def test_a_hundred_taken_names_are_an_error(queue, state):
    os.unlink(f"{queue}/ledger")
    for tick in range(100):
        with open(f"{queue}/{state}/{layout.name(NOW_NS // 1000 + tick, KEY)}", "w"):
            pass
    before = files(queue)

    with pytest.raises(SubmitError, match=r"Can't write to .*File exists"):
        submit(queue, clock=lambda: NOW_NS)

    assert files(queue) == before


def test_the_daemon_is_woken_by_one_byte(queue, tmp_path):
    fifo = str(tmp_path / "wake")
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)

    submit(queue, wake_fifo=fifo)

    assert os.read(reader, 10) == b"\n"
    os.close(reader)


def full_fifo(path):
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    os.write(writer, b"\n" * (1 << 20))
    with pytest.raises(BlockingIOError):
        os.write(writer, b"\n")
    return reader, writer


@pytest.mark.parametrize("make", [lambda path: None, os.mkfifo, os.mkdir, full_fifo])
def test_an_event_is_accepted_whether_or_not_a_daemon_listens(queue, tmp_path, make):
    opened = make(tmp_path / "wake")

    name = submit(queue, wake_fifo=str(tmp_path / "wake"))

    assert files(queue) == only(name)
    for fd in opened or ():
        os.close(fd)


def refusal(queue, **more):
    with pytest.raises(SubmitError) as refused:
        submit(queue, **more)
    assert "\n" not in str(refused.value)
    return refused.value


@pytest.mark.parametrize("state", ["tmp", "pdq"])
def test_a_missing_directory_is_named(queue, state):
    os.rmdir(f"{queue}/{state}")

    error = refusal(queue)

    assert str(error) == (
        f"Event not queued: Can't find directory {queue}/{state};"
        " start pdagent once or reinstall it (No such file or directory)"
    )
    assert error.exit_code == COULD_NOT
    assert not any(files_left(queue))


def files_left(queue):
    return [names for _, _, names in os.walk(queue) if names and names != ["ledger"]]


def test_a_missing_queue_is_named(tmp_path):
    error = refusal(str(tmp_path / "outqueue"))

    assert f"Can't find directory {tmp_path}/outqueue; start pdagent" in str(error)


@pytest.mark.parametrize("state", ["tmp", "pdq"])
def test_a_directory_one_may_not_write_is_named_in_the_words_of_1_x(queue, as_nobody, state):
    os.chmod(f"{queue}/{state}", 0o750)

    with pytest.raises(SubmitError) as refused:
        as_nobody(lambda: submit(queue))

    assert f"Can't write to directory {queue}/{state}, please check permissions" in str(
        refused.value
    )
    assert files(queue) == NOTHING


@pytest.mark.parametrize("state", ["tmp", "pdq"])
def test_a_file_in_place_of_a_directory_is_an_error(queue, state):
    os.rmdir(f"{queue}/{state}")
    with open(f"{queue}/{state}", "w"):
        pass

    assert "Not a directory" in str(refusal(queue))


def test_a_file_size_limit_leaves_nothing_of_the_event(queue):
    code = (
        "import resource, signal, sys; from pdagent.outqueue import inbox\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "limits = inbox.Limits(1 << 30, 0)\n"
        "try: inbox.submit(sys.argv[1], 'k' * 32, b'x' * 5000, limits=limits)\n"
        "except inbox.SubmitError as error: print(error.exit_code, error)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, queue], capture_output=True, text=True, cwd="agent"
    )

    assert done.stdout == (
        "1 Event not queued: The file size limit is too small (see ulimit -f) (File too large)\n"
    )
    assert done.stderr == ""
    assert files(queue) == NOTHING


SMALL = Limits(max_queue_bytes=1000, min_free_bytes=0)


def test_a_full_queue_is_refused_to_all(queue, as_nobody):
    submit(queue, body=b"x" * 900)

    error = refusal(queue, body=b"x" * 101, limits=SMALL)
    with pytest.raises(SubmitError) as refused:
        as_nobody(lambda: submit(queue, body=b"x" * 101, limits=SMALL))

    assert str(error) == str(refused.value)
    assert re.search("already .max_queue_mb.; see pd-doctor why nothing is sent", str(error))
    assert error.exit_code == refused.value.exit_code == REFUSED
    assert len(files(queue)["pdq"]) == 1
    assert submit(queue, body=b"x" * 100, limits=SMALL)


def test_who_can_count_is_not_misled_by_a_forged_ledger_and_sets_it_right(queue, as_nobody):
    as_nobody(lambda: ledger.correct(queue, 10**12))

    submit(queue, limits=SMALL)

    assert ledger.queued_bytes(queue) == len(BODY)


def state(tmp_path, text, age_secs=0):
    path = tmp_path / "state.json"
    path.write_text(text)
    written = os.stat(path).st_mtime - age_secs
    os.utime(path, (written, written))
    return str(path)


def test_others_believe_the_daemons_count_before_a_forged_ledger(queue, tmp_path, as_nobody):
    as_nobody(lambda: ledger.correct(queue, 10**12))
    told = state(tmp_path, '{"send_interval_secs": 10, "pending": {"bytes": 900}}')
    limits = Limits(1000, 0, told)

    assert as_nobody(lambda: submit(queue, body=b"x" * 100, limits=limits))
    with pytest.raises(SubmitError, match="max_queue_mb"):
        as_nobody(lambda: submit(queue, body=b"x" * 101, limits=limits))


@pytest.mark.parametrize(
    ("text", "age_secs"),
    [
        ('{"send_interval_secs": 10, "pending": {"bytes": 0}}', 40),
        ('{"send_interval_secs": 10, "pending": {"bytes": "few"}}', 0),
        ('{"send_interval_secs": 10, "pending": {}}', 0),
        ('{"pending": {"bytes": 0}}', 0),
        ("[]", 0),
        ("{", 0),
    ],
    ids=["stale", "text", "no bytes", "no interval", "list", "broken"],
)
def test_a_stale_or_broken_state_file_confirms_nothing(queue, tmp_path, as_nobody, text, age_secs):
    ledger.correct(queue, 1000)
    limits = Limits(1000, 0, state(tmp_path, text, age_secs))

    with pytest.raises(SubmitError, match="max_queue_mb"):
        as_nobody(lambda: submit(queue, limits=limits))


def test_a_failed_submit_gives_its_bytes_back(queue):
    os.rmdir(f"{queue}/pdq")

    refusal(queue)

    assert ledger.queued_bytes(queue) == 0
