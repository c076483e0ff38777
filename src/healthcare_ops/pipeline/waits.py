"""Which encounters tell how long a patient waited."""

from __future__ import annotations

import ibis.expr.types as ir

# Nobody goes home, to a ward or elsewhere without having been seen: there the start of care was not delivered.
_AFTER_CARE = ("home", "admitted", "transferred", "died")


def tells_wait(encounters: ir.Table) -> ir.BooleanValue:
    """Return whether it is known how long each patient waited, or that he waits still or left before care began."""
    is_untold = encounters.discharge_time.notnull() & encounters.disposition.isin(_AFTER_CARE).fill_null(False)
    return encounters.care_start.notnull() | ~is_untold
