"""Rules that pass every look at their text, and fail on the rows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.tables import ENCOUNTERS, ENCOUNTERS_RAW
from hospital import open_hospital, visit

NOW = "2026-03-13T18:00:00-03:00"
NAME = "MARIA 12345678900"


def judged_by(hospital, table, text):
    context = replace(hospital.context, rules={**hospital.context.rules, table.id: text})
    hospital.platform = replace(hospital.platform, context=context)
    hospital.deliver(
        "visits", [visit("V-1", "2026-03-12T10:00:00"), visit("V-2", "2026-03-12T11:00:00", place=NAME)], "a.csv"
    )
    with pytest.raises(ConfigError) as failure:
        hospital.refine()
    (key,) = hospital.context.objects.list("gold/data_quality_runs/")
    return failure.value, json.loads(hospital.context.objects.read(key))


def test_a_rule_that_overflows_is_named_with_its_line(tmp_path):
    text = 'Rules = [\n RowCount = 0 where "triage_level * 9223372036854775807 > 1" labels=["id"="too.large"]\n]'
    with open_hospital(tmp_path, NOW) as hospital:
        error, report = judged_by(hospital, ENCOUNTERS, text)

    assert "rules/silver.encounters.dqdl, line 2: rule too.large fails" in error.message
    assert report["verdict"] == "error"


def test_what_a_query_fails_on_is_not_told(tmp_path):
    text = 'Rules = [ CustomSql "select count(*) from primary where sector = 5" = 0 ]'
    with open_hospital(tmp_path, NOW) as hospital:
        error, report = judged_by(hospital, ENCOUNTERS_RAW, text)

    assert "conversion" in error.message
    assert NAME not in str(error)
    assert NAME not in json.dumps(report)
