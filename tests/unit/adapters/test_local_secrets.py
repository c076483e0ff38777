from __future__ import annotations

import base64
import json
import stat
import threading
import traceback
from datetime import UTC, datetime

import pytest

from healthcare_ops.adapters.local_secrets import LocalSecrets
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.errors import ConfigError

CLOCK = AsOfClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
VALUE = b"correct horse battery staple"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "secrets"


@pytest.fixture
def secrets(folder):
    return LocalSecrets(folder, CLOCK)


def entries_of(folder):
    return json.loads((folder / "store.json").read_text())


def rewrite(folder, entries):
    (folder / "store.json").write_text(json.dumps(entries))


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_can_read_key_store_and_folder(secrets, folder):
    secrets.put("smtp", VALUE)

    modes = [mode_of(path) for path in (folder, folder / "key", folder / "store.json")]

    assert modes == [0o700, 0o600, 0o600]


def test_a_folder_that_stood_open_is_closed_before_the_key_lies_in_it(secrets, folder):
    folder.mkdir(mode=0o755)

    secrets.put("smtp", VALUE)

    assert mode_of(folder) == 0o700


def test_the_store_holds_no_value_in_the_clear(secrets, folder):
    secrets.put("smtp", VALUE)

    assert VALUE not in (folder / "store.json").read_bytes()


def test_equal_values_look_different_in_the_store(secrets, folder):
    secrets.put("one", VALUE)
    secrets.put("two", VALUE)

    entries = entries_of(folder)

    assert entries["one"]["sealed"] != entries["two"]["sealed"]


def test_a_secret_knows_when_it_was_set(folder):
    LocalSecrets(folder, CLOCK).put("smtp", b"old")
    LocalSecrets(folder, CLOCK).put("llm", b"other")

    LocalSecrets(folder, AsOfClock(datetime(2026, 6, 1, tzinfo=UTC))).put("smtp", b"new")

    set_at = {name: entry["created_at"] for name, entry in entries_of(folder).items()}
    assert set_at == {"smtp": "2026-06-01T00:00:00+00:00", "llm": "2026-03-01T12:00:00+00:00"}


def test_the_next_process_reads_what_the_last_one_stored(secrets, folder):
    secrets.put("smtp", VALUE)

    assert LocalSecrets(folder, CLOCK).get("smtp") == VALUE


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_others_can_read_is_refused(secrets, folder, mode):
    secrets.put("smtp", VALUE)
    (folder / "key").chmod(mode)

    with pytest.raises(ConfigError, match=rf"has mode {mode:04o}: others can read it.*`chmod 600 .*key`"):
        secrets.get("smtp")


@pytest.mark.parametrize("byte", [0, 12, -1], ids=["nonce", "ciphertext", "tag"])
def test_a_secret_with_one_bit_altered_does_not_open(secrets, folder, byte):
    secrets.put("smtp", VALUE)
    sealed = bytearray(base64.b64decode(entries_of(folder)["smtp"]["sealed"]))
    sealed[byte] ^= 1
    rewrite(folder, {"smtp": {"sealed": base64.b64encode(sealed).decode()}})

    with pytest.raises(ConfigError, match="does not open: wrong key or altered file"):
        secrets.get("smtp")


def test_one_secret_cannot_pose_as_another(secrets, folder):
    secrets.put("guest", b"guest password")
    secrets.put("admin", b"admin password")
    entries = entries_of(folder)
    rewrite(folder, entries | {"guest": entries["admin"]})

    with pytest.raises(ConfigError, match=r"secret 'guest' .* does not open"):
        secrets.get("guest")


def test_the_key_of_another_hospital_opens_nothing(secrets, folder, tmp_path):
    secrets.put("smtp", VALUE)
    LocalSecrets(tmp_path / "other", CLOCK).put("smtp", VALUE)

    (tmp_path / "other" / "key").replace(folder / "key")

    with pytest.raises(ConfigError, match="does not open: wrong key"):
        secrets.get("smtp")


@pytest.mark.parametrize("entry", [{}, {"sealed": ""}, {"sealed": "not base64!"}, {"sealed": 7}, "text", []])
def test_an_entry_of_another_shape_does_not_open(secrets, folder, entry):
    secrets.put("smtp", VALUE)
    rewrite(folder, {"smtp": entry})

    with pytest.raises(ConfigError, match="does not open"):
        secrets.get("smtp")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_file_that_is_no_store_is_named(secrets, folder, content):
    secrets.put("smtp", VALUE)
    (folder / "store.json").write_bytes(content)

    with pytest.raises(ConfigError, match=r"store\.json is not a secret store"):
        secrets.names()


def test_a_lost_key_is_not_replaced_by_a_new_one(secrets, folder):
    secrets.put("smtp", VALUE)
    (folder / "key").unlink()

    with pytest.raises(ConfigError, match=r"key is missing, and .*store\.json needs it"):
        secrets.put("llm", b"other")

    assert not (folder / "key").exists()


def test_a_key_of_the_wrong_length_is_refused(secrets, folder):
    secrets.put("smtp", VALUE)
    (folder / "key").write_bytes(b"k" * 16)

    with pytest.raises(ConfigError, match="is not a 256-bit key"):
        secrets.get("smtp")


def test_no_value_is_seen_in_what_the_store_says_of_itself_or_of_a_failure(secrets, folder):
    secrets.put("smtp", VALUE)
    key = (folder / "key").read_bytes()
    entries = entries_of(folder)
    rewrite(folder, {"llm": entries["smtp"]})

    with pytest.raises(ConfigError) as failure:
        secrets.get("llm")

    said = "".join(traceback.format_exception(failure.value)) + repr(secrets) + repr(vars(secrets))
    assert VALUE.decode() not in said
    assert repr(key) not in said
    assert key.hex() not in said


def test_processes_that_start_together_agree_on_one_key(folder):
    start = threading.Barrier(8)
    names = [f"secret-{number}" for number in range(8)]
    keys = []

    def begin(name):
        store = LocalSecrets(folder, CLOCK)
        start.wait()
        store.put(name, VALUE)
        keys.append((folder / "key").read_bytes())

    threads = [threading.Thread(target=begin, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["key", "store.json"]
