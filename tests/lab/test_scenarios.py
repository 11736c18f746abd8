"""Slices cover every scenario, each in exactly one part."""

from __future__ import annotations

import pytest

from lab import scenarios


@pytest.mark.parametrize("total", [1, 2, 3, 8, 20])
def test_slices_share_out_every_scenario_once(total):
    names = scenarios.names()
    parts = [scenarios.part(names, f"{number}/{total}") for number in range(1, total + 1)]
    assert sorted(name for part in parts for name in part) == sorted(names)


@pytest.mark.parametrize("fraction", ["0/2", "3/2", "1", "a/b", "1/2/3"])
def test_slice_that_makes_no_sense_is_refused(fraction):
    with pytest.raises(ValueError):  # noqa: PT011  (which of its forms does not matter)
        scenarios.part(scenarios.names(), fraction)
