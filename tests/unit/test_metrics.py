"""The OpenMetrics text for node_exporter's textfile collector."""

from __future__ import annotations

from typing import Any

from pdagent.metrics import BUCKETS, Latency, render

STATE: dict[str, Any] = {
    "version": "2.0.0",
    "held": False,
    "pending": {"count": 3, "bytes": 4096},
    "network": {"up": True},
    "heartbeat": {"last_error": None},
    "counters": {
        "sent": 10,
        "refused": 1,
        "quarantined": 2,
        "set_aside": 4,
        "retried": {"http_503": 5, "dns": 6},
    },
}


def samples(text: str) -> dict[str, float]:
    """Name with labels -> value, as a scraper reads them."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_all_figures_are_there() -> None:
    found = samples(render(STATE, throttled=2, oldest_age=61.5, latency=Latency()))
    assert found["pdagent_pending_events"] == 3
    assert found["pdagent_pending_bytes"] == 4096
    assert found["pdagent_oldest_pending_age_seconds"] == 61.5
    assert found["pdagent_throttled_lanes"] == 2
    assert found["pdagent_network_up"] == 1
    assert found["pdagent_heartbeat_ok"] == 1
    assert found['pdagent_events_total{outcome="sent"}'] == 10
    assert found['pdagent_events_total{outcome="quarantined"}'] == 2
    assert found['pdagent_retries_total{reason="dns"}'] == 6
    assert found['pdagent_build_info{version="2.0.0"}'] == 1


def test_the_text_ends_as_openmetrics_wants() -> None:
    text = render(STATE, 0, 0, Latency())
    assert text.endswith("\n# EOF\n")
    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))
    for name in samples(text):
        assert any(name.startswith(family) for family in families)


def test_the_histogram_is_cumulative() -> None:
    latency = Latency()
    for seconds in (0.004, 0.01, 0.3, 7200, -5):
        latency.observe(seconds)
    found = samples("\n".join(latency.lines("x")))
    assert found['x_bucket{le="0.01"}'] == 3
    assert found['x_bucket{le="0.25"}'] == 3
    assert found['x_bucket{le="0.5"}'] == 4
    assert found['x_bucket{le="3600.0"}'] == 4
    assert found['x_bucket{le="+Inf"}'] == found["x_count"] == 5
    assert found["x_sum"] == 7200.314
    assert len(found) == len(BUCKETS) + 3
