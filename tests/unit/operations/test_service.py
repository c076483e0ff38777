from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.core.clock import VirtualClock
from healthcare_ops.core.errors import ConfigError, LockedError
from healthcare_ops.core.runs import RunRecord
from healthcare_ops.operations.schedules import Schedule
from healthcare_ops.operations.service import TALLIES_KEY, Service

UTC_ZONE = ZoneInfo("UTC")
SCHEDULES = [
    Schedule("daily", UTC_ZONE, time(4), catches_up=True),
    Schedule("weekly_train", UTC_ZONE, time(5), weekday=6),
    Schedule("inference", UTC_ZONE),
]
SUNDAY = datetime(2026, 3, 1, 0, 1, tzinfo=UTC)
KEEP = timedelta(days=30)


@dataclass
class Durable:
    """Which runs are at work, as `adapters.durable` tells it."""

    at_work: set[str] = field(default_factory=set)

    known: set[str] = field(default_factory=set)

    def live(self):
        return set(self.at_work)

    def knows(self, run_id):
        return run_id in self.known

    def require_alone(self):
        pass


@dataclass
class FakeEngine:
    """Begins runs and leaves them at work until the test says that they end."""

    objects: LocalObjects
    clock: VirtualClock
    durable: Durable = field(default_factory=Durable)
    started: list[tuple[str, str]] = field(default_factory=list)
    expired: int = 0
    left: set[str] = field(default_factory=set)

    def now(self):
        return self.clock.now()

    def running(self, run_type):
        return next((run for run in self.durable.at_work if run.startswith(f"{run_type}-")), "")

    def start(self, run_type, run_date, *, as_of, run_id, trigger):
        if run_id in {run for run, _ in self.started}:
            return run_id
        if self.running(run_type):
            raise LockedError("a run of the same type is at work.")
        assert trigger == "schedule"
        self.started.append((run_id, run_date.isoformat()))
        self.durable.at_work.add(run_id)
        self.durable.known.add(run_id)
        return run_id

    def end(self, run_id, status="SUCCEEDED"):
        now = self.now().isoformat()
        record = RunRecord(run_id, run_id.partition("-")[0], "", now, status=status, ended_at=now)
        self.objects.write(record.key, record.to_json())
        self.durable.at_work.discard(run_id)

    def end_all(self):
        for run_id in self.durable.live():
            self.end(run_id)

    def take_up_left(self):
        taken, self.left = sorted(self.left), set()
        self.durable.at_work.update(taken)
        return taken

    def expire(self, keep):
        assert keep == KEEP
        self.expired += 1


@pytest.fixture
def engine(tmp_path):
    return FakeEngine(LocalObjects(tmp_path), VirtualClock(SUNDAY))


@pytest.fixture
def told():
    return []


@pytest.fixture
def service(engine, told):
    return Service(engine, SCHEDULES, KEEP, told.append)


def go_on(service, engine, *, until, every=timedelta(minutes=1), ends=True):
    while engine.now() < until:
        engine.clock.sleep(every.total_seconds())
        service.step()
        if ends:
            engine.end_all()


def test_a_day_has_its_ticks_its_daily_run_and_on_a_sunday_its_training_each_once(service, engine):
    go_on(service, engine, until=SUNDAY + timedelta(days=1))

    runs = [run for run, _ in engine.started]
    ticks = [run for run in runs if run.startswith("inference")]
    assert len(runs) == len(set(runs))
    assert ticks == [f"inference-{SUNDAY + timedelta(minutes=14 + 15 * n):%Y%m%dT%H%M%SZ}" for n in range(96)]
    assert [run for run in engine.started if run[0] not in ticks] == [
        ("daily-20260301T040000Z", "2026-02-28"),
        ("weekly_train-20260301T050000Z", "2026-02-28"),
    ]
    assert [(name, tally.started, tally.skipped, tally.missed) for name, tally in service.tallies.items()] == [
        ("daily", 1, 0, 0),
        ("weekly_train", 1, 0, 0),
        ("inference", 96, 0, 0),
    ]


def test_a_tick_that_takes_two_quarters_costs_the_one_between_and_that_is_told(service, engine, told):
    go_on(service, engine, until=SUNDAY + timedelta(minutes=35), ends=False)
    engine.end_all()
    go_on(service, engine, until=SUNDAY + timedelta(minutes=45))

    assert [run for run, _ in engine.started] == ["inference-20260301T001500Z", "inference-20260301T004500Z"]
    assert service.tallies["inference"].skipped == 1
    assert [event["event"] for event in told] == ["started", "skipped", "ended", "started", "ended"]


