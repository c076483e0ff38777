"""Every table of the lake, as data: columns, types, units, keys, partitions and what null means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["string", "int64", "float64", "boolean", "timestamp", "date"]

NEVER_NULL = "never null"

# The patient's milestones in the order in which they can happen; the order breaks ties of equal times.
MILESTONES = ("arrival", "triage_start", "triage_end", "care_start", "admit", "transfer", "discharge")
DISPOSITIONS = (
    "home",
    "admitted",
    "transferred",
    "left_without_care",
    "left_against_advice",
    "died",
    "other",
)
# What becomes of a delivered record: one of these, once.
FATES = ("applied", "superseded", "duplicate", "quarantined", "ignored")
ACCOUNT = ("delivered", *FATES)
QUANTILES = ("q05", "q10", "q25", "q50", "q75", "q90", "q95")


@dataclass(frozen=True)
class Column:
    """One column: `timestamp` is a UTC instant with microseconds, `date` an operational (civil) day."""

    name: str
    type: ColumnType
    description: str
    unit: str = ""
    null: str = NEVER_NULL


@dataclass(frozen=True)
class Table:
    """One table: its grain in words, the key that is unique in it, and the day column it is stored by."""

    layer: Literal["bronze", "silver", "gold", "ops"]
    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partition: str = "dt"

    @property
    def id(self) -> str:
        """Return `layer.name`, the name used in messages and in the catalog."""
        return f"{self.layer}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Return the column names in storage order."""
        return tuple(column.name for column in self.columns)

    def types(self) -> Mapping[str, ColumnType]:
        """Return column name → type, in storage order."""
        return {column.name: column.type for column in self.columns}


def _text(name: str, description: str, null: str = "empty or not delivered") -> Column:
    return Column(name, "string", description, null=null)


def _instant(name: str, description: str, null: str) -> Column:
    return Column(name, "timestamp", description, "UTC", null)


def _minutes(name: str, description: str, null: str) -> Column:
    return Column(name, "float64", description, "min", null)


_DT_ARRIVAL = Column("dt", "date", "Operational day of the encounter's arrival (site zone).")
_DT_HOUR = Column("dt", "date", "Operational day of the hour (site zone).")
_ENCOUNTER_ID = Column("encounter_id", "string", "Pseudonym of the encounter: key id, then HMAC-SHA256.")
_FACILITY = Column("facility_id", "string", "Facility, as named in site.toml.")
# In the place of a sector: all of them together. No sector can be named so.
HOSPITAL = "*"
_SECTOR = Column("sector_id", "string", "Sector, as named in site.toml.")
_SECTOR_OR_ALL = Column("sector_id", "string", f"Sector, as named in site.toml, or {HOSPITAL!r}: all together.")
_HOUR = Column("hour_start", "timestamp", "First instant of the civil hour.", "UTC")

# Where a record came from: enough for a supplier to look it up, and nothing about the patient.
LINEAGE = (
    Column("feed_id", "string", "Feed that delivered the record."),
    Column("batch_id", "string", "Delivery: feed and delivery number."),
    Column("source_file", "string", "File name as delivered."),
    Column("source_sha256", "string", "SHA-256 of the file as delivered."),
    Column("record_no", "int64", "Position of the record in the file, from 1."),
    Column("delivery_seq", "int64", "Number of the delivery within its feed, stored with raw, from 1."),
    Column("ingested_at", "timestamp", "When the record entered bronze.", "UTC"),
)

_RAW_IDS = (
    _text("encounter_id", "Pseudonymised encounter id."),
    _text("patient_id", "Pseudonymised patient id."),
    _text("version_time", "Source's own time of this version of the record, as delivered."),
)
_RAW_PLACE = (
    _text("sector", "Place as delivered."),
    _text("bed", "Bed as delivered."),
    _text("triage_level", "Triage code as delivered."),
    _text("disposition", "Outcome code as delivered."),
)
_RAW_TAIL = (
    Column("content_hash", "string", "MD5 of the mapped columns: equal content, equal hash."),
    Column("dt", "date", "Date written in the record's first readable time, else the ingest day."),
)
ENCOUNTER_TIMES = (
    "arrival_time",
    "triage_start",
    "triage_end",
    "care_start",
    "admit_time",
    "transfer_time",
    "discharge_time",
)

ENCOUNTERS_RAW = Table(
    "bronze",
    "encounters_raw",
    "one row per delivered record of an encounter feed",
    ("feed_id", "delivery_seq", "source_sha256", "record_no"),
    (
        *LINEAGE,
        *_RAW_IDS,
        *(_text(name, f"`{name}` as delivered.") for name in ENCOUNTER_TIMES),
        *_RAW_PLACE,
        _text("transfer_sector", "Place after the transfer, as delivered."),
        *_RAW_TAIL,
    ),
)

