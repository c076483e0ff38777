"""What alarms.json may say: alarms by CloudWatch's own parameters, and a few keys of the product's."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.alias_generators import to_pascal

from healthcare_ops.core.metric_names import METRICS
from healthcare_ops.core.validated import Strict

Severity = Literal["critical", "warning", "info"]
Runbook = Literal["INC-01", "INC-02", "INC-03", "MAINTENANCE"]
Statistic = Literal["SampleCount", "Sum", "Average", "Minimum", "Maximum"]
Comparison = Literal[
    "GreaterThanThreshold",
    "GreaterThanOrEqualToThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
]
Treatment = Literal["missing", "ignore", "breaching", "notBreaching"]
_Name = Annotated[str, Field(pattern="^[A-Z][A-Za-z0-9-]*$", max_length=255)]
_RULE = re.compile(r"ALARM\(([A-Z][A-Za-z0-9-]*)\)(?: OR ALARM\([A-Z][A-Za-z0-9-]*\))*")
_CHILD = re.compile(r"ALARM\(([A-Za-z0-9-]+)\)")
_HOUR_S, _DAY_S = 3600, 86400


class _Entry(Strict):
    next_step: ClassVar[str] = "Correct the key in alarms.json."
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_pascal)


class Dimension(_Entry):
    """One dimension of the metric, with its value."""

    name: str
    value: str


class _Alarm(_Entry):
    alarm_name: _Name = Field(description="Name of the alarm; the same in every language.")
    alarm_description: str = Field(min_length=1, description="What it means that it is in ALARM.")
    for_each: tuple[str, ...] = Field(
        default=(), description="Dimensions for each value of which the alarm is judged by itself."
    )
    severity: Severity = Field(description="How urgent it is.")
    runbook: Runbook = Field(description="Section of the runbook.")


class MetricAlarm(_Alarm):
    """An alarm on one metric; parameters as `PutMetricAlarm` of Amazon CloudWatch has them."""

    namespace: Literal["HealthcareOps"] = Field(description="Namespace of the metric.")
    metric_name: str = Field(description="A registered metric.")
    dimensions: tuple[Dimension, ...] = Field(default=(), description="What the metric is of, beside `ForEach`.")
    statistic: Statistic = Field(description="What a period's values become.")
    period: int = Field(ge=10, description="Length of a period in seconds: 10, 20, 30 or a multiple of 60.")
    evaluation_periods: int = Field(ge=1, description="N: so many datapoints are judged.")
    datapoints_to_alarm: int = Field(ge=1, description="M: so many of them must breach.")
    threshold: float = Field(description="What a datapoint is compared with.")
    comparison_operator: Comparison = Field(description="How a datapoint that breaches compares to the threshold.")
    treat_missing_data: Treatment = Field(description="What a period without a value counts for.")

    @model_validator(mode="after")
    def _is_one_that_cloudwatch_takes(self) -> Self:
        if self.period not in (10, 20, 30) and self.period % 60:
            raise ValueError(f"{self.alarm_name}: `Period` = {self.period} is not 10, 20, 30 or a multiple of 60")
        if self.datapoints_to_alarm > self.evaluation_periods:
            raise ValueError(
                f"{self.alarm_name}: `DatapointsToAlarm` = {self.datapoints_to_alarm} is more than "
                f"`EvaluationPeriods` = {self.evaluation_periods}"
            )
        longest = _DAY_S if self.period < _HOUR_S else 7 * _DAY_S
        if self.period * self.evaluation_periods > longest:
            raise ValueError(
                f"{self.alarm_name}: `Period` × `EvaluationPeriods` = {self.period * self.evaluation_periods} s "
                f"is longer than {longest} s"
            )
        return self

    @model_validator(mode="after")
    def _is_of_a_registered_metric(self) -> Self:
        metric = METRICS.get(self.metric_name)
        if metric is None:
            raise ValueError(f"{self.alarm_name}: `MetricName` = {self.metric_name!r} is no registered metric")
        named = (*(dimension.name for dimension in self.dimensions), *self.for_each)
        if sorted(named) != sorted(metric.dimensions):
            raise ValueError(
                f"{self.alarm_name}: {self.metric_name} is of {', '.join(metric.dimensions) or 'nothing'}; "
                f"`Dimensions` and `ForEach` name {', '.join(named) or 'nothing'}"
            )
        return self


class CompositeAlarm(_Alarm):
    """An alarm on other alarms; of CloudWatch's language of rules only `ALARM(name) OR ALARM(name)`."""

    alarm_rule: str = Field(description="`ALARM(name)`, or several with OR between.")

    @model_validator(mode="after")
    def _has_a_rule_that_is_understood(self) -> Self:
        if not _RULE.fullmatch(self.alarm_rule):
            raise ValueError(f"{self.alarm_name}: `AlarmRule` = {self.alarm_rule!r} is not `ALARM(a) OR ALARM(b)`")
        return self

    @property
    def children(self) -> tuple[str, ...]:
        """Return the alarms that the rule names."""
        return tuple(_CHILD.findall(self.alarm_rule))


class AlarmFile(_Entry):
    """Every alarm of the product; Terraform reads the same file."""

    schema_version: Literal[1] = 1
    metric_alarms: tuple[MetricAlarm, ...] = Field(min_length=1)
    composite_alarms: tuple[CompositeAlarm, ...] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [alarm.alarm_name for alarm in (*self.metric_alarms, *self.composite_alarms)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"`AlarmName` = {twice[0]!r} stands twice")
        each = {alarm.alarm_name: alarm.for_each for alarm in self.metric_alarms}
        for composite in self.composite_alarms:
            for child in composite.children:
                if child not in each:
                    raise ValueError(f"{composite.alarm_name}: `AlarmRule` names {child!r}, which is no metric alarm")
                if each[child] != composite.for_each:
                    raise ValueError(f"{composite.alarm_name}: `ForEach` is not that of {child}")
        return self