def test_a_stop_of_three_days_costs_its_ticks_and_no_daily_run(engine, told):
    go_on(Service(engine, SCHEDULES, KEEP, told.append), engine, until=SUNDAY + timedelta(hours=1))
    engine.clock.sleep(timedelta(days=3).total_seconds())
    begun_before = len(engine.started)

    later = Service(engine, SCHEDULES, KEEP, told.append)
    go_on(later, engine, until=engine.now() + timedelta(minutes=5))

    assert engine.started[begun_before:] == [
        ("daily-20260301T040000Z", "2026-02-28"),
        ("weekly_train-20260301T050000Z", "2026-02-28"),
        ("inference-20260304T010000Z", "2026-03-04"),
        ("daily-20260302T040000Z", "2026-03-01"),
        ("daily-20260303T040000Z", "2026-03-02"),
    ]
    assert later.tallies["inference"].missed == 3 * 96 - 1


def test_what_was_decided_before_a_crash_is_begun_after_it_and_once(engine, told):
    Service(engine, SCHEDULES, KEEP, told.append)
    tally = {"until": "2026-03-01T00:15:00+00:00", "starting": True, "last_run": "inference-20260301T001500Z"}
    engine.objects.write(TALLIES_KEY, json.dumps({"inference": tally}).encode())
    engine.clock.move_to(SUNDAY + timedelta(minutes=16))

    after = Service(engine, SCHEDULES, KEEP, told.append)
    after.step()

    assert engine.started == [("inference-20260301T001500Z", "2026-03-01")]
    assert (after.tallies["inference"].started, after.tallies["inference"].starting) == (1, False)


def test_before_its_first_start_nothing_was_missed(engine, told):
    engine.clock.sleep(timedelta(days=40).total_seconds())

    service = Service(engine, SCHEDULES, KEEP, told.append)
    service.step()

    assert engine.started == []


def test_old_runs_are_removed_once_a_day(service, engine):
    go_on(service, engine, until=SUNDAY + timedelta(days=2), every=timedelta(hours=1))

    assert engine.expired == 3  # 1, 2 and 3 March


def test_a_replay_decides_from_its_own_time_on_and_keeps_nothing(engine, told):
    stored = {"inference": {"until": "2030-01-01T00:00:00+00:00"}}
    engine.objects.write(TALLIES_KEY, json.dumps(stored).encode())
    replay = Service(engine, SCHEDULES, KEEP, told.append, is_replay=True)

    go_on(replay, engine, until=SUNDAY + timedelta(minutes=15))

    assert [run for run, _ in engine.started] == ["inference-20260301T001500Z"]
    assert json.loads(engine.objects.read(TALLIES_KEY)) == stored


def test_a_schedule_that_was_kept_to_while_the_clock_was_a_year_ahead_goes_on_when_that_is_set_right(engine, told):
    engine.clock.sleep(timedelta(days=365).total_seconds())
    go_on(Service(engine, SCHEDULES, KEEP, told.append), engine, until=engine.now() + timedelta(days=2))
    engine.clock, engine.started = VirtualClock(SUNDAY), []
    go_on(Service(engine, SCHEDULES, KEEP, told.append), engine, until=SUNDAY + timedelta(days=1))

    assert len([run for run, _ in engine.started if run.startswith("inference")]) == 96
    assert ("daily-20260301T040000Z", "2026-02-28") in engine.started


def test_a_clock_that_is_set_back_by_a_minute_costs_no_tick_and_doubles_none(service, engine):
    go_on(service, engine, until=SUNDAY + timedelta(minutes=14))
    engine.clock = VirtualClock(engine.now() - timedelta(minutes=1))
    go_on(service, engine, until=SUNDAY + timedelta(minutes=29))

    assert [run for run, _ in engine.started] == ["inference-20260301T001500Z", "inference-20260301T003000Z"]


@pytest.mark.parametrize("text", ["{", "[]", '{"daily": {}}', '{"daily": {"until": "2026-03-01T00:00:00"}}', "\0"])
def test_what_does_not_tell_of_the_schedules_is_named_with_what_to_do_about_it(engine, told, text):
    engine.objects.write(TALLIES_KEY, text.encode())

    with pytest.raises(ConfigError, match=TALLIES_KEY) as raised:
        Service(engine, SCHEDULES, KEEP, told.append)

    assert "Take the file away" in raised.value.next_step


def test_what_only_another_release_counts_is_left_out_of_the_tallies(engine, told):
    known = {"until": SUNDAY.isoformat(), "skipped": 3, "postponed": 1}
    engine.objects.write(TALLIES_KEY, json.dumps({"daily": known}).encode())

    assert Service(engine, SCHEDULES, KEEP, told.append).tallies["daily"].skipped == 3


