"""What a run has to say about the host it leaves, and when it says nothing."""

from __future__ import annotations

import pytest

from tests.role.conftest import FLEET
from tests.role.playbook import Run
from tests.role.testbed import Testbed

HOST = FLEET[0]
KEY = "pl4ntedintegrationkey".ljust(32, "0")
TEST_EVENT = {"pdagent_test_event": True, "pdagent_integration_key": KEY}
DEAD_PROXY = {"pdagent_proxy": {"https_proxy": "http://127.0.0.1:9"}}


@pytest.fixture(scope="module")
def first(testbed: Testbed) -> Run:
    testbed.renew(*FLEET)
    run = testbed.rollout(*FLEET)
    assert run.code == 0, run.output
    return run


@pytest.fixture(scope="module")
def well(first: Run, testbed: Testbed) -> Testbed:
    return testbed


def test_files_are_shown_only_when_a_diff_is_asked_for(first):
    assert "+++ after" not in first.output


def test_unhealthy_host_is_not_asked_when_verification_is_off(well):
    off = ("-e", "pdagent_verify=false")  # as a person types it, which makes it a text
    run = well.rollout(*FLEET, options=off, **DEAD_PROXY)
    assert run.code == 0, run.output
    assert run.words.count("not asked") == len(FLEET)
    assert "Verify |" not in run.output


def test_failed_check_that_is_tolerated_does_not_fail_the_host(well):
    found = well.rollout(HOST, **DEAD_PROXY)
    assert found.code != 0
    run = well.rollout(HOST, **DEAD_PROXY, pdagent_verify_tolerate=["proxy.tcp"])
    assert run.code == 0, run.output
    assert f"{HOST} well" in run.words


def test_event_that_pagerduty_refuses_fails_the_host(well):
    well.emulator.fault("status", times=None, match={"key": KEY}, status=400)
    try:
        run = well.rollout(HOST, options=("-vvv", "--diff"), **TEST_EVENT)
    finally:
        well.emulator.clear_faults()
    assert run.code != 0
    assert f"{HOST}: pd-doctor found event.test" in run.words
    assert "PagerDuty refused the test event's trigger" in run.words
    assert "pl4nted" not in run.output


def test_event_that_pagerduty_does_not_take_in_time_fails_the_host(well):
    well.emulator.fault("status", times=None, match={"key": KEY}, status=503)
    try:
        run = well.rollout(HOST, **TEST_EVENT)
    finally:
        well.emulator.clear_faults()
    assert run.code != 0
    assert f"{HOST}: pd-doctor found event.test" in run.words


def test_bundle_replaces_the_trust_of_the_system(well, tmp_path):
    """The system trusts the emulator's CA; a bundle without it does not."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text(well.shell(HOST, "cat /etc/ssl/certs/ISRG_Root_X1.pem"))
    run = well.rollout(HOST, pdagent_ca_bundle=str(bundle))
    assert run.code != 0
    assert f"{HOST}: pd-doctor found net.tls" in run.words
    assert well.rollout(HOST).code == 0


def test_finding_fits_a_terminal_and_says_what_to_do(well):
    run = well.rollout(HOST, **DEAD_PROXY)
    shown = run.output.split("Verify | Show what is wrong]")[1].split("TASK")[0]
    assert max(map(len, shown.splitlines())) <= 80, shown
    for label in ("seen:", "expected:", "fix:", "command:"):
        assert label in shown
