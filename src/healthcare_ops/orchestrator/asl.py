"""Load a state machine in the Amazon States Language, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.orchestrator.checks import Finding, machine_findings
from healthcare_ops.orchestrator.values import read_json


@dataclass(frozen=True)
class StateMachine:
    """A checked definition."""

    start_at: str
    states: Mapping[str, Mapping[str, Any]]
    timeout_s: float | None = None


def render(text: str, *, prefix: str = "") -> str:
    """Fill a Terraform template whose only variable is `${prefix}`."""
    filled = text.replace("${prefix}", prefix)
    if leftover := re.search(r"\$\{[^}]*\}", filled):
        raise ConfigError(f"template variable {leftover.group()} is not known.", next_step="Only ${prefix} is.")
    return filled


def load(text: str) -> StateMachine:
    """Return the state machine; `ConfigError` names the state and what is wrong with it, and how much else is."""
    definition = _read(text)
    found = list(machine_findings(definition))
    if found:
        more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
        raise ConfigError(f"{found[0]}{more}", next_step="Mend the definition.")
    return machine_of(definition)


def findings(text: str) -> list[Finding]:
    """Return everything that is wrong with a definition; `ConfigError` if it is not JSON at all."""
    return list(machine_findings(_read(text)))


def machine_of(definition: Mapping[str, Any]) -> StateMachine:
    """Return the state machine of a definition that was checked, or of a branch within one."""
    return StateMachine(definition["StartAt"], definition["States"], definition.get("TimeoutSeconds"))


def _read(text: str) -> Any:
    try:
        return read_json(text, is_strict=True)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the definition is not JSON: {error}.", next_step="Mend that line.") from error
