"""The form of a diagnosis: one root, the symptoms that it explains, what is thought of it and what may be done.

`triage.diagnose` makes diagnoses of evidence.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from healthcare_ops.core.alarm_file import Runbook, Severity
from healthcare_ops.incidents.evidence import Lacking, Symptom, Unchecked

Fault = Literal[
    "transient",
    "timeout",
    "access_denied",
    "data",
    "data_quality",
    "configuration",
    "killed",
    "stopped",
    "missed",
    "stale",
    "silent_feed",
    "drift",
    "data_fault_as_drift",
    "model_error",
    "secret_age",
    "silent_platform",
    "unknown",
]
# Of `killed` the process died by itself; of `stopped` a person ended the run.
# What of a hypothesis was looked at: evidence speaks for it, or against it, or it could not be checked.
Check = Literal["supported", "refuted", "unchecked"]
Fact = str | int | float | None


@dataclass(frozen=True)
class Phrase:
    """A sentence to be said in any language: its code in the wording, and the facts that stand in it."""

    code: str
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True)
class Root:
    """What one incident is about.

    Attributes
    ----------
    place
        State, job, resource, feed, sector, secret or metric; empty: the platform as a whole.
    code
        What it is more closely: a reason code, the kind of a report's cause, an alarm.
    family
        Names the root instead of fault, place and code where these are learnt bit by bit: forecasts that became bad, a
        training that did not succeed, times or deliveries of a feed are one incident each, whatever is known by when.
    """

    section: Runbook
    fault: Fault
    place: str
    code: str
    family: str = ""

    @property
    def key(self) -> str:
        """Return the name of the root, the same whenever and by whomever it is found."""
        named = (self.family,) if self.family else (self.fault, self.place or "-", self.code)
        return "/".join((self.section, *named))


@dataclass(frozen=True)
class Hypothesis:
    """A cause that would explain what is seen; `weight` (0–1) ranks it among its fellows.

    `lacking` says why an unchecked one could not be checked.
    """

    says: Phrase
    weight: float
    check: Check
    lacking: Lacking | None = None


@dataclass(frozen=True)
class Action:
    """Something that may be done: an entry of policy.toml, with its parameters and the exact command.

    Attributes
    ----------
    is_automatic
        Whether the platform may do it unattended about this root at all; `policy.decide` says whether it may now.
    ready_at
        From when on there is reason to do it: the cause is over, a clean delivery has come. None: not yet.
    """

    name: str
    parameters: Mapping[str, str]
    command: str
    is_automatic: bool
    ready_at: datetime | None = None


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong in one place.

    Attributes
    ----------
    cause
        The likeliest cause, as a sentence.
    began_at
        When it began, as far as runs, reports and alarms tell.
    run_ids
        Runs that failed of it, the oldest first.
    complaint_ids
        Complaints of people that it explains.
    attempts
        How often the newest of them tried the state that failed.
    facts
        What was seen, each a sentence: failing state, error, log line, age of the data, what changed.
    actions
        What may be done, the first one first.
    advice
        What people do besides.
    rests_on
        What an approval depends on besides the root: facts that do not change from minute to minute.
    """

    root: Root
    severity: Severity
    began_at: datetime
    cause: Phrase
    symptoms: tuple[Symptom, ...] = ()
    run_ids: tuple[str, ...] = ()
    complaint_ids: tuple[str, ...] = ()
    attempts: int = 0
    facts: tuple[Phrase, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()
    actions: tuple[Action, ...] = ()
    advice: tuple[Phrase, ...] = ()
    rests_on: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def evidence_hash(self) -> str:
        """Return the SHA-256 of what an approval depends on: if it changes, an approval holds no longer.

        That is the root, its cause, what is thought of it, and what it rests on; not ages, nor how many runs failed.
        """
        facts = {
            "root": self.root.key,
            "cause": self.cause.code,
            "hypotheses": sorted([one.says.code, one.check] for one in self.hypotheses),
            "rests_on": dict(self.rests_on),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
