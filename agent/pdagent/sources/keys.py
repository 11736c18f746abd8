"""Incident keys made of host and check names, which may be longer than the Events API takes."""

from __future__ import annotations

from pdagent.event import MAX_DEDUP_KEY

_DIGEST_LENGTH = 32


def fit(key: str) -> str:
    """Return `key`, its end replaced by a digest of the whole where it is too long.

    Problem and recovery get the same key, so the alert still finds its end.
    """
    if len(key) <= MAX_DEDUP_KEY:
        return key
    from hashlib import sha256

    digest = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
    return key[: MAX_DEDUP_KEY - _DIGEST_LENGTH - 1] + "~" + digest
