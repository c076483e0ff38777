"""`hops metrics`."""

from __future__ import annotations

import sys

from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, AsOf, Json, State, clock_at, objects_of
from healthcare_ops.entrypoints.cli.output import emit_json


def metrics(state: State = DEFAULT_STATE, as_of: AsOf = "", as_json: Json = False) -> None:
    """Print what is measured of the platform, in the text format that Prometheus reads.

    Levels have their newest value of the last 25 hours; what happens is counted over the last 24.

    Example: hops metrics
    """
    from healthcare_ops.adapters.local_metrics import METRICS_FOLDER, MetricHistory
    from healthcare_ops.adapters.prometheus import exposition
    from healthcare_ops.operations.metrics import LOOK_BACK, current

    objects_of(state)
    now = clock_at(as_of).now()
    found = current(MetricHistory(state / METRICS_FOLDER).since(now - LOOK_BACK), now)
    if as_json:
        rows = [
            {
                "metric": one.metric.name,
                "of": one.of,
                "at": one.at.isoformat(),
                "value": one.value,
                "unit": one.metric.unit,
                "is_event": one.metric.is_event,
                "meaning": one.metric.meaning,
            }
            for one in found
        ]
        emit_json({"as_of": now.isoformat(), "metrics": rows})
        return
    sys.stdout.write(exposition((one.metric, one.of, one.value) for one in found))
