"""Benchmarks: how fast, how small, how quiet; ratios of things measured in the same run.

``python -m tests.bench --help``
"""