EVENTS_RAW = Table(
    "bronze",
    "events_raw",
    "one row per delivered record of an event feed",
    ("feed_id", "delivery_seq", "source_sha256", "record_no"),
    (
        *LINEAGE,
        *_RAW_IDS,
        _text("source_event_id", "Pseudonymised event id of the source."),
        _text("event_type", "Event code as delivered (activity|lifecycle for start+complete feeds)."),
        _text("event_time", "Time of the event as delivered."),
        *_RAW_PLACE,
        *_RAW_TAIL,
    ),
)

ENCOUNTERS = Table(
    "silver",
    "encounters",
    "one row per encounter",
    ("encounter_id",),
    (
        _ENCOUNTER_ID,
        _text("patient_id", "Pseudonym of the patient.", "source names no patient"),
        Column("feed_id", "string", "Feed that delivered the encounter (the first by name, if several)."),
        _FACILITY,
        Column("sector_id", "string", "Sector of the first placed event."),
        Column("triage_level", "int64", "1 (most urgent) to 5.", "level", "not triaged or not delivered"),
        _text("disposition", f"Outcome: {', '.join(DISPOSITIONS)}.", "still here, or not delivered"),
        _instant("arrival_time", "Arrival.", NEVER_NULL),
        _instant("triage_start", "Triage began.", "not triaged or not delivered"),
        _instant("triage_end", "Triage ended.", "not triaged or not delivered"),
        _instant("care_start", "First contact with the treating clinician.", "not yet, never, or not delivered"),
        _instant("admit_time", "Decision to admit.", "not admitted, or not delivered"),
        _instant("discharge_time", "The patient left the sectors of this site.", "still here"),
        _minutes("wait_triage_min", "triage_start − arrival_time.", "a time is missing"),
        _minutes(
            "wait_service_min",
            "care_start − triage_end; − arrival_time when triage was skipped.",
            "care not started",
        ),
        _minutes("total_wait_min", "care_start − arrival_time.", "care not started"),
        _minutes("los_min", "discharge_time − arrival_time.", "still here"),
        _DT_ARRIVAL,
    ),
)

STAYS = Table(
    "silver",
    "stays",
    "one row per encounter and place",
    ("encounter_id", "start_time"),
    (
        _ENCOUNTER_ID,
        _FACILITY,
        _SECTOR,
        _text("bed_id", "Bed.", "no bed, or not delivered"),
        _instant("start_time", "The patient came to this place.", NEVER_NULL),
        _instant("end_time", "The patient left this place.", "still there"),
        _DT_ARRIVAL,
    ),
)

EVENTS = Table(
    "silver",
    "events",
    "one row per event",
    ("event_id",),
    (
        Column("event_id", "string", "Encounter, event type and instant (µs), or encounter and source event."),
        _ENCOUNTER_ID,
        Column("event_type", "string", f"Milestone: {', '.join(MILESTONES)}."),
        _instant("event_time", "When it happened.", NEVER_NULL),
        _text("sector_id", "Sector.", "event names no place"),
        _text("bed_id", "Bed.", "event names no bed"),
        _DT_ARRIVAL,
    ),
)

QUARANTINE = Table(
    "silver",
    "quarantine",
    "one row per delivered record kept out of silver",
    ("feed_id", "delivery_seq", "source_sha256", "record_no"),
    (
        *LINEAGE,
        Column("source_table", "string", "Bronze table that holds the whole record."),
        _text("encounter_id", "Pseudonym of the encounter.", "record names no encounter"),
        Column("reason_code", "string", "Why it was kept out: a code of `core.reasons`, the first that failed."),
        _text("column", "Column at fault, as named in the feed mapping.", "the fault lies between columns"),
        Column("rule_ids", "string", "Codes of all failed checks, or of its encounter's, comma separated."),
        Column("state", "string", "held, released or rejected."),
        Column("dt", "date", "Day of the record in bronze."),
    ),
)

