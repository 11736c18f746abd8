"""The queue on disk: layout (names and modes), inbox (submit) and outbox (the daemon's side)."""
