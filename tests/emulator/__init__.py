"""PagerDuty on the desk: an emulator of the Events API and the agent's heartbeat.

Run it alone with ``python -m tests.emulator --help``; from tests use the
``emulator`` fixture (fixtures.py) or the client (client.py). It needs nothing but
Python 3.9 or later.
"""
