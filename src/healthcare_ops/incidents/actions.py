"""What may be done about an incident, as policy.toml has it."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import ClassVar, Literal

from pydantic import Field

from healthcare_ops.core.alarm_file import Runbook
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.language import Language
from healthcare_ops.core.validated import Strict, validated
from healthcare_ops.incidents.diagnosis import Action, Diagnosis, Fault

POLICY_FILE = "policy.toml"


class ActionRule(Strict):
    """One action: who does it, about which faults unattended, how often, by which command."""

    next_step: ClassVar[str] = f"Correct the key in {POLICY_FILE}."
    name: str
    by: Literal["platform", "people"]
    automatic_for: tuple[Fault, ...] = ()
    attempts: int = Field(default=1, ge=1, description="So often an incident.")
    wait_min: float = Field(default=0.0, ge=0, description="Minutes before the first time; doubled each time.")
    command: str
    runbook: Runbook
    en: str
    pt: str

    def wait_before(self, attempt: int) -> timedelta:
        """Return how long to wait before an attempt, the first one being 0."""
        return timedelta(minutes=self.wait_min * 2.0**attempt)

    def text(self, language: Language) -> str:
        """Return what it does."""
        return self.en if language == "en" else self.pt


class _Policy(Strict):
    next_step: ClassVar[str] = f"Correct the key in {POLICY_FILE}."
    schema_version: Literal[1]
    actions: tuple[ActionRule, ...]


@cache
def action_rules() -> Mapping[str, ActionRule]:
    """Return every action by its name; `ConfigError` names the key and the bad value."""
    text = files("healthcare_ops.incidents").joinpath(POLICY_FILE).read_text(encoding="utf-8")
    policy = validated(tomllib.loads(text), _Policy, POLICY_FILE)
    return {one.name: one for one in policy.actions}


def action(name: str, fault: Fault, ready_at: datetime | None = None, **parameters: str) -> Action:
    """Return an action about a fault, with its exact command; what NAME, WHY, FILE and BATCH stand for people add."""
    rule = action_rules()[name]
    command = rule.command.format(**{key: shlex.quote(value) for key, value in parameters.items()})
    return Action(name, parameters, command, rule.by == "platform" and fault in rule.automatic_for, ready_at)


def chosen(diagnosis: Diagnosis, wanted: str, of: str) -> Action:
    """Return the action of a diagnosis that a person means; `ConfigError` if it is none, or one for people."""
    values = {number: one.parameters.values() for number, one in enumerate(diagnosis.actions) if one.name == wanted}
    meant = [number for number, told in values.items() if not of or any(value.startswith(of) for value in told)]
    named = [diagnosis.actions[number] for number in meant]
    if len(named) != 1:
        there = ", ".join(dict.fromkeys(one.name for one in diagnosis.actions)) or "nothing"
        which = "; ".join(", ".join(one.parameters.values()) for one in named)
        what = f"{len(named)} actions {wanted}, of {which}" if named else f"no action {wanted!r}{of and f' of {of}'}"
        raise ConfigError(f"the incident has {what}.", next_step=f"It has: {there}; `--of` says which one.")
    if action_rules()[wanted].by == "people":
        raise ConfigError(f"{wanted} is for people to do.", next_step=f"Run `{named[0].command}`.")
    return named[0]
