"""The encoder writes what json writes; that is its whole contract."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pdagent.jsontext import clean, encode

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_bytes_are_those_of_json_compact_sorted_and_ascii(value):
    assert encode(value) == json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def test_tuples_are_lists():
    assert encode({"a": (1, 2)}) == b'{"a":[1,2]}'


@given(st.binary())
def test_any_argument_becomes_unicode_of_the_same_length(raw):
    text = raw.decode("utf-8", "surrogateescape")

    cleaned = clean(text)

    assert len(cleaned) == len(text)
    assert cleaned.encode().decode() == cleaned


@given(st.text())
def test_text_that_is_unicode_already_stays_as_it_is(text):
    assert clean(text) == text
