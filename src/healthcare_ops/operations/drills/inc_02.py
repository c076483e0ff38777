"""INC-02: a day whose data are wrong, until the supplier delivers it anew."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from healthcare_ops.operations.drills.control import DrilledPlatform
from healthcare_ops.operations.drills.hospital import CAMPUSES, Delivered, Fault, sectors_of
from healthcare_ops.operations.drills.record import Broken, Step
from healthcare_ops.operations.drills.same import exported
from healthcare_ops.operations.drills.scene import Document, Scene, diagnosed, required, run_of

# What depends on what happened in the hospital only, and not on when it was known.
_COMPARED = ("silver.encounters", "silver.stays", "silver.events", "gold.ops_metrics_hourly", "gold.features")
_CLEAN = "a clean Monday"
# DQRiskScoreHigh and DQRiskScoreRaised.
_ALARM = "DQRiskScore"


def nulls_in_one_sector(scene: Scene) -> None:
    """02a: a column of one sector comes empty."""
    campus = scene.luck.choice(CAMPUSES)
    sector = scene.luck.choice(sectors_of(campus))
    share = round(scene.luck.uniform(0.5, 1.0), 2)
    fault = {"kind": "nulls", "column": "triage_level", "sectors": [sector], "share": share}

    def is_named(root: Document) -> bool:
        return (root["code"], root["place"]) == ("nulls", f"{campus}/triage_level")

    _until_delivered_anew(scene, campus, fault, is_named, f"empty triage_level of {campus}", (sector,))


def clock_of_one_feed(scene: Scene) -> None:
    """02b: the clock of one feed is three hours ahead, or behind."""
    campus, hours = scene.luck.choice(CAMPUSES), scene.luck.choice((-3, 3))
    fault = {"kind": "clock_shift", "minutes": 60 * hours}

    def is_named(root: Document) -> bool:
        return (root["code"], root["place"]) == ("clock", campus)

    _until_delivered_anew(scene, campus, fault, is_named, f"a clock of {campus}, wrong by {hours:+d} h", (f"{hours}",))


def _until(scene: Scene) -> tuple[datetime, datetime]:
    """Return by when a fault of Monday must be found, and when the drill ends.

    Of a missing value nobody knows on the first morning whether it comes late: the second one has to tell.
    """
    wednesday = scene.hospital.monday + timedelta(days=2)
    return scene.hospital.local(wednesday, "08:00"), scene.hospital.local(wednesday, "14:00")


def _reference(scene: Scene) -> None:
    """Keep what the lake holds when clean deliveries have come all the time, unless that is known."""
    if _CLEAN in scene.references:
        return
    scene.progress("clean days to compare with")
    hospital, end = scene.hospital, _until(scene)[1]
    eve = hospital.restore("eve")
    hospital.deliver(hospital.delivered_between(eve, end))
    with DrilledPlatform(hospital.state, end, ("inference",)) as platform:
        platform.day(end + timedelta(hours=1))
    scene.references[_CLEAN] = exported(hospital.state, hospital.folder / "reference", _COMPARED)


def _until_delivered_anew(
    scene: Scene,
    campus: str,
    fault: Fault,
    is_named: Callable[[Document], bool],
    expected: str,
    size: Sequence[str],
) -> None:
    """Have a feed deliver wrong data from Monday morning on, until an alarm rings; then the supplier corrects them."""
    hospital = scene.hospital
    _reference(scene)
    eve, (latest, end) = hospital.moments["eve"], _until(scene)
    with scene.step("inject") as step:
        begin, stop = (at.astimezone(hospital.site.tz).replace(tzinfo=None) for at in (eve, eve + timedelta(days=1)))
        drawn = {**fault, "start": begin, "end": stop, "seed": scene.luck.randrange(1 << 30)}
        coming = [file for file in hospital.files("wrong", {campus: drawn}) if eve < file.due <= latest]
        hospital.restore("eve")
        platform = DrilledPlatform(hospital.state, eve, ("inference", "daily"))
        platform.start()
        platform.day(eve)
        scene.quiet(step, platform)
        scene.record.injected = {**fault, "feed": campus, "from": eve.isoformat()}
    try:
        with scene.step("detect", platform) as step:
            found_at = _comes(platform, scene, coming, lambda: bool(_rings(platform)))
            step.check("data quality finds it by the second morning", found_at is not None, "nothing was said")
            if found_at is None:
                raise Broken("nothing was detected")
            run = run_of(platform, "inference", found_at)
            step.facts |= {"run_id": run["run_id"], "status": run["status"]}
        with scene.step("alarm", platform) as step:
            # What stops gold is critical, what only warns is a warning.
            scene.rang(step, platform, _rings(platform)[0], {}, datetime.fromisoformat(run["ended_at"]))
        with scene.step("diagnose", platform) as step:
            named_at = _named_at(platform, scene, coming, found_at, is_named)
            step.facts["named_after_h"] = (named_at - found_at).total_seconds() / 3600
            incidents = scene.new_incidents(platform)
            named = diagnosed(step, incidents, is_named, expected)
            facts = str(named["diagnosis"]) if named else ""
            cause = named and named["diagnosis"].get("cause")
            step.check(f"and how large it is: {', '.join(size)}", all(part in facts for part in size), cause)
        again_at = named_at + timedelta(hours=4)
        with scene.step("remediate", platform) as step:
            _delivered_anew(step, platform, scene, campus, named_at)
        with scene.step("verify", platform) as step:
            scene.is_over(step, platform, incidents)
            hospital.deliver(hospital.delivered_between(again_at, end))
            platform.day(end + timedelta(hours=1))
            platform.close()
            scene.is_same(step, _CLEAN, exported(hospital.state, hospital.folder / "found", _COMPARED), None)
    finally:
        platform.close()


def _named_at(
    platform: DrilledPlatform,
    scene: Scene,
    coming: Sequence[Delivered],
    found_at: datetime,
    is_named: Callable[[Document], bool],
) -> datetime:
    """Let the fault go on until an incident names it, or until the second morning: few hours leave many thoughts."""

    def has_name() -> bool:
        return any(is_named(one["root"]) for one in scene.new_incidents(platform))

    if has_name():
        return found_at
    later = [file for file in coming if file.due > found_at]
    return _comes(platform, scene, later, has_name) or max(file.due for file in coming)


def _delivered_anew(step: Step, platform: DrilledPlatform, scene: Scene, campus: str, named_at: datetime) -> None:
    """Have the supplier deliver, four hours later, all that was wrong; check that the next run accepts it."""
    hospital, again_at = scene.hospital, named_at + timedelta(hours=4)
    known = hospital.delivered_between(hospital.moments["eve"], again_at)
    hospital.deliver([file for file in known if file.due > named_at])
    mended = _corrected(
        hospital.folder / f"{campus}-corrected.csv",
        [file for file in known if file.campus == campus],
        again_at.astimezone(hospital.site.tz),
    )
    required(platform.hops("ingest", "--feed", campus, "--as-of", again_at.isoformat(), mended))
    platform.day(again_at + timedelta(hours=1))
    judged = run_of(platform, "inference", again_at + timedelta(hours=1))
    step.check("the next run accepts the day", judged["status"] == "SUCCEEDED", judged["cause"])


def _comes(
    platform: DrilledPlatform, scene: Scene, files: Sequence[Delivered], is_so: Callable[[], bool]
) -> datetime | None:
    """Let files come, each when it is due, with a run after it, until something is so; return when."""
    for due in sorted({file.due for file in files}):
        scene.hospital.deliver([file for file in files if file.due == due])
        platform.day(due)
        if is_so():
            return due
    return None


def _rings(platform: DrilledPlatform) -> list[str]:
    """Return the alarms of data quality that the platform told of, the first one first."""
    told = [one for one in platform.events if one["event"] == "alarm" and one["state"] == "ALARM"]
    return [str(one["alarm"]) for one in told if one["alarm"].startswith(_ALARM)]


def _corrected(path: Path, files: Sequence[Delivered], at: datetime) -> Path:
    """Write what the supplier sends: every record again, as it should have been, with the time of the correction."""
    rows: list[Mapping[str, str]] = []
    for file in files:
        with file.path.open(newline="", encoding="utf-8") as stream:
            rows += [{**row, "version_time": f"{at:%Y-%m-%dT%H:%M:%S}"} for row in csv.DictReader(stream)]
    if not rows:
        raise Broken("there is nothing to deliver anew")
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path
