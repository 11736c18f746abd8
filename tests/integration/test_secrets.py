"""Who reads the log or the state learns neither a key nor what an event says: promise 13."""

from __future__ import annotations

import pytest

from pdagent.event import Event
from pdagent.outqueue import layout
from tests.emulator.fixtures import RunningEmulator
from tests.host import Host

SENT, REFUSED, THROTTLED, POISON, STRANGE = KEYS = [f"{letter * 28}0001" for letter in "abcde"]
SECRET = "the-patient-is-called-meier"


def trigger(key: str) -> Event:
    return Event.v1(key, "trigger", description=f"d {SECRET}", details={"who": SECRET})


@pytest.fixture
def told(host: Host, emulator: RunningEmulator) -> dict[str, str]:
    """What a daemon tells, at its most talkative, of events that met every fate."""
    metrics = host.directory / "metrics.prom"
    host.configure(metrics_file=metrics, retry_limit_for_possible_errors=2)
    for key, status in ((REFUSED, 400), (THROTTLED, 429), (POISON, 500)):
        emulator.fault("status", status=status, times=None, match={"key": key})
    for key in (SENT, REFUSED, THROTTLED, POISON):
        host.put(trigger(key))
    (host.outqueue / "pdq" / layout.name(0, STRANGE)).write_text(SECRET)
    host.start()
    host.until(lambda: (len(host.events("suc")), len(host.events("err"))) == (1, 3))
    host.run("pd-queue", "hold", "-k", SENT)
    host.until(lambda: host.state()["held_keys"])
    state = (host.directory / "run" / "state.json").read_text()
    host.stop()
    return {"log": host.log(), "state": state, "metrics": metrics.read_text()}


def test_keys_are_masked_and_details_absent(told: dict[str, str]) -> None:
    secrets = (*KEYS, SECRET)
    assert [(where, one) for where, text in told.items() for one in secrets if one in text] == []