OPS_METRICS_HOURLY = Table(
    "gold",
    "ops_metrics_hourly",
    "one row per facility, sector and civil hour",
    ("facility_id", "sector_id", "hour_start"),
    (
        _FACILITY,
        _SECTOR,
        _HOUR,
        Column("arrivals_count", "int64", "Encounters that arrived in the hour.", "encounters"),
        Column("departures_count", "int64", "Stays in the sector that ended in the hour.", "stays"),
        Column("left_without_care", "int64", "Encounters that left unseen in the hour.", "encounters"),
        _minutes("wait_avg_min", "Mean total wait of the hour's arrivals.", "no arrival has been seen yet"),
        _minutes("wait_p90_min", "90th percentile of the same (linear).", "no arrival has been seen yet"),
        Column(
            "avg_triage_acuity",
            "float64",
            "Mean triage level of the hour's arrivals.",
            "level",
            "no arrival was triaged",
        ),
        Column("occupied_beds", "int64", "Patients placed in the sector at hour_start.", "patients"),
        Column(
            "functional_capacity",
            "int64",
            "Beds of the sector that can be staffed, by the site file at the time of building.",
            "beds",
            "sector declares no capacity",
        ),
        Column(
            "occupancy_rate",
            "float64",
            "occupied_beds ÷ functional_capacity.",
            "ratio",
            "sector declares no capacity",
        ),
        Column("queue_length", "int64", "Arrived, care not started, still here, at hour_start.", "patients"),
        _minutes("longest_wait_min", "Longest such wait at hour_start.", "nobody waits"),
        Column("boarding", "int64", "Admitted and still in the emergency sector at hour_start.", "patients"),
        _minutes("longest_boarding_min", "Longest such wait at hour_start.", "nobody boards"),
        _minutes(
            "last_door_to_bed_min",
            "Arrival to care of the emergency patient last placed before hour_start.",
            "nobody placed in the 24 hours before, or not an emergency sector",
        ),
        Column(
            "ventilated",
            "int64",
            "Ventilated patients in the emergency sectors at hour_start.",
            "patients",
            "not delivered: see nedocs_note",
        ),
        Column(
            "hospital_beds",
            "int64",
            "Beds of the whole hospital, by the site file at the time of building.",
            "beds",
            "site declares none",
        ),
        Column(
            "nedocs",
            "float64",
            "NEDOCS of all emergency sectors together, repeated on each of them.",
            "score",
            "an input is missing, or not an emergency sector: see nedocs_note",
        ),
        _text("nedocs_note", "Which inputs were missing or assumed.", "none was, or not an emergency sector"),
        Column(
            "risk_score",
            "float64",
            "0 (calm) to 100, by the terms of `core.metrics.RISK_TERMS`.",
            "score",
            "sector declares no capacity",
        ),
        _DT_HOUR,
    ),
)

FEATURES = Table(
    "gold",
    "features",
    "one row per facility, sector and civil hour, with what is known at hour_start",
    ("facility_id", "sector_id", "hour_start"),
    (
        _FACILITY,
        _SECTOR,
        _HOUR,
        Column("arrivals_count", "int64", "Target: arrivals in the hour itself.", "encounters"),
        Column("hour_of_day", "int64", "Civil hour, 0–23.", "h"),
        Column("day_of_week", "int64", "Civil weekday, Monday = 0.", "day"),
        Column("day_of_year", "int64", "Civil day of the year, from 1.", "day"),
        Column("is_holiday", "boolean", "Public holiday of the site's calendar."),
        *(
            Column(
                f"level_{name}",
                "float64",
                f"Mean arrivals per hour over the {words} before hour_start.",
                "encounters/h",
                "no history of that length yet",
            )
            for name, words in (
                ("12h", "12 hours"),
                ("1d", "24 hours"),
                ("7d", "7 days"),
                ("28d", "28 days"),
                ("84d", "84 days"),
                ("364d", "364 days"),
            )
        ),
        *(
            Column(
                f"lag_{weeks}w",
                "float64",
                f"Arrivals {weeks * 168} hours before.",
                "encounters",
                "no history of that length yet",
            )
            for weeks in (1, 2, 3, 4)
        ),
        Column("occupied_beds", "int64", "Patients placed in the sector at hour_start.", "patients"),
        Column("queue_length", "int64", "Patients waiting for care at hour_start.", "patients"),
        _DT_HOUR,
    ),
)

