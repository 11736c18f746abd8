"""How checks rest on each other: order, blame, time limits."""

import threading
import time

from pdagent.doctor.catalogue import GROUPS, all_checks
from pdagent.doctor.check import (
    CHAPTERS,
    FAIL,
    OK,
    SKIP,
    WARN,
    Check,
    Finding,
    ok,
    run_checks,
    with_needs,
)


def check(id_, answer=None, **rules):
    found = answer if isinstance(answer, Finding) else ok("fine")
    run = answer if callable(answer) else lambda _context, _results: found
    return Check(id=id_, group="network", question="?", guide="dns", run=run, **rules)


def run(*checks, limit=5.0, offline=False):
    results = run_checks(checks, None, limit=limit, offline=offline)
    return {result.id: result.finding for result in results}


BROKEN = Finding(FAIL, "broken", expected="whole", fix="mend", command="mend")


def test_results_keep_the_order_of_the_checks():
    slow = check("slow", lambda *_: time.sleep(0.05) or ok("late"))
    assert list(run(slow, check("fast"))) == ["slow", "fast"]


def test_a_check_is_skipped_when_what_it_needs_failed():
    found = run(check("dns", BROKEN), check("tcp", needs=("dns",)))
    assert (found["tcp"].status, found["tcp"].cause) == (SKIP, "dns")


def test_a_skip_names_the_root_and_not_its_neighbour():
    found = run(check("dns", BROKEN), check("tcp", needs=("dns",)), check("tls", needs=("tcp",)))
    assert found["tls"].cause == "dns"


def test_a_skip_that_has_no_cause_blocks_nothing():
    found = run(check("proxy", Finding(SKIP, "no proxy")), check("tls", needs=("proxy",)))
    assert found["tls"].status == OK


def test_a_failure_that_follows_from_another_is_not_red():
    found = run(check("queue", BROKEN, follows=("tcp",)), check("tcp", BROKEN))
    assert (found["queue"].status, found["queue"].cause) == (SKIP, "tcp")
    assert found["queue"].summary == "broken"


def test_what_needs_a_check_that_follows_blames_the_root():
    found = run(
        check("clock", BROKEN, after=("tls",)),
        check("tls", BROKEN, follows=("clock",)),
        check("api", needs=("tls",)),
    )
    assert [one.cause for one in found.values()] == ["", "clock", "clock"]


def test_a_warning_is_never_turned_into_a_skip():
    found = run(check("queue", Finding(WARN, "old"), follows=("tcp",)), check("tcp", BROKEN))
    assert found["queue"].status == WARN


def test_a_check_sees_what_it_waited_for():
    def second(_context, results):
        return ok(results["first"].summary)

    assert (
        run(check("first"), check("second", second, after=("first",)))["second"].summary == "fine"
    )


def test_independent_checks_run_at_the_same_time():
    meeting = threading.Barrier(2, timeout=5)

    def meet(_context, _results):
        meeting.wait()
        return ok("met")

    assert {one.summary for one in run(check("a", meet), check("b", meet)).values()} == {"met"}


def test_a_check_that_hangs_fails_at_its_own_limit_and_holds_nobody_else():
    hang = threading.Event()
    found = run(check("hangs", lambda *_: hang.wait() and ok(""), limit=0.2), check("other"))
    hang.set()
    assert (found["hangs"].status, found["other"].status) == (FAIL, OK)
    assert "no answer" in found["hangs"].summary


def test_a_check_that_is_cut_by_the_limit_of_the_whole_run_is_not_blamed():
    hang = threading.Event()
    found = run(check("hangs", lambda *_: hang.wait() and ok(""), limit=60), limit=0.2)
    hang.set()
    assert found["hangs"].status == WARN


def test_a_broken_check_is_a_warning_and_no_traceback():
    def breaks(_context, _results):
        raise ValueError("oops")

    found = run(check("breaks", breaks), check("other"))
    assert (found["breaks"].status, found["other"].status) == (WARN, OK)


def test_missing_rights_are_a_skip_that_says_sudo():
    def forbidden(_context, _results):
        raise PermissionError(13, "Permission denied", "/secret")

    found = run(check("forbidden", forbidden))["forbidden"]
    assert (found.status, found.cause) == (SKIP, "")
    assert found.summary == "no access to /secret: run with sudo"


def test_offline_skips_what_asks_the_network():
    found = run(check("dns", BROKEN, network=True), check("disk"), offline=True)
    assert (found["dns"].status, found["disk"].status) == (SKIP, OK)


def test_wanting_one_check_brings_all_that_it_rests_on():
    chosen = with_needs(["net.tcp"], all_checks())
    assert {"net.tcp", "net.dns", "net.route"} <= {one.id for one in chosen}


def test_every_rule_names_a_check_that_exists():
    ids = {one.id for one in all_checks()}
    assert [
        (one.id, name)
        for one in all_checks()
        for name in one.needs + one.after + one.follows
        if name not in ids
    ] == []


def test_no_check_waits_for_itself():
    waits = {one.id: set(one.needs + one.after) for one in all_checks()}
    while waits:
        free = {id_ for id_, names in waits.items() if not names & waits.keys()}
        assert free, f"a circle among {sorted(waits)}"
        waits = {id_: names for id_, names in waits.items() if id_ not in free}


def test_every_check_has_its_own_id_a_group_and_a_chapter_of_the_guide():
    checks = all_checks()
    assert len({one.id for one in checks}) == len(checks)
    assert {one.group for one in checks} <= GROUPS.keys()
    assert {one.guide for one in checks} <= CHAPTERS.keys()
