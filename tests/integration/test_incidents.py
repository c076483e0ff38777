"""What becomes of incidents over days: a state directory with records of runs, its alarms, and a virtual clock."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from healthcare_ops.adapters.local_incidents import INCIDENTS_FOLDER
from healthcare_ops.adapters.local_metrics import METRICS_FOLDER, LocalMetrics
from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.state_lock import NO_PATIENCE, lock_state
from healthcare_ops.core.clock import VirtualClock
from healthcare_ops.core.config import SITE_FILE
from healthcare_ops.core.emf import Measured, emf_line
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.runs import SUCCEEDED, AttemptRecord, Failure, RunRecord, StateRecord
from healthcare_ops.incidents.diagnosis import Action
from healthcare_ops.jobs.audit_log import entries
from healthcare_ops.operations.alarms import Alarms
from healthcare_ops.operations.incidents import Incidents
from healthcare_ops.operations.remedies import Given, Remedies, begin, decision_of, require_given
from hospital import SITE

MONDAY = datetime(2026, 3, 2, 7, tzinfo=UTC)
BY = {"by": "Ana", "reason": "on call", "patience": NO_PATIENCE}
NETWORK = Failure("TransientError", "Network", "the connection failed.", error_class="transient")
DENIED = Failure("ConfigError", "AccessDenied", "/srv/raw: Permission denied.")


@dataclass
class AskedEngine:
    """An engine that notes what it is asked for, and does none of it."""

    clock: VirtualClock
    asked: list = field(default_factory=list)
    at_work: str = ""

    def now(self):
        return self.clock.now()

    def running(self, run_type):
        return self.at_work

    def redrive(self, run_id):
        self.asked.append(("redrive", run_id))

    def start(self, run_type, run_date=None, **more):
        self.asked.append(("start", run_type))
        return f"{run_type}-of-the-test"


@dataclass
class House:
    """A state directory whose runs end as the test says, looked at every minute."""

    state: Path
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(MONDAY))

    def __post_init__(self):
        (self.state / SITE_FILE).write_text(SITE)
        self.incidents = Incidents(self.state, self.clock)
        self.alarms = Alarms(self.state)
        self.engine = AskedEngine(self.clock)
        self.remedies = Remedies(self.state, self.incidents, self.engine)

    def run_ends(self, failure=None, state="RunBronzeIngest", run_type="daily"):
        """Keep the record of a run that ended just now, and have its end counted."""
        at = self.clock.now().isoformat()
        status = "FAILED" if failure else SUCCEEDED
        attempts = [AttemptRecord(at, at, "States.TaskFailed" if failure else None, failure=failure)]
        record = RunRecord(f"{run_type}-{self.clock.now():%Y%m%dT%H%M%SZ}", run_type, "2026-03-01", at, as_of=at)
        record.status, record.ended_at = status, at
        record.states = [StateRecord(state, at, at, attempts)]
        LocalObjects(self.state).write(record.key, record.to_json())
        self.measure(*record.measured())
        return record.run_id

    def measure(self, *measured):
        LocalMetrics(self.state / METRICS_FOLDER).write([emf_line(one) for one in measured])

    def late(self, feed_id, minutes):
        self.measure(Measured(self.clock.now(), {"FeedId": feed_id}, {"FeedLateMin": minutes}))

    def after(self, **time):
        """Let time go by, and look at its end and in each of its first minutes; return what was told of which."""
        left = int(timedelta(**time) / timedelta(minutes=1))
        steps = [1] * min(left, 8) + ([left - 8] if left > 8 else [])
        return [told for minutes in steps for told in self._look_after(minutes)]

    def _look_after(self, minutes):
        self.clock.sleep(minutes * 60)
        self.measure(Measured(self.clock.now() - timedelta(seconds=1), {}, {"EvaluatorBeat": 1}))
        self.alarms.judge(self.clock.now())
        return [(told["what"], told["incident"]) for told in self.incidents.look()]

    def acts_after(self, **time):
        """Let time go by with the platform acting; return what it asked of its engine."""
        asked = len(self.engine.asked)
        for _ in range(int(timedelta(**time) / timedelta(minutes=1))):
            self._look_after(1)
            list(self.remedies(self.clock.now(), {}))
        return self.engine.asked[asked:]

    @property
    def audited(self):
        return [(one.who, one.action, one.details.get("action")) for one in entries(LocalObjects(self.state))]

    @property
    def all(self):
        return {one.incident_id: one for one in Incidents(self.state, self.clock).read()}


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_a_run_that_fails_opens_one_incident_though_it_is_looked_at_every_minute(house):
    run_id = house.run_ends(NETWORK)

    told = [house.after(minutes=1) for _ in range(3)]

    ((name, incident),) = house.all.items()
    assert told == [[("opened", name)], [], []]
    assert name.startswith("INC-01-20260302-")
    assert (incident.state, incident.severity, incident.run_ids) == ("open", "critical", [run_id])


def test_runs_that_fail_of_one_root_are_one_incident(house):
    runs = [house.run_ends(NETWORK) for _ in range(3) if not house.after(minutes=1)[1:]]
    house.after(minutes=1)

    (incident,) = house.all.values()
    assert incident.run_ids == runs
    assert incident.events[-1].event == "diagnosed"


def test_runs_that_fail_of_two_roots_are_two_incidents_though_the_alarm_rings_once(house):
    house.run_ends(NETWORK)
    house.after(minutes=1)
    house.run_ends(DENIED)
    house.after(minutes=1)

    faults = {one.diagnosis["root"]["fault"] for one in house.all.values()}
    assert faults == {"transient", "access_denied"}
    assert len(house.all) == 2


def test_when_a_run_succeeds_the_incident_is_mitigated_and_settles_itself_after_a_day(house):
    house.run_ends(NETWORK)
    house.after(minutes=1)
    house.run_ends()

    told = [house.after(minutes=10), house.after(hours=23), house.after(hours=2)]

    (name,) = house.all
    assert told == [[("mitigated", name)], [], [("resolved", name)]]
    assert house.all[name].events[-1].by == "hops"


def test_what_only_people_can_mend_stays_mitigated_until_somebody_settles_it(house):
    house.run_ends(DENIED)
    house.after(minutes=1)
    house.run_ends()
    house.after(minutes=10)

    house.after(days=3)

    (incident,) = house.all.values()
    assert incident.state == "mitigated"


def test_the_same_root_within_a_week_is_the_same_incident_again(house):
    house.run_ends(DENIED)
    house.after(minutes=1)
    (name,) = house.all
    house.run_ends()
    house.after(minutes=10)
    house.incidents.resolve(name, **BY)
    house.clock.sleep(3 * 86400)

    house.run_ends(DENIED)

    assert house.after(minutes=1) == [("reopened", name)]
    assert house.all[name].state == "reopened"


def test_the_same_root_after_a_week_is_another_incident(house):
    house.run_ends(DENIED)
    house.after(minutes=1)
    (name,) = house.all
    house.run_ends()
    house.after(minutes=10)
    house.incidents.resolve(name, **BY)
    house.clock.sleep(8 * 86400)

    house.run_ends(DENIED)
    house.after(minutes=1)

    assert len(house.all) == 2


def test_an_incident_that_somebody_settled_rests_while_nothing_new_happens_and_no_longer(house):
    house.run_ends(DENIED)
    house.after(minutes=1)
    (name,) = house.all
    house.incidents.resolve(name, **BY)

    rests = [house.after(minutes=1) for _ in range(3)]
    house.run_ends(DENIED)

    assert rests == [[], [], []]
    assert house.after(minutes=1) == [("reopened", name)]


def test_an_alarm_that_rings_again_takes_back_that_the_incident_was_mitigated(house):
    house.run_ends(DENIED)
    house.after(minutes=1)
    (name,) = house.all
    house.incidents.acknowledge(name, **BY)
    house.run_ends()
    house.after(minutes=10)
    house.run_ends(DENIED)

    house.after(minutes=10)

    assert house.all[name].state == "acknowledged"


@pytest.mark.parametrize("lines", [1, 2])
def test_what_a_crash_kept_from_being_told_is_told_with_the_next_look(house, lines):
    house.run_ends(NETWORK)
    house.after(minutes=1)
    (path,) = (house.state / INCIDENTS_FOLDER).glob("*.jsonl")
    whole = path.read_text().splitlines(keepends=True)
    path.write_text("".join(whole[:lines]) + whole[lines][:40])

    told = house.after(minutes=1)

    (incident,) = house.all.values()
    assert told == []
    assert [one.event for one in incident.events] == ["opened", "symptom", "diagnosed"]


def test_a_damaged_line_is_named(house):
    house.run_ends(NETWORK)
    house.after(minutes=1)
    (path,) = (house.state / INCIDENTS_FOLDER).glob("*.jsonl")
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text(first + '{"at": "yesterday"}\n' + "".join(rest))

    with pytest.raises(ConfigError, match=r"jsonl, line 2"):
        house.after(minutes=1)


def test_the_evidence_holds_the_newest_runs_and_names_the_report_in_place_of_quoting_it(house):
    runs = [house.run_ends(NETWORK) for _ in range(7) if not house.clock.sleep(60)]
    house.after(minutes=1)

    (incident,) = house.all.values()
    assert [one["run_id"] for one in incident.evidence["failed_runs"]] == runs[-5:]
    assert incident.run_ids == runs
    assert json.dumps(incident.evidence["unchecked"])


def test_while_nothing_rings_nothing_is_gathered(house):
    house.run_ends()
    house.after(minutes=1)
    (house.state / SITE_FILE).unlink()  # to gather, it would be read

    assert house.after(minutes=1) == []


# What the platform does by itself


def test_what_passes_is_tried_again_ever_more_rarely_and_no_more_than_three_times(house):
    run_id = house.run_ends(NETWORK)

    first, second, third, later = (house.acts_after(minutes=minutes) for minutes in (9, 10, 25, 24 * 60))

    again = [("redrive", run_id)]
    assert (first, second, third, later) == (again, again, again, [])
    assert house.audited == [("hops", "incidents.act", "redrive")] * 3
    (incident,) = house.all.values()
    assert [(one.by, one.outcome) for one in incident.taken] == [("hops", "begun"), ("hops", "started")] * 3


def test_what_only_people_can_mend_is_left_to_them(house):
    house.run_ends(DENIED)

    assert house.acts_after(hours=3) == []
    assert house.audited == []


def test_nothing_is_done_while_a_run_of_its_type_is_at_work(house):
    house.run_ends(NETWORK)
    house.engine.at_work = "daily-20260302T080000Z"

    assert house.acts_after(minutes=20) == []


def test_nothing_is_done_that_cannot_be_written_down_and_it_is_done_as_soon_as_it_can(house):
    run_id = house.run_ends(NETWORK)
    with lock_state(house.state):
        held = house.acts_after(minutes=9)

    assert held == []
    assert house.acts_after(minutes=1) == [("redrive", run_id)]


def test_an_action_that_fails_is_told_with_its_reason(house):
    house.run_ends(NETWORK)

    def refuse(run_id):
        raise ConfigError("its steps are not kept any more.")

    house.engine.redrive = refuse
    house.acts_after(minutes=9)

    (incident,) = house.all.values()
    assert [(one.outcome, one.detail) for one in incident.taken] == [("begun", ""), ("failed", "Config")]


# What a person approves


def test_an_approval_of_evidence_that_has_changed_is_refused_until_somebody_looked_again(house):
    house.run_ends(NETWORK)
    house.after(minutes=1)
    (name,) = house.all
    house.clock.sleep(60)
    newest = house.run_ends(NETWORK)

    with pytest.raises(ConfigError, match="has changed since it was diagnosed"):
        house.incidents.approve(name, "redrive", newest, **BY)
    incident, diagnosis, action = house.incidents.approve(name, "redrive", newest, **BY)

    assert action.parameters == {"run_id": newest}
    assert decision_of(house.incidents, incident, diagnosis, action, house.clock.now()).verdict == "act"


def test_an_approval_is_used_up_by_the_action_that_it_allowed(house):
    run_id = house.run_ends(DENIED)
    house.after(minutes=1)
    (name,) = house.all
    incident, diagnosis, action = house.incidents.approve(name, "redrive", run_id, **BY)

    begin(
        house.state,
        house.incidents,
        incident,
        action,
        decision_of(house.incidents, incident, diagnosis, action, house.clock.now()),
    )

    assert decision_of(house.incidents, house.all[name], diagnosis, action, house.clock.now()).verdict == "ask"


@pytest.mark.parametrize(
    ("action", "given", "next_step"),
    [
        ("promote", Given(), "Give --version."),
        ("release", Given(version="flow-1"), "Give --batch."),
        ("change_rule", Given("flow-1", "visits-000001"), "Run `hops dq rules adopt`."),
    ],
)
def test_what_is_not_said_enough_of_is_refused_before_it_is_approved(action, given, next_step):
    with pytest.raises(ConfigError) as caught:
        require_given(given, Action(action, {}, "hops dq rules adopt", is_automatic=False))

    assert caught.value.next_step == next_step


def test_an_action_that_is_refused_leaves_no_approval(house):
    run_id = house.run_ends(DENIED)
    house.after(minutes=1)
    (name,) = house.all

    def refuse(action):
        raise ConfigError(f"not {action.name}")

    with pytest.raises(ConfigError, match="not redrive"):
        house.incidents.approve(name, "redrive", run_id, **BY, check=refuse)

    assert house.audited == []


# What is silent


def test_two_feeds_that_are_silent_are_two_incidents(house):
    house.late("visits", 30)
    house.late("beds", 5)
    house.after(minutes=1)

    assert len(house.all) == 2


def test_an_approval_that_only_the_incident_s_file_tells_of_allows_nothing(house):
    house.run_ends(DENIED)
    house.after(minutes=1)
    (name,) = house.all
    incident = house.all[name]
    diagnosis, _ = house.incidents.diagnosis_of(incident)
    action = next(one for one in diagnosis.actions if one.name == "redrive")
    facts = {"action": action.name, "parameters": dict(action.parameters), "evidence_hash": diagnosis.evidence_hash}

    house.incidents.note(incident, [house.incidents.event("approved", by="Ana", reason="forged", **facts)])

    decision = decision_of(house.incidents, house.all[name], diagnosis, action, house.clock.now())
    assert decision.verdict == "ask"


def test_an_incident_shows_the_run_that_fails_now_and_no_other_is_approved_in_its_place(house):
    house.run_ends(DENIED)
    house.after(minutes=1)
    (name,) = house.all
    house.clock.sleep(60)
    newest = house.run_ends(DENIED)

    with pytest.raises(ConfigError, match="has changed since it was diagnosed"):
        house.incidents.approve(name, "redrive", newest, **BY)

    shown = [one["parameters"] for one in house.all[name].diagnosis["actions"] if one["name"] == "redrive"]
    assert {"run_id": newest} in shown