BREACHES = tuple(f"breach_{level}" for level in range(1, 6))
_BY_METRIC = "as the metric"
_PREDICTION_KEY = ("metric", "sector_id", "prediction_ts", "target_time", "model_version")
_PREDICTION_COLUMNS = (
    _FACILITY,
    _SECTOR_OR_ALL,
    Column(
        "metric",
        "string",
        "arrivals (encounters in the hour), occupancy or queue (patients at its start), nedocs (the score at its start "
        "of all emergency sectors), or wait (minutes from arrival to the start of care of a patient who arrives in the "
        "hour and stays until then).",
    ),
    Column("prediction_ts", "timestamp", "Origin: nothing later was known.", "UTC"),
    Column("target_time", "timestamp", "First instant of the hour forecast.", "UTC"),
    Column("horizon_h", "int64", "target_time − prediction_ts, 0 = the next full hour.", "h"),
    Column("mean", "float64", "Expected value.", _BY_METRIC),
    *(Column(q, "float64", f"{int(q[1:])} % quantile.", _BY_METRIC) for q in QUANTILES),
    Column("model_version", "string", "Model of the registry that made the number."),
    Column("data_as_of", "timestamp", "Newest hour of gold the forecast saw.", "UTC"),
    *(
        Column(
            name,
            "float64",
            f"Probability that such a patient of triage level {level} waits longer than the target of the level.",
            "0–1",
            f"not a wait, of {HOSPITAL!r}, or fewer than ten of that level in the 14 weeks before",
        )
        for level, name in enumerate(BREACHES, start=1)
    ),
)

PREDICTIONS = Table(
    "gold",
    "predictions",
    "one row per metric, sector, origin, target hour and model",
    _PREDICTION_KEY,
    (*_PREDICTION_COLUMNS, Column("dt", "date", "Operational day of prediction_ts.")),
)

_NOT_A_WAIT = "not a wait"
_NOT_OF_BREACHES = f"not a wait, of {HOSPITAL!r}, or nobody to judge"
PREDICTION_SCORES = Table(
    "gold",
    "prediction_scores",
    "one row per prediction whose hour has passed; of waits, once all who came in it were seen or left, or a day later",
    _PREDICTION_KEY,
    (
        *_PREDICTION_COLUMNS,
        Column("actual", "float64", "What happened; of waits, their mean over the hour's patients.", _BY_METRIC),
        Column("absolute_error", "float64", "|mean − actual|.", _BY_METRIC),
        Column("is_covered_90", "boolean", "q05 ≤ actual ≤ q95.", null="a wait: see covered_share"),
        Column(
            "pinball",
            "float64",
            "Mean pinball loss over the seven quantiles; of waits, its mean over the patients.",
            _BY_METRIC,
        ),
        Column("covered_share", "float64", "Share of the patients who waited q05 to q95.", "0–1", _NOT_A_WAIT),
        Column("patients", "int64", "Who arrived in the hour and whose care began.", "encounters", _NOT_A_WAIT),
        Column(
            "unseen",
            "int64",
            "Who arrived in the hour and left before care began, or was not seen within a day.",
            "encounters",
            _NOT_A_WAIT,
        ),
        Column(
            "breach_patients",
            "int64",
            "Those with a triage level of whom it is known whether they waited longer than its target.",
            "encounters",
            _NOT_OF_BREACHES,
        ),
        Column("brier", "float64", "Mean of (probability − breach)² over these.", "0–1", _NOT_OF_BREACHES),
        Column(
            "brier_usual",
            "float64",
            "The same of the share of breaches of that sector and level in the 13 weeks before prediction_ts.",
            "0–1",
            _NOT_OF_BREACHES,
        ),
        Column("dt", "date", "Operational day of prediction_ts."),
    ),
)

BATCH_ACCOUNTS = Table(
    "ops",
    "batch_accounts",
    "one row per delivered file and record day",
    ("feed_id", "delivery_seq", "source_sha256", "dt"),
    (
        Column("feed_id", "string", "Feed that delivered the file."),
        Column("batch_id", "string", "Delivery: feed and delivery number."),
        Column("source_file", "string", "File name as delivered."),
        Column("source_sha256", "string", "SHA-256 of the file as delivered."),
        Column("delivery_seq", "int64", "Number of the delivery within its feed."),
        Column("delivered", "int64", "Records delivered; the sum of the next five.", "records"),
        Column("applied", "int64", "Records that stand in silver.", "records"),
        Column("superseded", "int64", "Replaced by a newer version of the same thing.", "records"),
        Column("duplicate", "int64", "Equal to a record already counted.", "records"),
        Column("quarantined", "int64", "Held in silver.quarantine.", "records"),
        Column("ignored", "int64", "Declared out of scope by the feed's mapping.", "records"),
        Column("civil_times_resolved", "int64", "Times in a skipped or repeated hour, resolved.", "times"),
        Column("dt", "date", "Day of the records in bronze."),
    ),
)

TABLES: tuple[Table, ...] = (
    ENCOUNTERS_RAW,
    EVENTS_RAW,
    ENCOUNTERS,
    STAYS,
    EVENTS,
    QUARANTINE,
    OPS_METRICS_HOURLY,
    FEATURES,
    PREDICTIONS,
    PREDICTION_SCORES,
    BATCH_ACCOUNTS,
)
