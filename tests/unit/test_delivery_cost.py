"""What one event costs beside a backlog: promise 9, counted in calls, not in seconds."""

from __future__ import annotations

import sys

from pdagent.delivery import Delivery
from pdagent.verdict import ACCEPTED, Verdict

KEY = "k" * 32


class Name(str):
    """A file name that counts how often it is compared for order."""

    comparisons = 0

    def __lt__(self, other: str) -> bool:
        Name.comparisons += 1
        return super().__lt__(other)


def cost_of_an_event(backlog: int) -> tuple[int, int]:
    """Count calls, and comparisons of names, while one event arrives and one goes out."""
    *old, new = [Name(f"{number:016d}_{KEY}.txt") for number in range(backlog + 1)]
    delivery = Delivery(60, 60, jitter=lambda: 0.0)
    delivery.arrived({KEY: old}, 0.0)
    calls = Name.comparisons = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        delivery.arrived({KEY: [new]}, 0.0)
        job = delivery.take(0.0)
        assert job is not None
        delivery.settle(job, Verdict(ACCEPTED), 0.0)
        delivery.release(job, 0.0)
    finally:
        sys.setprofile(None)
    return calls, Name.comparisons


def test_an_event_costs_the_same_whatever_the_backlog() -> None:
    assert cost_of_an_event(backlog=20_000) == cost_of_an_event(backlog=200)
