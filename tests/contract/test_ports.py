from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime

import pytest

from fakes import MemoryObjects, MemoryRaw, MemorySecrets, VirtualTime
from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.local_raw import LocalRaw
from healthcare_ops.adapters.local_secrets import LocalSecrets
from healthcare_ops.core.clock import AsOfClock, Clock, SystemClock
from healthcare_ops.core.errors import ConfigError, DataError, NotFoundError
from healthcare_ops.ports import Delivery, ObjectStore, RawStore, SecretStore

CLOCK = AsOfClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
DAY = date(2026, 3, 1)


@pytest.fixture(params=["memory", "folder"])
def objects(request, tmp_path) -> ObjectStore:
    return MemoryObjects() if request.param == "memory" else LocalObjects(tmp_path / "objects")


@pytest.fixture(params=["memory", "folder"])
def secrets(request, tmp_path) -> SecretStore:
    return MemorySecrets(CLOCK) if request.param == "memory" else LocalSecrets(tmp_path / "secrets", CLOCK)


@pytest.fixture(params=["memory", "folder"])
def raw(request, tmp_path) -> RawStore:
    return MemoryRaw() if request.param == "memory" else LocalRaw(tmp_path / "raw")


@pytest.fixture(params=["virtual", "as of", "system"])
def clock(request) -> Clock:
    return {"virtual": VirtualTime(), "as of": CLOCK, "system": SystemClock()}[request.param]


@pytest.fixture
def delivered(tmp_path):
    """Return a function that lays down a file as a supplier would."""

    def write(content: bytes, name: str = "visits.csv"):
        (tmp_path / "inbox").mkdir(exist_ok=True)
        path = tmp_path / "inbox" / name
        path.write_bytes(content)
        return path

    return write


def test_a_stored_report_reads_back_byte_for_byte(objects):
    report = bytes(range(256))

    objects.write("reports/dt=2026-03-01/a.json", report)

    assert objects.read("reports/dt=2026-03-01/a.json") == report


def test_an_empty_object_is_an_object(objects):
    objects.write("empty", b"")

    assert objects.exists("empty")
    assert objects.read("empty") == b""


def test_a_second_write_replaces_the_report(objects):
    objects.write("reports/a.json", b"the first and longer one")

    objects.write("reports/a.json", b"second")

    assert objects.read("reports/a.json") == b"second"
    assert objects.list("") == ["reports/a.json"]


def test_an_object_nobody_wrote_does_not_exist(objects):
    objects.write("reports/a.json", b"{}")

    assert not objects.exists("reports/b.json")
    with pytest.raises(NotFoundError, match=r"there is no object 'reports/b\.json'\. Next: Check the name\."):
        objects.read("reports/b.json")


def test_the_start_of_a_key_is_not_an_object(objects):
    objects.write("reports/a.json", b"{}")

    assert not objects.exists("reports")
    with pytest.raises(NotFoundError):
        objects.read("reports")


def test_nothing_lies_beneath_an_object(objects):
    objects.write("reports/a.json", b"{}")

    assert not objects.exists("reports/a.json/b")
    with pytest.raises(NotFoundError):
        objects.read("reports/a.json/b")


def test_keys_are_listed_in_the_order_of_their_names(objects):
    for key in ("runs/b.json", "runs/a/z.json", "runs/B.json", "runs/10.json", "runs/9.json"):
        objects.write(key, b"{}")

    assert objects.list("runs/") == ["runs/10.json", "runs/9.json", "runs/B.json", "runs/a/z.json", "runs/b.json"]


@pytest.mark.parametrize(
    ("prefix", "keys"),
    [
        ("", ["models/m", "reports/dt=2026-02-28/a", "reports/dt=2026-03-01/a", "reports2/a"]),
        ("reports/", ["reports/dt=2026-02-28/a", "reports/dt=2026-03-01/a"]),
        ("reports", ["reports/dt=2026-02-28/a", "reports/dt=2026-03-01/a", "reports2/a"]),
        ("reports/dt=2026-03", ["reports/dt=2026-03-01/a"]),
        ("reports/dt=2026-03-01/a", ["reports/dt=2026-03-01/a"]),
        ("incidents/", []),
    ],
)
def test_a_prefix_lists_the_keys_that_start_with_it(objects, prefix, keys):
    for key in ("reports2/a", "reports/dt=2026-03-01/a", "models/m", "reports/dt=2026-02-28/a"):
        objects.write(key, b"{}")

    assert objects.list(prefix) == keys


@pytest.mark.parametrize(
    "key",
    [
        "",
        ".",
        "..",
        "/etc/passwd",
        "../out",
        "a/../../out",
        "a/./b",
        "a//b",
        "a/",
        "/",
        r"a\b",
        r"..\out",
        "a\0b",
        ".lock",
    ],
)
@pytest.mark.parametrize("use", ["read", "write", "exists", "path"])
def test_a_key_that_leaves_the_store_or_has_two_spellings_is_refused(objects, key, use):
    arguments = (key, b"{}") if use == "write" else (key,)

    with pytest.raises(ConfigError, match="is not a plain relative name"):
        getattr(objects, use)(*arguments)

    assert objects.list("") == []


