"""INC-03: forecasts that no longer fit the hospital."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from healthcare_ops.operations.drills.control import DrilledPlatform
from healthcare_ops.operations.drills.hospital import CAMPUSES, Delivered, sectors_of
from healthcare_ops.operations.drills.record import Broken, Step
from healthcare_ops.operations.drills.same import exported
from healthcare_ops.operations.drills.scene import Document, Scene, diagnosed, required, run_of

_COMPARED = ("silver.encounters", "silver.stays", "silver.events", "gold.ops_metrics_hourly", "gold.features")
_FACTOR = 1.4
_DAILY = ("daily", "weekly_train")
_DAYS_AFTER = 3
_CALLS = ("FeatureDrift", "ModelErrorHigh")


def another_regime(scene: Scene) -> None:
    """03a: from one day on 1.4 times as many come; a person has the model trained anew."""
    hospital = scene.hospital
    campuses = scene.luck.choice((CAMPUSES, CAMPUSES[:1], CAMPUSES[1:]))
    first = hospital.monday + timedelta(days=scene.luck.randrange(2))
    eve = hospital.moments["eve"]
    with scene.step("inject") as step:
        change = {"kind": "demand_change", "factor": _FACTOR, "first": first}
        coming = hospital.files("regime", dict.fromkeys(campuses, change), days=_DAYS_AFTER + 10)
        hospital.restore("eve")
        platform = DrilledPlatform(hospital.state, eve, _DAILY)
        platform.start()
        platform.day(eve)
        scene.quiet(step, platform, but=("InferenceStale",))
        sectors = [sector for campus in campuses for sector in sectors_of(campus)]
        scene.record.injected = {**change, "first": first.isoformat(), "sectors": sectors}
    try:
        with scene.step("detect", platform) as step:
            day, verdict = _drifted(step, platform, scene, coming, first)
        with scene.step("alarm", platform) as step:
            at = hospital.local(day, "04:30")
            rings = [
                one for one in scene.changes(platform) if one["alarm"] == "FeatureDrift" and one["state"] == "ALARM"
            ]
            seen = [one["at"] for one in rings if at <= datetime.fromisoformat(one["at"]) <= at + timedelta(days=1)]
            step.check("FeatureDrift rings within a day", seen, seen)
        with scene.step("diagnose", platform) as step:
            incidents = [one for one in scene.new_incidents(platform) if one["root"].get("section") == "INC-03"]
            diagnosed(step, incidents, lambda root: root["fault"] == "drift", "a real change of the hospital")
            kinds = {one["kind"] for one in verdict["findings"] if one["cause"] != "season"}
            step.check("of arrivals", any("arrivals" in kind or "level" in kind for kind in kinds), sorted(kinds))
            places = {one["sector_id"] for one in verdict["findings"] if one["cause"] != "season" and one["sector_id"]}
            step.check("in no sector but those injected", places <= set(sectors), sorted(places))
        with scene.step("remediate", platform) as step:
            told = platform.hops("run", "--type", "weekly_train", "--as-of", platform.now.isoformat())
            step.check("the training succeeded", told.code == 0, told.said.strip())
        with scene.step("verify", platform) as step:
            _settles(step, platform, scene, coming, day, incidents)
    finally:
        platform.close()


def _drifted(
    step: Step, platform: DrilledPlatform, scene: Scene, files: Sequence[Delivered], first: date
) -> tuple[date, Document]:
    """Let days go by until `hops drift` says that the hospital has moved; return that morning and what it said."""
    day = scene.hospital.monday
    for _ in range(6):
        day += timedelta(days=1)
        _day(platform, scene, files, day)
        told = platform.hops("drift", "--as-of", platform.now.isoformat())
        if told.document.get("verdict") == "real_change" or _rings(scene, platform):
            step.facts |= {"days": (day - first).days, "verdict": told.document.get("verdict")}
            step.check("`hops drift` tells of a real change", told.code == 7, told.document.get("verdict"))
            return day, told.document
    step.check("the change is found before Sunday's training", False, "nothing was said in six days")
    raise Broken("nothing was detected")


def _rings(scene: Scene, platform: DrilledPlatform) -> bool:
    return any(one["alarm"] == "FeatureDrift" and one["state"] == "ALARM" for one in scene.alarms(platform))


def _day(platform: DrilledPlatform, scene: Scene, files: Sequence[Delivered], day: date) -> None:
    """Let the files of a day come, and the daily run of its morning."""
    instant = scene.hospital.local(day, "04:30")
    scene.hospital.deliver([file for file in files if instant - timedelta(days=1) < file.due <= instant])
    platform.day(instant)


def _settles(
    step: Step,
    platform: DrilledPlatform,
    scene: Scene,
    files: Sequence[Delivered],
    day: date,
    incidents: Sequence[Document],
) -> None:
    """Check that the alarms end within some days of the training."""
    ringing: list[Any] = []
    for number in range(1, _DAYS_AFTER + 1):
        _day(platform, scene, files, day + timedelta(days=number))
        ringing = [one["alarm"] for one in scene.alarms(platform) if one["state"] == "ALARM" and one["alarm"] in _CALLS]
        step.facts["days_until_over"] = number
        if not ringing:
            break
    step.check(f"the alarms are over within {_DAYS_AFTER} days", not ringing, ", ".join(ringing))
    for one in incidents:
        state = required(platform.hops("incidents", "show", one["incident"]))["state"]
        step.check(f"{one['incident']} is over", state in ("mitigated", "resolved"), state)


def training_suppressed(scene: Scene) -> None:
    """03b: nobody runs the platform on Sunday; when it comes back, the training is made good."""
    hospital = scene.hospital
    weekend = hospital.moments["weekend"]
    back = hospital.local(hospital.monday, "06:00") + timedelta(minutes=scene.luck.randrange(0, 600, 15))
    due = hospital.local(hospital.monday - timedelta(days=1), "05:30")
    if "sunday" not in scene.references:
        hospital.restore("eve")
        scene.references["sunday"] = exported(hospital.state, hospital.folder / "reference", _COMPARED)
    with scene.step("inject") as step:
        files = hospital.delivered_between(weekend, hospital.local(hospital.monday, "04:30"))
        hospital.restore("weekend")
        platform = DrilledPlatform(hospital.state, weekend, _DAILY)
        platform.start()
        platform.day(weekend)
        scene.quiet(step, platform, but=("InferenceStale",))
        platform.close()
        hospital.deliver(files)
        scene.record.injected = {
            "what": "nobody runs the platform",
            "from": weekend.isoformat(),
            "to": back.isoformat(),
        }
    try:
        with scene.step("detect", platform) as step:
            platform.now = back
            platform.start()
            platform.advance(back)
            overdue = required(platform.hops("schedule"))["schedules"]
            step.facts["training"] = next(one for one in overdue if one["run_type"] == "weekly_train")["last_run"]
        with scene.step("alarm", platform) as step:
            scene.rang(step, platform, "WeeklyTrainMissed", {}, back)
        with scene.step("diagnose", platform) as step:
            incidents = [
                one for one in scene.new_incidents(platform) if one["root"].get("fault") in ("missed", "stale")
            ]
            diagnosed(step, incidents[:], lambda root: root["fault"] == "missed", "the missed training")
        with scene.step("remediate", platform) as step:
            run = run_of(platform, "weekly_train", due)
            step.check("Sunday's training is made good", run["status"] == "SUCCEEDED", run["status"])
        with scene.step("verify", platform) as step:
            platform.advance(back + timedelta(minutes=10))
            scene.is_over(step, platform, incidents, but=("InferenceStale",))
            platform.close()
            scene.is_same(step, "sunday", exported(hospital.state, hospital.folder / "found", _COMPARED), None)
    finally:
        platform.close()
