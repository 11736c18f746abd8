"""From a monitoring tool's words to an Event: pure functions, one file a tool."""
