"""The hospital of a drill: two campuses, each with a feed, prepared up to the moments at which drills begin."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from healthcare_ops.adapters.freed_memory import return_freed_memory
from healthcare_ops.bootstrap.configuration import create_state
from healthcare_ops.bootstrap.platform import Platform, open_platform
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.config import SETTINGS_FILE
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml
from healthcare_ops.operations import bulk
from healthcare_ops.operations.drills.control import DrilledPlatform
from healthcare_ops.operations.generate import DELIVERIES_DIR, Order, generate

CAMPUSES = ("norte", "sul")
_FIRST = date(2025, 5, 5)  # a Monday; of years that holidays and zones know
_WEEKS = 40
_SUNDAY = 6
# One tick an hour, and the daily run between two: what a drill injects meets the run that it is meant for.
_SETTINGS = 'inference_every_min = 60\ndaily_at = "04:30"\nweekly_train_at = "05:30"\ntrain_days = {days}\n'
_HEAD = 'facility_id = "{name}"\nname = "{name}"\nzone = "America/Sao_Paulo"\nhospital_beds = 160\n'
_HOLIDAYS = '[holidays]\ncountry = "BR"\n'
_SECTOR = '[[sectors]]\nsector_id = "{name}"\nname = "{name}"\nkind = "ed"\nfunctional_capacity = {beds}\n'
_PLACES = {"norte": (("ADULTO", 20), ("PEDIATRIA", 16)), "sul": (("ADULTO", 20),)}
Progress = Callable[[str], None]
Fault = Mapping[str, Any]


@dataclass(frozen=True)
class Delivered:
    """A file that a campus delivers at an instant."""

    campus: str
    due: datetime
    path: Path


@dataclass(frozen=True)
class Lake:
    """How much is prepared: days of the past at once, days that come day by day, minutes between deliveries."""

    name: str
    past_days: int
    live_days: int
    every_min: int
    train_days: int


# Pipelines and data quality: an ingest lag that is known, a model. Drift: a past to compare with, trainings, scores.
ACUTE = Lake("acute", past_days=42, live_days=3, every_min=240, train_days=28)
SLOW = Lake("slow", past_days=56, live_days=8, every_min=720, train_days=28)


def sectors_of(campus: str) -> list[str]:
    """Return the sectors of a campus."""
    return [f"{campus.upper()}_{name}" for name, _ in _PLACES[campus]]


class DrillHospital:
    """A synthetic hospital whose state directory is put back to a moment before each drill, always at one path.

    Tables name their files by their whole path, so that a copy elsewhere would not do. Its live days end with a Sunday;
    moments are `weekend` (Saturday 20:00, a week after a training), `eve` (Monday 05:00, the day after one) and `night`
    (Tuesday 04:04, after a clean Monday; the daily run is due at 04:30).
    """

    def __init__(self, folder: Path, seed: int, lake: Lake) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.seed = seed
        self.lake = lake
        self.monday = _FIRST + timedelta(weeks=random.Random(seed).randrange(_WEEKS))  # noqa: S311  # no secret
        self.live = self.monday - timedelta(days=lake.live_days)
        self.first = self.live - timedelta(days=lake.past_days)
        self._clean: list[Delivered] = []
        folder.mkdir(parents=True, exist_ok=True)
        for campus in CAMPUSES:
            self._write_site(folder / f"{campus}.toml", campus, (campus,))
        self._write_site(folder / "site.toml", "drill", CAMPUSES)
        self.site = read_toml(folder / "site.toml", Site)

    @property
    def is_prepared(self) -> bool:
        """Tell whether the hospital was brought to its moments before."""
        return (self.folder / "kept" / ("night" if self.lake is ACUTE else "eve")).exists()

    @staticmethod
    def _write_site(path: Path, name: str, campuses: Sequence[str]) -> None:
        parts = [_HEAD.format(name=name), _HOLIDAYS]
        for campus in campuses:
            for sector, (_, beds) in zip(sectors_of(campus), _PLACES[campus], strict=True):
                parts.append(_SECTOR.format(name=sector, beds=beds))
        path.write_text("".join(parts), encoding="utf-8")

    def local(self, day: date, at: str = "00:00") -> datetime:
        """Return an instant of the hospital's civil time."""
        return datetime.combine(day, time.fromisoformat(at), self.site.tz).astimezone(UTC)

    @property
    def moments(self) -> dict[str, datetime]:
        """Return at which instant each moment is kept."""
        return {
            "weekend": self.local(self.monday - timedelta(days=2), "20:00"),
            "eve": self.local(self.monday, "05:00"),
            "night": self.local(self.monday + timedelta(days=1), "04:04"),
        }

    def restore(self, moment: str) -> datetime:
        """Put the state directory back to a moment; return its instant."""
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(self.folder / "kept" / moment, self.state, symlinks=True)
        return self.moments[moment]

    def _keep(self, moment: str) -> None:
        shutil.copytree(self.state, self.folder / "kept" / moment, symlinks=True)

    def files(self, name: str, faults: Mapping[str, Fault] | None = None, *, days: int = 2) -> list[Delivered]:
        """Return what the campuses deliver until so many days after Monday, with the fault of each campus.

        Parameters
        ----------
        name
            Of the folder in which the files lie.
        faults
            By campus; with other faults, what they do not touch is the same.
        """
        found = []
        for campus in CAMPUSES:
            out, fault = self.folder / name / campus, (faults or {}).get(campus)
            out.parent.mkdir(exist_ok=True)
            scenario = self.folder / name / f"{campus}.scenario.toml"
            scenario.write_text(f"faults = [{_toml(fault)}]\n" if fault else "", encoding="utf-8")
            order = Order(
                self.folder / f"{campus}.toml",
                out,
                self.first,
                self.monday + timedelta(days=days),
                seed=self.seed,
                scenario_file=scenario,
                feeds=("encounters",),
                every_min=self.lake.every_min,
            )
            generate(order)
            found += [
                Delivered(campus, datetime.strptime(path.stem.split("_")[1], "%Y%m%dT%H%MZ").replace(tzinfo=UTC), path)
                for path in (out / DELIVERIES_DIR / "encounters").iterdir()
            ]
        return_freed_memory()
        return sorted(found, key=lambda file: (file.due, file.campus, file.path.name))

    def delivered_between(self, since: datetime, until: datetime) -> list[Delivered]:
        """Return the clean files that are due after an instant, and until another."""
        if not self._clean:
            self._clean = self.files("clean")
        return [file for file in self._clean if since < file.due <= until]

    def land(self, files: Sequence[Delivered]) -> None:
        """Have files in raw only, as they come when no tick has noticed them yet."""
        for file in files:
            with open_platform(self.state, AsOfClock(file.due)) as platform:
                feed = platform.context.feeds[file.campus]
                bulk.land(platform, feed, bulk.verify_each([file.path], feed, lambda step: None).sound)

    def deliver(self, files: Sequence[Delivered]) -> None:
        """Let each file come when it is due, as `hops ingest` takes it in."""
        with open_platform(self.state) as opened:
            for file in files:
                _ingest(opened, file)

    def prepare(self, progress: Progress) -> None:
        """Bring the hospital to each moment, and keep it."""
        progress("a synthetic hospital")
        files = self.files("clean")
        feeds = [self._feed_file(campus) for campus in CAMPUSES]
        live = self.local(self.live)
        create_state(self.state, self.folder / "site.toml", AsOfClock(self.local(self.first)), feed_files=feeds)
        (self.state / SETTINGS_FILE).write_text(_SETTINGS.format(days=self.lake.train_days), encoding="utf-8")
        progress("its past")
        self._load_past([file for file in files if file.due <= live])
        waiting = [file for file in files if file.due > live]
        weekend, eve, night = (self.moments[name] for name in ("weekend", "eve", "night"))
        waiting = self._days(waiting, live, weekend, progress)
        if self.lake is SLOW:
            self._keep("weekend")
        waiting = self._days(waiting, weekend, eve, progress)
        self._keep("eve")
        if self.lake is ACUTE:
            self._until(waiting, night - timedelta(minutes=5))
            with DrilledPlatform(self.state, night - timedelta(minutes=5)) as platform:
                platform.day(night - timedelta(minutes=4))
            self._keep("night")

    def _days(
        self, files: Sequence[Delivered], since: datetime, until: datetime, progress: Progress
    ) -> list[Delivered]:
        """Let days go by, each with its deliveries, its daily run and, on a Sunday, its training."""
        day = since.astimezone(self.site.tz).date()
        with DrilledPlatform(self.state, since, ("daily", "weekly_train")) as platform:
            while (instant := self.local(day, "04:30")) < until:
                if instant > since:
                    progress(f"{day:%A %d %B}")
                    files = self._until(files, instant)
                    platform.day(instant)
                    if day.weekday() == _SUNDAY:
                        platform.day(self.local(day, "05:30"))
                day += timedelta(days=1)
            return self._until(files, until)

    def _until(self, files: Sequence[Delivered], instant: datetime) -> list[Delivered]:
        """Deliver what is due by an instant; return the rest."""
        self.deliver([file for file in files if file.due <= instant])
        return [file for file in files if file.due > instant]

    def _feed_file(self, campus: str) -> Path:
        text = (self.folder / "clean" / campus / "feeds" / "encounters.toml").read_text(encoding="utf-8")
        path = self.folder / f"{campus}.feed.toml"
        text = text.replace('feed_id = "encounters"', f'feed_id = "{campus}"')
        path.write_text(text, encoding="utf-8")
        return path

    def _load_past(self, files: Sequence[Delivered]) -> None:
        """Take in the past, each campus in one file: one file tells each record once."""
        with open_platform(self.state, AsOfClock(self.local(self.live))) as platform:
            for campus in CAMPUSES:
                texts = [
                    file.path.read_text(encoding="utf-8")
                    for file in files
                    if file.campus == campus and "_again" not in file.path.stem
                ]
                merged = self.folder / f"{campus}-past.csv"
                merged.write_text(texts[0] + "".join(text.partition("\n")[2] for text in texts[1:]), encoding="utf-8")
                feed = platform.context.feeds[campus]
                bulk.land(platform, feed, bulk.verify_each([merged], feed, lambda step: None).sound)
            bulk.refine(platform, lambda name: None)


def _ingest(opened: Platform, file: Delivered) -> None:
    platform = replace(opened, context=replace(opened.context, clock=AsOfClock(file.due)))
    feed = platform.context.feeds[file.campus]
    bulk.land(platform, feed, bulk.verify_each([file.path], feed, lambda step: None).sound)
    bulk.refine(platform, lambda name: None, jobs=("ingest_bronze",))


def _toml(fault: Fault) -> str:
    def shown(value: Any) -> str:
        return value.isoformat() if isinstance(value, date) else json.dumps(value)

    return "{ " + ", ".join(f"{key} = {shown(value)}" for key, value in fault.items()) + " }"
