"""PagerDuty Agent: carries events from monitoring tools to PagerDuty.

The public surface for custom integrations is `submit`, `Event` and the errors they raise::

    import pdagent
    pdagent.submit(pdagent.Event.v2(KEY, "trigger", summary="disk full", source="db7"))

Everything else may change between releases.
"""

__version__ = "2.0.0"

_PUBLIC = {
    "Event": "pdagent.event",
    "EventError": "pdagent.event",
    "SettingsError": "pdagent.settings",
    "SubmitError": "pdagent.outqueue.inbox",
    "submit": "pdagent.submission",
}
__all__ = ["Event", "EventError", "SettingsError", "SubmitError", "__version__", "submit"]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: commands need few of them."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PUBLIC[name]), name)