@pytest.mark.parametrize("prefix", ["../", "/", "a/../../"])
def test_a_prefix_that_leaves_the_store_is_refused(objects, prefix):
    with pytest.raises(ConfigError, match="is not a plain relative name"):
        objects.list(prefix)


def test_the_path_of_an_object_ends_with_its_key(objects):
    assert objects.path("reports/a.json").endswith("/reports/a.json")


def test_a_secret_reads_back_byte_for_byte(secrets):
    secrets.put("pseudonymisation", bytes(range(256)))

    assert secrets.get("pseudonymisation") == bytes(range(256))


def test_a_secret_that_was_put_again_has_its_new_value(secrets):
    secrets.put("smtp", b"old")

    secrets.put("smtp", b"new")

    assert secrets.get("smtp") == b"new"
    assert secrets.names() == ["smtp"]


def test_secrets_keep_apart(secrets):
    secrets.put("smtp", b"one")
    secrets.put("llm", b"")

    assert secrets.names() == ["llm", "smtp"]
    assert (secrets.get("smtp"), secrets.get("llm")) == (b"one", b"")


def test_a_new_store_has_no_secrets(secrets):
    assert secrets.names() == []


def test_a_secret_that_is_not_set_stops_at_the_door(secrets):
    with pytest.raises(ConfigError, match=r"secret 'smtp' is not set\. Next: Run `hops init`\."):
        secrets.get("smtp")


def test_a_secret_was_set_when_it_was_put_last(secrets):
    secrets.put("smtp", b"old")
    secrets.put("smtp", b"new")

    assert secrets.set_at("smtp") == CLOCK.now()


def test_a_secret_that_is_not_set_has_no_age(secrets):
    with pytest.raises(ConfigError, match="secret 'smtp' is not set"):
        secrets.set_at("smtp")


def test_a_secret_is_not_seen_in_the_printed_store(secrets):
    secrets.put("smtp", b"correct horse")

    assert "correct horse" not in repr(secrets) + str(secrets)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_a_feed_that_delivered_nothing_has_no_deliveries(raw):
    assert raw.deliveries("ed") == []


def test_deliveries_are_numbered_within_their_feed_from_1(raw, delivered):
    file = delivered(b"x")

    landed = [raw.land(feed, file, sha256(b"x"), DAY) for feed in ("ed", "icu", "ed")]

    assert landed == [
        Delivery("ed", 1, "visits.csv", sha256(b"x"), DAY),
        Delivery("icu", 1, "visits.csv", sha256(b"x"), DAY),
        Delivery("ed", 2, "visits.csv", sha256(b"x"), DAY),
    ]
    assert [delivery.batch_id for delivery in landed] == ["ed-000001", "icu-000001", "ed-000002"]


def test_deliveries_are_listed_in_the_order_of_their_numbers(raw, delivered):
    days = [date(2026, 3, 1 + number % 3) for number in range(12)]  # not the order of their days

    landed = [raw.land("ed", delivered(bytes([n])), sha256(bytes([n])), day) for n, day in enumerate(days)]

    assert raw.deliveries("ed") == landed
    assert [delivery.delivery_seq for delivery in landed] == list(range(1, 13))
    assert raw.deliveries("icu") == []


@pytest.mark.parametrize(
    "name", ["visits.csv", "visitas de março (1).csv.gz", "delivery.json", "000001.json", ".hidden"]
)
def test_a_delivery_opens_byte_for_byte_under_the_name_it_came_with(raw, delivered, name):
    content = bytes(range(256)) * 100
    delivery = raw.land("ed", delivered(content, name), sha256(content), DAY)

    with raw.open(delivery) as path:
        opened = (path.name, path.read_bytes())

    assert opened == (name, content)
    assert raw.deliveries("ed") == [delivery]


def test_a_delivery_stays_as_it_was_when_its_file_changes_or_comes_again(raw, delivered):
    first = raw.land("ed", delivered(b"first"), sha256(b"first"), DAY)
    second = raw.land("ed", delivered(b"second"), sha256(b"second"), DAY)
    delivered(b"third").unlink()

    kept = []
    for delivery in (first, second):
        with raw.open(delivery) as path:
            kept.append(path.read_bytes())

    assert kept == [b"first", b"second"]


def test_a_file_that_is_no_longer_the_one_of_its_hash_is_not_delivered(raw, delivered):
    with pytest.raises(DataError, match=r"visits.csv changed while it was read"):
        raw.land("ed", delivered(b"half and more"), sha256(b"half"), DAY)

    assert raw.deliveries("ed") == []


def test_a_clock_tells_the_present_in_utc(clock):
    now = clock.now()

    assert now.utcoffset().total_seconds() == 0
    assert clock.now() >= now
