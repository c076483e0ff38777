from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest

from healthcare_ops.core.alarm_file import AlarmFile
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.validated import validated

SHIPPED = json.loads(files("healthcare_ops.monitoring").joinpath("alarms.json").read_text(encoding="utf-8"))
# People know the first eight by their names; of the others one warns, and one watches who judges them.
FIXED = {
    "PipelineFailure",
    "DQRiskScoreHigh",
    "InferenceStale",
    "ModelErrorHigh",
    "FeatureDrift",
    "WeeklyTrainMissed",
    "FeedSilent",
    "SecretAgeHigh",
    "DQRiskScoreRaised",
    "EvaluatorSilent",
}


def changed(alarm, **different):
    """Return the shipped file with some keys of one alarm changed, or taken away where they are None."""
    document = json.loads(json.dumps(SHIPPED))
    (found,) = [
        one for kind in ("MetricAlarms", "CompositeAlarms") for one in document[kind] if one["AlarmName"] == alarm
    ]
    found |= different
    for key in [key for key, value in different.items() if value is None]:
        del found[key]
    return document


def test_every_alarm_that_people_know_by_its_name_is_there():
    file = validated(SHIPPED, AlarmFile, "alarms.json")

    children = {child for composite in file.composite_alarms for child in composite.children}
    names = {alarm.alarm_name for alarm in (*file.metric_alarms, *file.composite_alarms)}
    assert names - children == FIXED


def test_the_shipped_alarms_meet_the_published_schema():
    judge = jsonschema.Draft202012Validator(AlarmFile.model_json_schema())

    assert list(judge.iter_errors(SHIPPED)) == []
    assert list(judge.iter_errors(changed("FeedSilent", Statistic="p90"))) != []


@pytest.mark.parametrize(
    ("alarm", "different", "said"),
    [
        ("FeedSilent", {"Treshold": 3}, "unknown key `MetricAlarms.10.Treshold` = 3"),
        ("FeedSilent", {"Threshold": None}, "key `MetricAlarms.10.Threshold` is missing"),
        ("FeedSilent", {"Threshold": "high"}, "key `MetricAlarms.10.Threshold` = 'high'"),
        ("FeedSilent", {"Statistic": "p90"}, "key `MetricAlarms.10.Statistic` = 'p90'"),
        ("FeedSilent", {"TreatMissingData": "nonBreaching"}, "key `MetricAlarms.10.TreatMissingData` = 'nonBreaching'"),
        ("FeedSilent", {"Runbook": "INC-9"}, "key `MetricAlarms.10.Runbook` = 'INC-9'"),
        ("FeedSilent", {"Severity": "high"}, "key `MetricAlarms.10.Severity` = 'high'"),
        ("FeedSilent", {"Period": 90}, "`Period` = 90 is not 10, 20, 30 or a multiple of 60"),
        ("FeedSilent", {"DatapointsToAlarm": 2}, "`DatapointsToAlarm` = 2 is more than `EvaluationPeriods` = 1"),
        ("FeedSilent", {"EvaluationPeriods": 300}, "`Period` × `EvaluationPeriods` = 90000 s is longer than 86400 s"),
        ("SecretAgeHigh", {"EvaluationPeriods": 169}, "= 608400 s is longer than 604800 s"),
        ("FeedSilent", {"MetricName": "FeedLate"}, "`MetricName` = 'FeedLate' is no registered metric"),
        ("FeedSilent", {"ForEach": ["SectorId"]}, "FeedLateMin is of FeedId; `Dimensions` and `ForEach` name SectorId"),
        ("FeedSilent", {"AlarmName": "FeatureDrift"}, "`AlarmName` = 'FeatureDrift' stands twice"),
        ("ModelErrorHigh", {"AlarmRule": "NOT ALARM(FeedSilent)"}, "= 'NOT ALARM(FeedSilent)' is not `ALARM(a) OR"),
        ("ModelErrorHigh", {"AlarmRule": "ALARM(Nobody)"}, "`AlarmRule` names 'Nobody', which is no metric alarm"),
        ("ModelErrorHigh", {"AlarmRule": "ALARM(FeatureDrift)"}, "`ForEach` is not that of FeatureDrift"),
    ],
)
def test_a_mistake_in_the_alarms_is_named_with_the_key_and_the_bad_value(alarm, different, said):
    with pytest.raises(ConfigError) as raised:
        validated(changed(alarm, **different), AlarmFile, "alarms.json")

    assert raised.value.message.startswith("alarms.json: ")
    assert said in raised.value.message
