from __future__ import annotations

import hashlib
import hmac
import re

import pyarrow as pa
import pytest

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.pipeline.sources.pseudonyms import Pseudonymiser

KEY = bytes(range(32))


def test_a_pseudonym_is_the_key_s_id_and_half_of_the_hmac_of_purpose_and_value():
    expected = hmac.new(KEY, "patient\0São 77".encode(), hashlib.sha256).hexdigest()[:32]

    found = Pseudonymiser("2026a", KEY).encode(pa.array(["São 77"]), "patient")

    assert found.to_pylist() == [f"2026a.{expected}"]


def test_equal_values_stay_equal_and_null_stays_null():
    first, nothing, second, other = (
        Pseudonymiser("k", KEY).encode(pa.array(["1", None, "1", "2"]), "patient").to_pylist()
    )

    assert nothing is None
    assert first == second != other


def test_another_purpose_or_key_gives_another_pseudonym():
    values = pa.array(["9001"])
    found = {
        Pseudonymiser("k", key).encode(values, purpose)[0].as_py()
        for key in (KEY, KEY[::-1])
        for purpose in ("encounter", "patient", "event")
    }

    assert len(found) == 6


def test_a_key_longer_than_the_hash_s_block_is_a_key_of_its_own():
    found = {Pseudonymiser("k", b"x" * size).encode(pa.array(["1"]), "patient")[0].as_py() for size in (64, 65, 200)}

    assert len(found) == 3


@pytest.mark.parametrize(
    "values",
    [
        pa.chunked_array([["1", None], ["1", "2"]]),
        pa.array(["0", "1", None, "1", "2"]).slice(1),
        pa.chunked_array([pa.array([], pa.string()), pa.array(["1", None, "1", "2"])]),
    ],
)
def test_chunks_and_slices_are_encoded_like_plain_values(values):
    pseudonymiser = Pseudonymiser("k", KEY)

    found = pseudonymiser.encode(values, "patient")

    assert found.equals(pseudonymiser.encode(pa.array(["1", None, "1", "2"]), "patient"))


def test_nothing_is_encoded_to_nothing():
    assert Pseudonymiser("k", KEY).encode(pa.array([], pa.string()), "patient").to_pylist() == []
    assert Pseudonymiser("k", KEY).encode(pa.chunked_array([], pa.string()), "patient").to_pylist() == []
    assert Pseudonymiser("k", KEY).encode(pa.nulls(2, pa.string()), "patient").to_pylist() == [None, None]


def test_the_key_is_not_shown():
    shown = repr(Pseudonymiser("2026a", b"secret"))

    assert shown == "Pseudonymiser(key_id='2026a')"
    assert not re.search("secret", shown)


@pytest.mark.parametrize(("key_id", "key"), [("k", b""), ("", KEY)])
def test_an_empty_key_is_refused(key_id, key):
    with pytest.raises(ConfigError, match="is empty or has no id"):
        Pseudonymiser(key_id, key)
