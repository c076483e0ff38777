"""`hops generate`: the deliveries of a synthetic hospital in a folder of their own, and the truth beside them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from healthcare_ops import __version__
from healthcare_ops.adapters.freed_memory import return_freed_memory
from healthcare_ops.adapters.local_folders import replacing_folder
from healthcare_ops.core.config import FEEDS_DIR, SITE_FILE
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml
from healthcare_ops.generator.deliveries import DeliveredFile, Terms, everything, plan_feed
from healthcare_ops.generator.injected import Injected, hospital_changes
from healthcare_ops.generator.journeys import Journeys
from healthcare_ops.generator.layout import Clock, feed_file
from healthcare_ops.generator.parameters import Parameters, default_parameters, parameters_text
from healthcare_ops.generator.scenario import CLEAN, FeedName, Scenario, with_changes
from healthcare_ops.generator.simulation import simulate
from healthcare_ops.generator.truth import write_minute_truth

DELIVERIES_DIR = "deliveries"
TRUTH_DIR = "truth"
FAULTS_FILE = "faults.ndjson"
# Says that a folder is the generator's own, and may be replaced by it.
MANIFEST = "generated.json"
_DECISIVE = ("pyarrow", "holidays", "tzdata")
Progress = Callable[[str], None]
_TOLD_STEPS = 100
# De-identified sets reach into the next century; beyond lie typing mistakes, and the ends of what clocks know.
_YEARS = range(1900, 2301)


@dataclass(frozen=True)
class Order:
    """What is asked for: the hospital, its days, and the terms on which its feeds deliver.

    `clock` None is the wall's, as most feeds have it, or with its offset if deliveries are to be clean: a wall clock
    alone shows an hour of autumn twice.
    """

    site_file: Path
    out: Path
    first: date
    last: date
    seed: int = 1
    parameters_file: Path | None = None
    scenario_file: Path | None = None
    feeds: tuple[FeedName, ...] = ("encounters", "events")
    every_min: int = 1440
    clock: Clock | None = None
    is_clean: bool = False

    @property
    def terms(self) -> Terms:
        """Return the terms of the deliveries."""
        clock = self.clock or ("offset" if self.is_clean else "local")
        return Terms(self.first, self.last, self.every_min, clock, self.seed)


@dataclass(frozen=True)
class Hospital:
    """A synthetic hospital before anything happens in it."""

    order: Order
    site: Site
    parameters: Parameters
    scenario: Scenario

    def facts(self) -> dict[str, Any]:
        """Return what the deliveries depend on, as plain values."""
        order = self.order
        return {
            "facility_id": self.site.facility_id,
            "first": order.first.isoformat(),
            "last": order.last.isoformat(),
            "seed": order.seed,
            "feeds": list(order.feeds),
            "every_min": order.every_min,
            "clock": order.terms.clock,
            "is_clean": order.is_clean,
            "site": self.site.model_dump(mode="json"),
            "parameters": self.parameters.model_dump(mode="json"),
            "scenario": self.scenario.model_dump(mode="json"),
        }


def read_order(order: Order) -> Hospital:
    """Return the hospital that an order describes.

    Raises
    ------
    ConfigError
        If a file is wrong, the days are not in order, or the folder holds what the generator did not make.
    """
    if order.last < order.first:
        raise ConfigError(f"the last day {order.last} is before the first, {order.first}.", next_step="Exchange them.")
    for day in (order.first, order.last):
        if day.year not in _YEARS:
            raise ConfigError(f"{day} is not a day of the years {_YEARS[0]} to {_YEARS[-1]}.", next_step="Correct it.")
    site = read_toml(order.site_file, Site)
    scenario = read_toml(order.scenario_file, Scenario) if order.scenario_file else Scenario()
    scenario.require_known_sectors(site)
    if order.is_clean:
        scenario = scenario.model_copy(update={"reporting": CLEAN})
    given = read_toml(order.parameters_file, Parameters) if order.parameters_file else default_parameters()
    _require_own_folder(order.out)
    return Hospital(order, site, with_changes(given, scenario, order.last), scenario)


def generate(order: Order, progress: Progress = lambda step: None) -> dict[str, Any]:
    """Write all deliveries and the truth; return what was made, as plain values.

    The folder takes its place whole when everything is written.

    Raises
    ------
    ConfigError
        As `read_order` does.
    """
    hospital = read_order(order)
    progress("simulating")
    journeys = simulate(hospital.site, hospital.parameters, order.first, order.last, order.seed)
    made = Made()
    return_freed_memory()
    with replacing_folder(order.out) as folder:
        write_surroundings(folder, hospital, journeys, progress)
        for feed in order.feeds:
            return_freed_memory()
            _write_feed(folder, feed, hospital, journeys, made, progress)
        write_faults(folder, [*hospital_changes(hospital.scenario), *made.injected])
        (folder / MANIFEST).write_bytes(manifest(hospital))
    return made.document(hospital, journeys)


@dataclass
class Made:
    """What was delivered so far."""

    feeds: dict[str, dict[str, Any]] = field(default_factory=dict)
    injected: list[Injected] = field(default_factory=list)

    def add(self, file: DeliveredFile) -> None:
        """Count one file, or one that did not come."""
        self.injected += file.injected
        counts = self.feeds.setdefault(
            file.feed, {"feed_id": file.feed, "files": 0, "withheld": 0, "records": 0, "bytes": 0}
        )
        counts["first_due"] = counts.get("first_due", file.due.isoformat())
        counts["last_due"] = file.due.isoformat()
        if file.content is None:
            counts["withheld"] += 1
            return
        counts["files"] += 1
        counts["records"] += file.records
        counts["bytes"] += len(file.content)

    def document(self, hospital: Hospital, journeys: Journeys) -> dict[str, Any]:
        """Return what was made, as plain values."""
        order = hospital.order
        faults = [*hospital_changes(hospital.scenario), *self.injected]
        return {
            "folder": str(order.out),
            "facility": hospital.site.name,
            "first": order.first.isoformat(),
            "last": order.last.isoformat(),
            "seed": order.seed,
            "encounters": journeys.encounters.num_rows,
            "stays": journeys.stays.num_rows,
            "feeds": list(self.feeds.values()),
            "faults": _by_fault(faults),
            "truth": str(order.out / TRUTH_DIR),
        }


def write_surroundings(folder: Path, hospital: Hospital, journeys: Journeys, progress: Progress) -> None:
    """Write everything but the deliveries: site, feed files, truth."""
    order = hospital.order
    (folder / SITE_FILE).write_bytes(order.site_file.read_bytes())
    for feed in order.feeds:
        (folder / FEEDS_DIR).mkdir(exist_ok=True)
        (folder / DELIVERIES_DIR / feed).mkdir(parents=True)
        text = feed_file(feed, hospital.site, order.terms.clock, order.first, order.last, order.every_min)
        (folder / FEEDS_DIR / f"{feed}.toml").write_text(text, encoding="utf-8")
    progress("writing the truth")
    truth = folder / TRUTH_DIR
    truth.mkdir()
    for name in ("encounters", "stays"):
        table: pa.Table = getattr(journeys, name)
        pq.write_table(table, truth / f"{name}.parquet", compression="zstd")
    write_minute_truth(truth / "minutes.parquet", journeys, hospital.site, order.first, order.last)
    (truth / "parameters.toml").write_text(parameters_text(hospital.parameters), encoding="utf-8")
    if order.scenario_file:
        (truth / "scenario.toml").write_bytes(order.scenario_file.read_bytes())


def write_faults(folder: Path, injected: Iterable[Injected]) -> None:
    """Write the record of the faults."""
    text = "".join(fault.to_json() + "\n" for fault in injected)
    (folder / TRUTH_DIR / FAULTS_FILE).write_text(text, encoding="utf-8")


def manifest(hospital: Hospital) -> bytes:
    """Return what marks a folder as the generator's: everything that its deliveries depend on."""
    facts = {"made_by": "hops generate", "made_with": made_with(), **hospital.facts()}
    return (json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode()


def made_with() -> dict[str, str]:
    """Return the versions of what another version of could draw, write or date otherwise."""
    return {"healthcare-ops": __version__, **{name: version(name) for name in _DECISIVE}}


def delivery_path(folder: Path, file: DeliveredFile) -> Path:
    """Return where a delivered file lies."""
    return folder / DELIVERIES_DIR / file.feed / file.name


def _write_feed(
    folder: Path, feed: FeedName, hospital: Hospital, journeys: Journeys, made: Made, progress: Progress
) -> None:
    progress(f"planning {feed}")
    terms = hospital.order.terms
    plan = plan_feed(feed, journeys, hospital.site, hospital.scenario, terms, tidy=return_freed_memory)
    return_freed_memory()
    total = len(plan.schedule.names)
    every = -(-total // _TOLD_STEPS)
    for number, file in enumerate(everything(plan)):
        if number % every == 0:
            progress(f"{plan.feed}, {number} of {total} files")
        made.add(file)
        if file.content is not None:
            delivery_path(folder, file).write_bytes(file.content)


def _by_fault(injected: Iterable[Injected]) -> list[dict[str, Any]]:
    """Return one row per fault of the scenario that struck: how many files, records, rows taken away."""
    found: dict[int, list[Injected]] = defaultdict(list)
    for one in injected:
        found[one.fault].append(one)
    return [
        {
            "fault": number,
            "kind": struck[0].kind,
            "files": sum(one.file is not None for one in struck),
            "records": sum(one.records for one in struck),
            "removed": sum(one.removed for one in struck),
        }
        for number, struck in sorted(found.items())
    ]


def _require_own_folder(folder: Path) -> None:
    if folder.is_mount():
        raise ConfigError(
            f"{folder} is where a disk is mounted, and cannot be replaced as a whole.",
            next_step="Give a folder below it as --out.",
        )
    if not folder.exists() or (folder / MANIFEST).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise ConfigError(
            f"{folder} holds what `hops generate` did not make.", next_step="Give another --out, or empty it."
        )
