from __future__ import annotations

import ast
from pathlib import Path

import healthcare_ops
from healthcare_ops.core.metric_names import DIMENSIONS, METRICS

SOURCE = Path(healthcare_ops.__file__).parent
REGISTRY = SOURCE / "core" / "metric_names.py"


def texts_of_the_product():
    """Return every text that stands in the code beside the registry."""
    return {
        node.value
        for path in SOURCE.rglob("*.py")
        if path != REGISTRY
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_registered_metric_is_measured_somewhere():
    # The other way round `emf_line` refuses what is not registered.
    assert set(METRICS) - texts_of_the_product() == set()


def test_every_dimension_that_metrics_have_is_explained_and_no_other():
    assert {dimension for metric in METRICS.values() for dimension in metric.dimensions} == set(DIMENSIONS)


def test_a_metric_says_in_its_name_what_cloudwatch_has_no_unit_for():
    units = {"Min": "minutes", "Hours": "hours", "Days": "days"}

    told = [(name, word) for name in METRICS for suffix, word in units.items() if name.endswith(suffix)]

    assert {name for name, _ in told} >= {"ForecastAgeMin", "TrainOverdueHours", "SecretAgeDays"}
    assert [name for name, word in told if not METRICS[name].meaning.startswith(word)] == []
    assert {METRICS[name].unit for name, _ in told} == {"None"}
