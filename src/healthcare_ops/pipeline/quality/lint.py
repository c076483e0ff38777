"""What there is to say of a DQDL text before it judges anything."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from healthcare_ops.pipeline.quality.compiler import require_compilable
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.dqdl.parser import parse


@dataclass(frozen=True)
class Verdict:
    """Whether a text is DQDL and can be judged here; if not, the first fault and where it stands, from 1."""

    id: Any
    parses: bool
    compiles: bool
    line: int | None = None
    column: int | None = None
    message: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as they are."""
        return asdict(self)


def lint(text: str, case_id: Any = None) -> Verdict:
    """Return what there is to say of a text."""
    parses = False
    try:
        ruleset = parse(text)
        parses = True
        require_compilable(ruleset)
    except DqdlError as error:
        return Verdict(case_id, parses, False, error.line, error.column, error.fault)
    return Verdict(case_id, True, True)


def lint_line(line: str, number: int) -> Verdict:
    """Lint the case `{id, text}` on one line of JSON; whatever is wrong with the case is in its verdict."""
    try:
        case = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Verdict(None, False, False, message=f"line {number} is not JSON: {error}")
    case_id = case.get("id") if isinstance(case, dict) else None
    if not isinstance(case, dict) or not isinstance(case.get("text"), str):
        return Verdict(case_id, False, False, message=f'line {number} is not {{"id": ..., "text": "..."}}.')
    return lint(case["text"], case_id)
