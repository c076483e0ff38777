from __future__ import annotations

import re

import pytest

from healthcare_ops.core.tables import (
    ENCOUNTERS,
    LINEAGE,
    NEVER_NULL,
    OPS_METRICS_HOURLY,
    PREDICTION_SCORES,
    PREDICTIONS,
    STAYS,
    TABLES,
)

EVERY_TABLE = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.id)


def test_the_lake_holds_the_tables_that_the_design_names():
    assert [table.id for table in TABLES] == [
        "bronze.encounters_raw",
        "bronze.events_raw",
        "silver.encounters",
        "silver.stays",
        "silver.events",
        "silver.quarantine",
        "gold.ops_metrics_hourly",
        "gold.features",
        "gold.predictions",
        "gold.prediction_scores",
        "ops.batch_accounts",
    ]


@EVERY_TABLE
def test_a_table_says_what_one_row_is(table):
    assert re.fullmatch(r"one row per \S.*[^.]", table.grain)


@EVERY_TABLE
def test_no_two_columns_of_a_table_share_a_name(table):
    assert len(set(table.column_names)) == len(table.columns)
    assert [name for name in table.column_names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []


@EVERY_TABLE
def test_key_and_partition_are_columns_that_are_never_null(table):
    null = {column.name: column.null for column in table.columns}

    assert {null[name] for name in (*table.key, table.partition)} == {NEVER_NULL}
    assert table.types()[table.partition] == "date"


@EVERY_TABLE
def test_every_column_is_described_and_says_what_null_means(table):
    assert [column.name for column in table.columns if not column.description.strip().endswith(".")] == []
    assert [column.name for column in table.columns if not column.null.strip()] == []


@EVERY_TABLE
def test_every_instant_is_utc(table):
    assert [column.name for column in table.columns if column.type == "timestamp" and column.unit != "UTC"] == []


@EVERY_TABLE
def test_a_column_that_ends_in_a_unit_has_that_unit(table):
    units = {"_min": "min", "_h": "h", "_rate": "ratio"}

    wrong = [
        column.name
        for column in table.columns
        for ending, unit in units.items()
        if column.name.endswith(ending) and column.unit != unit
    ]

    assert wrong == []


@pytest.mark.parametrize("table", [table for table in TABLES if table.layer == "bronze"], ids=lambda table: table.id)
def test_a_bronze_record_can_be_looked_up_at_the_supplier(table):
    assert table.columns[: len(LINEAGE)] == LINEAGE
    assert [column.name for column in LINEAGE] == [
        "feed_id",
        "batch_id",
        "source_file",
        "source_sha256",
        "record_no",
        "delivery_seq",
        "ingested_at",
    ]


def test_an_encounter_has_the_instants_and_waits_of_the_design():
    assert set(ENCOUNTERS.column_names) >= {
        "arrival_time",
        "triage_start",
        "triage_end",
        "care_start",
        "admit_time",
        "discharge_time",
        "sector_id",
        "triage_level",
        "wait_triage_min",
        "wait_service_min",
        "total_wait_min",
        "los_min",
    }


def test_a_stay_that_goes_on_has_no_end():
    (end,) = (column for column in STAYS.columns if column.name == "end_time")

    assert end.null == "still there"


def test_an_hour_of_a_sector_has_the_measures_of_the_design():
    assert set(OPS_METRICS_HOURLY.column_names) >= {
        "arrivals_count",
        "departures_count",
        "wait_avg_min",
        "wait_p90_min",
        "queue_length",
        "occupied_beds",
        "occupancy_rate",
        "avg_triage_acuity",
        "left_without_care",
        "boarding",
        "nedocs",
        "ventilated",
        "risk_score",
    }


def test_a_prediction_has_the_columns_of_the_design():
    types = PREDICTIONS.types()

    wanted = {
        "prediction_ts": "timestamp",
        "target_time": "timestamp",
        "horizon_h": "int64",
        "sector_id": "string",
        "metric": "string",
        "mean": "float64",
        **dict.fromkeys(("q05", "q10", "q25", "q50", "q75", "q90", "q95"), "float64"),
        "model_version": "string",
        "data_as_of": "timestamp",
    }

    assert {name: types[name] for name in wanted} == wanted


def test_a_score_is_one_per_metric_sector_origin_target_and_model():
    assert set(PREDICTION_SCORES.key) == {"metric", "sector_id", "prediction_ts", "target_time", "model_version"}
    assert PREDICTION_SCORES.key == PREDICTIONS.key
    assert set(PREDICTIONS.column_names) < set(PREDICTION_SCORES.column_names)
