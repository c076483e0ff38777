"""INC-01: a run that fails, for each class of fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from healthcare_ops.operations.drills.control import DrilledPlatform
from healthcare_ops.operations.drills.hospital import CAMPUSES, Delivered
from healthcare_ops.operations.drills.injectors import (
    LAUNCHER,
    AtState,
    CatalogHeld,
    Denied,
    WorkersAtFault,
    cut_short,
    rename_column,
    spoil_bytes,
    why_nothing_is_denied,
)
from healthcare_ops.operations.drills.record import Broken, Step
from healthcare_ops.operations.drills.same import ALL_TABLES, exported
from healthcare_ops.operations.drills.scene import (
    PERIOD,
    Document,
    Scene,
    attempts_at,
    diagnosed,
    reasons_at,
    required,
    run_of,
)

_JOBS = {
    "RunBronzeIngest": "ingest_bronze",
    "RunBronzeToSilver": "bronze_to_silver",
    "RunDQ": "dq_check",
    "RunSilverToGold": "silver_to_gold",
    "BuildFeatures": "build_features",
    "BatchPredict": "batch_predict",
    "MonitorModels": "monitor_models",
}
_AFTER_MIN = timedelta(minutes=12)
_CLEAN = "night"


def _due(scene: Scene) -> datetime:
    return scene.hospital.local(scene.hospital.monday + timedelta(days=1), "04:30")


def _night_files(scene: Scene) -> list[Delivered]:
    """Return what comes in the night and no tick has taken in, so that the daily run has something to do."""
    night = scene.hospital.moments["night"]
    files = scene.hospital.delivered_between(night - timedelta(minutes=20), night)
    if len({file.campus for file in files}) != len(CAMPUSES):
        raise Broken("nothing is delivered in the night")
    return files


def prepare(scene: Scene) -> list[Delivered]:
    """Put the hospital back to the night, with a delivery in raw that the daily run will take in."""
    scene.hospital.restore("night")
    files = _night_files(scene)
    scene.hospital.land(files)
    return files


def reference(scene: Scene) -> None:
    """Keep what the lake holds after a clean run, unless that is known."""
    if _CLEAN in scene.references:
        return
    scene.progress("a clean run to compare with")
    prepare(scene)
    due = _due(scene)
    with DrilledPlatform(scene.hospital.state, scene.hospital.moments["night"]) as platform:
        platform.advance(due + _AFTER_MIN)
        if run_of(platform, "daily", due)["status"] != "SUCCEEDED":
            raise Broken("the clean run did not succeed")
    scene.references[_CLEAN] = exported(scene.hospital.state, scene.hospital.folder / "reference", ALL_TABLES)


def _lake(scene: Scene) -> Any:
    return exported(scene.hospital.state, scene.hospital.folder / "found", ALL_TABLES)


def transient_twice(scene: Scene) -> None:
    """01a: the catalog is taken for the first two attempts of a state; the third one succeeds, and nobody is called."""
    reference(scene)
    due, state = _due(scene), scene.luck.choice(list(_JOBS))
    with scene.step("inject") as step:
        prepare(scene)
        held = CatalogHeld(scene.hospital.state)
        platform = DrilledPlatform(scene.hospital.state, scene.hospital.moments["night"])
        platform.start()
        scene.quiet(step, platform)
        waits: list[float] = []

        def heard(event: Any) -> None:
            if event["event"] == "wait":
                waits.append(event["seconds"])
                # The third attempt begins when the second wait, twice as long as the first of 30 s, is over.
                if sum(waits) >= 90:
                    held.let_go()

        platform.hooks += [AtState(state, lambda event: held.hold()), heard]
        scene.record.injected = {"what": "the lake's catalog is in use", "state": state, "attempts": 2}
    try:
        with scene.step("detect", platform) as step:
            platform.advance(due + _AFTER_MIN)
            run = run_of(platform, "daily", due)
            reasons = reasons_at(run, state)
            step.facts |= {"run_id": run["run_id"], "reasons": reasons}
            step.check("two attempts failed of what was injected", reasons == ["Locked", "Locked"], reasons)
        with scene.step("alarm", platform) as step:
            rang = [one["alarm"] for one in scene.changes(platform) if one["state"] == "ALARM" and _is_since(one, due)]
            step.check("nobody is called", not rang, ", ".join(rang))
        with scene.step("diagnose", platform) as step:
            failed = [one["failure"] for one in attempts_at(run, state) if one["failure"]]
            classes = {one["error_class"] for one in failed}
            step.check("each failure is told as transient", classes == {"transient"}, classes)
            others = [one["name"] for one in run["states"] if one["name"] != state and reasons_at(run, one["name"])]
            step.check("no other state failed", not others, others)
            step.check("no incident is opened", not scene.new_incidents(platform))
        with scene.step("remediate", platform) as step:
            step.check("the run succeeded by itself", run["status"] == "SUCCEEDED", run["status"])
            step.check("with the third attempt", len(attempts_at(run, state)) == 3, len(attempts_at(run, state)))
        with scene.step("verify", platform) as step:
            scene.is_over(step, platform, [])
            platform.close()
            scene.is_same(step, _CLEAN, _lake(scene), due)
    finally:
        held.let_go()
        platform.close()


def _is_since(change: Document, instant: datetime) -> bool:
    return datetime.fromisoformat(change["at"]) >= instant


def timeout_then_redrive(scene: Scene) -> None:
    """01b: the process of a job hangs at each attempt of a state; what made it hang goes, and a redrive succeeds."""
    state = scene.luck.choice(list(_JOBS))

    def arrange(platform: DrilledPlatform) -> Callable[[], None]:
        hang = WorkersAtFault(platform, "hang", attempts=3)
        platform.hooks += [AtState(state, lambda event: hang.begin()), hang.heard]
        return lambda: None

    scene.record.injected = {"what": "the process of the job hangs", "state": state, "attempts": 3}
    failure = _Failure(
        state,
        ["Timeout"] * 3,
        lambda root: (root["fault"], root["place"]) == ("timeout", _JOBS[state]),
        f"a timeout of {_JOBS[state]}",
    )
    _fails(scene, failure, arrange)


def process_killed(scene: Scene) -> None:
    """01e: the process of a job is killed at each attempt of a state; then a redrive is killed with the platform."""
    state = scene.luck.choice(list(_JOBS))
    pause_s = round(scene.luck.uniform(0.0, 0.05), 3)

    def arrange(platform: DrilledPlatform) -> Callable[[], None]:
        kill = WorkersAtFault(platform, "kill", attempts=3)
        platform.hooks += [AtState(state, lambda event: kill.begin(pause_s)), kill.heard]
        return lambda: None

    scene.record.injected = {
        "what": "the process of the job is killed",
        "state": state,
        "after_s": pause_s,
        "attempts": 3,
    }
    failure = _Failure(
        state,
        ["WorkerDied"] * 3,
        lambda root: (root["fault"], root["place"]) == ("killed", _JOBS[state]),
        f"a killed process of {_JOBS[state]}",
    )
    _fails(scene, failure, arrange)


_DENIED = {
    "RunBronzeIngest": ("raw/{campus}", "lake/bronze/encounters_raw/data"),
    "RunBronzeToSilver": ("lake/silver/encounters/data",),
    "RunDQ": ("gold/data_quality_runs",),
    "RunSilverToGold": ("lake/gold/ops_metrics_hourly/data",),
    "BuildFeatures": ("lake/gold/features/data",),
    "BatchPredict": ("lake/gold/predictions/data",),
}


def access_denied(scene: Scene) -> None:
    """01c: a folder that a job needs may no longer be read or written."""
    if reason := why_nothing_is_denied(scene.hospital.folder):
        scene.record.reason = reason
        return
    state = scene.luck.choice(list(_DENIED))
    folder = scene.luck.choice(_DENIED[state]).format(campus=scene.luck.choice(CAMPUSES))

    def arrange(platform: DrilledPlatform) -> Callable[[], None]:
        denied = Denied(scene.hospital.state / folder)
        platform.hooks.append(AtState(state, lambda event: denied.deny()))
        return denied.allow

    scene.record.injected = {"what": "access is denied", "state": state, "folder": folder}
    failure = _Failure(
        state,
        ["AccessDenied"],
        lambda root: root["fault"] == "access_denied" and folder in root["place"],
        f"that {folder} may not be used",
        launcher=LAUNCHER,
    )
    _fails(scene, failure, arrange)


def bad_batch(scene: Scene) -> None:
    """01d: a delivery is damaged after it came; the supplier sends the file again."""
    campus = scene.luck.choice(CAMPUSES)
    how = scene.luck.choice(sorted(_DAMAGES))
    keep = round(scene.luck.uniform(0.2, 0.9), 2)
    delivered = next(file for file in _night_files(scene) if file.campus == campus)

    def arrange(platform: DrilledPlatform) -> Callable[[], None]:
        raw = max((scene.hospital.state / "raw" / campus).rglob(delivered.path.name))
        scene.record.injected |= {"file": delivered.path.name, "at": _DAMAGES[how](raw, keep)}
        return lambda: None

    def mend(platform: DrilledPlatform) -> None:
        at = platform.now.isoformat()
        required(platform.hops("ingest", "--feed", campus, "--as-of", at, delivered.path))

    scene.record.injected = {"what": how, "feed": campus, "keep": keep}
    failure = _Failure(
        "RunBronzeIngest",
        ["Data"],
        lambda root: root["fault"] == "data" and root["place"] in ("ingest_bronze", campus),
        f"bad data of {campus} at ingest_bronze",
        tells=(campus, delivered.path.name),
    )
    _fails(scene, failure, arrange, mend)


_DAMAGES: dict[str, Callable[[Path, float], int]] = {
    "a column has another name": lambda path, keep: rename_column(path, "arrival_time"),
    "bytes that are no text": spoil_bytes,
    "cut short": cut_short,
}


@dataclass(frozen=True)
class _Failure:
    """How the daily run is to fail, and how an incident is to name that: its root, in words, and what else it tells."""

    state: str
    reasons: Sequence[str]
    is_named: Callable[[Document], bool]
    expected: str
    tells: Sequence[str] = ()
    launcher: Sequence[str] = ()


def _fails(
    scene: Scene,
    failure: _Failure,
    arrange: Callable[[DrilledPlatform], Callable[[], None]],
    mend: Callable[[DrilledPlatform], None] = lambda platform: None,
) -> None:
    """Have the daily run fail until what `arrange` returns undoes the fault, and see it through to a redrive."""
    reference(scene)
    due = _due(scene)
    with scene.step("inject") as step:
        prepare(scene)
        platform = DrilledPlatform(scene.hospital.state, scene.hospital.moments["night"], launcher=failure.launcher)
        platform.start()
        scene.quiet(step, platform)
        undo = arrange(platform)
    try:
        with scene.step("detect", platform) as step:
            platform.advance(due + _AFTER_MIN)
            run = run_of(platform, "daily", due)
            step.facts |= {"run_id": run["run_id"], "status": run["status"], "reasons": reasons_at(run, failure.state)}
            step.check("the run failed", run["status"] == "FAILED", run["status"])
            seen = reasons_at(run, failure.state)
            step.check("of what was injected", seen == list(failure.reasons), seen)
        ended = datetime.fromisoformat(run["ended_at"])
        with scene.step("alarm", platform) as step:
            scene.rang(step, platform, "PipelineFailure", {"RunType": "daily"}, ended)
        with scene.step("diagnose", platform) as step:
            incidents = scene.new_incidents(platform)
            named = diagnosed(step, incidents, failure.is_named, failure.expected)
            said = str(named["diagnosis"]) if named else ""
            missing = [told for told in failure.tells if told not in said]
            step.check("it tells what an operator needs", not missing, f"not told: {', '.join(missing)}")
        with scene.step("remediate", platform) as step:
            undo()
            # What passes by itself the platform goes on with; of the rest nobody is as quick as a period of the alarm,
            # in which a success does not show beside a failure.
            platform.advance(platform.now + PERIOD + timedelta(minutes=2))
            mend(platform)
            _redriven(step, platform, due)
        with scene.step("verify", platform) as step:
            platform.advance(platform.now + timedelta(minutes=10))
            scene.is_over(step, platform, incidents)
            platform.close()
            scene.is_same(step, _CLEAN, _lake(scene), due)
    finally:
        undo()
        platform.close()


def _redriven(step: Step, platform: DrilledPlatform, due: datetime) -> None:
    """Check that the run was gone on with, by the platform or else by hand, and succeeded."""
    run = run_of(platform, "daily", due)
    step.facts["redriven_by"] = "the platform" if run["redriven_at"] else "a person"
    if not run["redriven_at"]:
        told = platform.hops("redrive", run["run_id"])
        step.check("the redrive is done", told.code == 0, told.said.strip())
        run = run_of(platform, "daily", due)
    step.check("the run succeeded", run["status"] == "SUCCEEDED", run["cause"])