@pytest.mark.parametrize("damage", ["removed", "cut short"])
def test_a_record_that_somebody_removed_or_damaged_does_not_end_the_platform(service, engine, told, damage):
    go_on(service, engine, until=SUNDAY + timedelta(minutes=15), ends=False)
    engine.end_all()
    key = "ops/runs/inference-20260301T001500Z.json"
    engine.objects.delete(key) if damage == "removed" else engine.objects.write(key, b"{")
    go_on(service, engine, until=SUNDAY + timedelta(minutes=31))

    assert [event["event"] for event in told] == ["started", "lost", "started", "ended"]


def test_a_quarter_of_an_hour_that_ends_in_a_crash_is_made_good(engine, told):
    Service(engine, SCHEDULES, KEEP, told.append)  # and nothing is due before it is gone
    engine.clock.sleep(timedelta(minutes=20).total_seconds())

    Service(engine, SCHEDULES, KEEP, told.append).step()

    assert engine.started == [("inference-20260301T001500Z", "2026-03-01")]


def test_a_replay_that_remembers_makes_good_what_was_missed_by_the_time_it_tells(engine, told):
    engine.objects.write(TALLIES_KEY, json.dumps({"weekly_train": {"until": "2026-02-22T05:00:00+00:00"}}).encode())
    engine.clock.move_to(SUNDAY + timedelta(days=1))

    Service(engine, SCHEDULES, KEEP, told.append, is_replay=True, remembers=True).step()

    assert ("weekly_train-20260301T050000Z", "2026-02-28") in engine.started


def test_who_only_serves_starts_nothing_that_is_due_and_tells_of_what_ended(service, engine, told):
    service.step()
    engine.clock.move_to(SUNDAY + timedelta(days=1))

    service.serve()

    assert engine.started == []


def test_a_replay_removes_no_run(engine, told):
    go_on(Service(engine, SCHEDULES, KEEP, told.append, is_replay=True), engine, until=SUNDAY + timedelta(hours=1))

    assert engine.expired == 0


def test_a_run_of_an_instant_that_was_begun_before_is_neither_begun_nor_counted(engine, told):
    engine.durable.known.add("inference-20260301T001500Z")
    replay = Service(engine, SCHEDULES, KEEP, told.append, is_replay=True)

    go_on(replay, engine, until=SUNDAY + timedelta(minutes=15))

    assert (engine.started, told, replay.tallies["inference"].started) == ([], [], 0)


def test_what_cannot_be_written_down_is_told_once_and_done_when_it_can(service, engine, told, monkeypatch):
    write = engine.objects.write

    def full(key, data):
        raise OSError(28, "No space left on device", key)

    monkeypatch.setattr(LocalObjects, "write", lambda self, key, data: full(key, data))
    go_on(service, engine, until=SUNDAY + timedelta(minutes=17), ends=False)
    monkeypatch.setattr(LocalObjects, "write", lambda self, key, data: write(key, data))
    go_on(service, engine, until=SUNDAY + timedelta(minutes=20))

    assert [event["event"] for event in told] == ["trouble", "started", "ended"]
    assert engine.started == [("inference-20260301T001500Z", "2026-03-01")]


def test_a_run_that_was_left_unfinished_is_taken_up_within_a_minute_and_its_end_is_told(service, engine, told):
    engine.left.add("daily-left")
    go_on(service, engine, until=SUNDAY + timedelta(minutes=2))
    service.step()

    assert [(event["event"], event["run_id"]) for event in told] == [("ended", "daily-left")]


def test_the_platform_is_looked_at_every_minute_and_whenever_a_run_has_ended(engine, told):
    looks = []

    def look(now, tallies):
        looks.append((now - SUNDAY, tallies["inference"].started))
        return [{"event": "alarm"}]

    service = Service(engine, SCHEDULES, KEEP, told.append, looks={"watching": look})
    go_on(service, engine, until=SUNDAY + timedelta(seconds=90), every=timedelta(seconds=10), ends=False)
    before = len(looks)
    go_on(service, engine, until=SUNDAY + timedelta(minutes=14, seconds=10), every=timedelta(seconds=10), ends=False)
    engine.end_all()
    service.step()

    assert looks[:before] == [(timedelta(seconds=10), 0), (timedelta(seconds=70), 0)]
    assert looks[-1] == (timedelta(minutes=14, seconds=10), 1)
    assert told.count({"event": "alarm"}) == len(looks)


def test_a_look_that_fails_is_told_once_and_keeps_no_run_from_its_start(engine, told):
    def look(now, tallies):
        raise ConfigError("feeds/visits.toml is not valid TOML.")

    service = Service(engine, SCHEDULES, KEEP, told.append, looks={"watching": look})
    go_on(service, engine, until=SUNDAY + timedelta(minutes=20))

    troubles = [event for event in told if event["event"] == "trouble"]
    assert troubles == [{"event": "trouble", "what": "watching", "cause": "feeds/visits.toml is not valid TOML."}]
    assert len(engine.started) == 1
