"""Which rules can be judged here."""

from __future__ import annotations

from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.rule_types import RULE_TYPES
from healthcare_ops.pipeline.quality.dqdl.syntax import Ruleset, leaves

# They look at files and at jobs of Glue, not at a table.
_ELSEWHERE = {
    "FileCount",
    "FileFreshness",
    "FileMatch",
    "FileSize",
    "FileUniqueness",
    "JobDuration",
    "JobStatus",
}
COMPILED = frozenset(RULE_TYPES) - _ELSEWHERE


def check_compiles(ruleset: Ruleset) -> None:
    """Raise `DqdlError` for the first rule that cannot be judged on a table."""
    for node in ruleset.rules:
        for rule in leaves(node):
            if rule.rule_type not in COMPILED:
                raise DqdlError(
                    f"{rule.rule_type} looks at files or jobs, which only Glue does.",
                    rule.position,
                    next_step="Take the rule out; docs/dqdl.md says what is judged.",
                )
