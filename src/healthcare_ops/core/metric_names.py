"""Every metric that the product measures: its name, unit, what it is of, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# Of those that CloudWatch knows; minutes, hours and days are not among them, and stand in the metric's name.
Unit = Literal["None", "Count", "Seconds"]


@dataclass(frozen=True)
class MetricName:
    """One metric.

    Attributes
    ----------
    dimensions
        What it is of, by the names in `DIMENSIONS`; none: of the whole platform.
    is_event
        Whether each value is something that happened, to be added up; else it is a level, the newest of which counts.
    """

    name: str
    unit: Unit
    dimensions: tuple[str, ...]
    meaning: str
    is_event: bool = False


# Names of the configuration and of the product, never of the data.
DIMENSIONS: Mapping[str, str] = {
    "RunType": "type of run: daily, inference or weekly_train",
    "Status": "how a run ended: SUCCEEDED, FAILED, TIMED_OUT or ABORTED",
    "Job": "name of a job",
    "FeedId": "feed, as its feed file names it",
    "SecretName": "name of a secret",
    "Metric": "what is forecast, as `metric` of `gold.predictions` names it",
    "SectorId": "sector, as site.toml names it; `*` for all together",
    "HorizonH": "hours ahead",
}
_RUN = ("RunType",)
_FEED = ("FeedId",)
_FORECAST = ("Metric", "SectorId", "HorizonH")
_MODEL = ("Metric",)

_ALL = (
    MetricName("RunsEnded", "Count", ("RunType", "Status"), "a run ended", is_event=True),
    MetricName(
        "RunsUnsuccessful", "Count", _RUN, "1 for a run that ended otherwise than SUCCEEDED, else 0", is_event=True
    ),
    MetricName("RunSeconds", "Seconds", _RUN, "how long a run took, waits included"),
    MetricName("JobSeconds", "Seconds", ("Job",), "how long a job took, whether it succeeded or not"),
    MetricName(
        "FailuresCaught", "Count", (), "`OpenIncident` recorded a failure; none of TIMED_OUT, ABORTED", is_event=True
    ),
    MetricName(
        "DQRiskScore", "None", (), "risk score of the last judged days, 0–100; a broken `fail` rule: 60 or more"
    ),
    MetricName("DQRulesFailed", "Count", (), "rules that failed, the site's past and clocks among them"),
    MetricName("DQRulesWarned", "Count", (), "rules that warned"),
    MetricName("DQChecksUnfinished", "Count", (), "1 if `dq_check` ended before all was judged: there is no score"),
    MetricName("DQRecordsDelivered", "Count", _FEED, "records of the judged days that were delivered"),
    MetricName("DQRecordsApplied", "Count", _FEED, "of these, those that count"),
    MetricName("DQRecordsSuperseded", "Count", _FEED, "of these, those that a later version replaced"),
    MetricName("DQRecordsDuplicate", "Count", _FEED, "of these, those that were delivered before"),
    MetricName("DQRecordsQuarantined", "Count", _FEED, "of these, those that are held back"),
    MetricName("DQRecordsIgnored", "Count", _FEED, "of these, those that tell of nothing that is asked for"),
    MetricName(
        "ForecastMAPE", "None", _FORECAST, "MAPE of a week, over hours in which something happened (0.2 = 20 %)"
    ),
    MetricName("ForecastMAPEFloor", "None", _FORECAST, "MAPE of a week that who knows the true rate would have"),
    MetricName("ForecastMAPEOverFloor", "None", _FORECAST, "MAPE ÷ its noise floor, of a week"),
    MetricName("ForecastWAPE", "None", _FORECAST, "Σ|error| ÷ Σ actual, of a week"),
    MetricName("ForecastMASE", "None", _FORECAST, "mean error ÷ that of the same hour one week before, of a week"),
    MetricName("ForecastBias", "None", _FORECAST, "mean of forecast − actual, of a week"),
    MetricName("ForecastCoverage90", "None", _FORECAST, "share of a week's hours within the 90 % interval (0–1)"),
    MetricName("ForecastPinball", "None", _FORECAST, "mean pinball loss of a week"),
    MetricName("ForecastBreachBrier", "None", _FORECAST, "Brier score of a week's breach probabilities of waits, 0–1"),
    MetricName("ForecastBreachBrierUsual", "None", _FORECAST, "the same of the usual share of breaches, 0–1"),
    MetricName("ModelMAPE", "None", _MODEL, "MAPE of the last day, of all sectors together, +1, +4 and +24 h"),
    MetricName("ModelMAPEOverFloor", "None", _MODEL, "the same MAPE ÷ its noise floor"),
    MetricName("ModelMASE", "None", _MODEL, "MASE of the last day, of all sectors together, +1, +4 and +24 h"),
    MetricName("ModelBias", "None", _MODEL, "|Σ (forecast − actual)| ÷ Σ actual of the last day, likewise"),
    MetricName("ModelCoverage90", "None", _MODEL, "share of the last day's hours within the 90 % interval, likewise"),
    MetricName("ModelAge", "Seconds", (), "how long ago the model in use stopped learning"),
    MetricName("DriftFindings", "Count", (), "changes since the model in use learnt"),
    MetricName("DriftRealChange", "Count", (), "1 if the hospital has changed and its data are sound"),
    MetricName("DriftDataFault", "Count", (), "1 if the data are at fault for what has changed"),
    MetricName(
        "FeatureDriftScore", "None", (), "largest change that no season explains ÷ the smallest worth finding; 0: none"
    ),
    MetricName("ForecastAgeMin", "None", (), "minutes since the newest forecast was made"),
    MetricName("ForecastLateMin", "None", (), "minutes since the newest forecast beyond the time from tick to tick"),
    MetricName(
        "FeedLateMin",
        "None",
        _FEED,
        "minutes a feed is late beyond its cadence, what it may be late, and a tick; 0: it is not",
    ),
    MetricName(
        "TrainOverdueHours", "None", (), "hours since `weekly_train` was due on a Sunday without one that succeeded"
    ),
    MetricName("SecretAgeDays", "None", ("SecretName",), "days since a secret that is to be rotated was set"),
    MetricName("EvaluatorBeat", "Count", (), "the alarms are about to be judged", is_event=True),
)
METRICS: Mapping[str, MetricName] = {metric.name: metric for metric in _ALL}
