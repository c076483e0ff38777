"""Changes of the hospital itself that a scenario asks for: other demand, another peak, slower service."""

from __future__ import annotations

from datetime import date

from healthcare_ops.generator.parameters import Change, Parameters
from healthcare_ops.generator.scenario import DemandChange, PeakShift, Scenario, SlowerService


def with_changes(parameters: Parameters, scenario: Scenario, last: date) -> Parameters:
    """Return the parameters with the scenario's changes behind their own; those without an end last until `last`."""
    changes = []
    for fault in scenario.faults:
        if isinstance(fault, DemandChange | PeakShift | SlowerService):
            days = {"first": fault.first, "last": fault.last or max(fault.first, last)}
            changes.append(Change.model_validate(days | _effect(fault)))
    return parameters.model_copy(update={"changes": (*parameters.changes, *changes)})


def _effect(fault: DemandChange | PeakShift | SlowerService) -> dict[str, object]:
    if isinstance(fault, DemandChange):
        return {"arrivals_factor": fault.factor, "sectors": fault.sectors}
    if isinstance(fault, PeakShift):
        return {"peak_shift_h": fault.hours, "sectors": fault.sectors}
    return {"service_factor": fault.factor}
