"""Whether the platform acts: unattended on what passes, after an approval on what a person must judge, else not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from healthcare_ops.core.incident import PLATFORM, Approval
from healthcare_ops.incidents.actions import ActionRule, action_rules
from healthcare_ops.incidents.diagnosis import Action, Diagnosis, Phrase

# Do it now; do it by itself later; a person is to approve; it is for people to do.
Verdict = Literal["act", "wait", "ask", "leave"]


@dataclass(frozen=True)
class Tried:
    """An action that was carried out for the incident, with whatever result."""

    action: str
    parameters: Mapping[str, str]
    at: datetime


@dataclass(frozen=True)
class Decision:
    """Whether to act, and why; of `wait` not before when, if that is known. `approval` is the one that allows it."""

    verdict: Verdict
    why: Phrase
    not_before: datetime | None = None
    approval: Approval | None = None


def decide(
    diagnosis: Diagnosis,
    action: Action,
    now: datetime,
    *,
    tried: Sequence[Tried] = (),
    approvals: Sequence[Approval] = (),
) -> Decision:
    """Return whether the platform carries an action out now.

    Parameters
    ----------
    tried
        What was carried out for the incident, the oldest first.
    approvals
        All that were given for the incident.
    """
    rule = action_rules()[action.name]
    if rule.by == "people":
        return Decision("leave", Phrase("decided_people"))
    valid = [one for one in approvals if is_valid(one, diagnosis, action, now, tried=tried)]
    if valid:
        return Decision("act", Phrase("decided_approved", {"by": valid[-1].by}), approval=valid[-1])
    if diagnosis.root.fault in rule.automatic_for:
        return _unattended(rule, action, now, [one.at for one in tried if _key_of(one) == _key(action)])
    has_expired = any(_key_of(one) == _key(action) for one in approvals)
    return Decision("ask", Phrase("decided_expired" if has_expired else "decided_approval"))


def is_valid(
    approval: Approval, diagnosis: Diagnosis, action: Action, now: datetime, *, tried: Sequence[Tried] = ()
) -> bool:
    """Tell whether an approval allows an action now.

    It must name a person, for the platform cannot approve what it does itself, and a reason, be of this action with
    these parameters and of the evidence as it is, and not have been used.
    """
    is_used = any(_key_of(one) == _key(action) and one.at >= approval.at for one in tried)
    return (
        approval.by.strip() not in ("", PLATFORM)
        and bool(approval.reason.strip())
        and _key_of(approval) == _key(action)
        and approval.evidence_hash == diagnosis.evidence_hash
        and approval.at <= now
        and not is_used
    )


def _unattended(rule: ActionRule, action: Action, now: datetime, tried_at: Sequence[datetime]) -> Decision:
    if len(tried_at) >= rule.attempts:
        return Decision("ask", Phrase("decided_exhausted", {"attempts": len(tried_at)}))
    if action.ready_at is None:
        return Decision("wait", Phrase("decided_not_ready"))
    not_before = action.ready_at
    if tried_at:
        not_before = max(not_before, tried_at[-1] + rule.wait_before(len(tried_at)))
    if now < not_before:
        return Decision("wait", Phrase("decided_later"), not_before)
    return Decision("act", Phrase("decided_automatic", {"attempt": len(tried_at) + 1, "attempts": rule.attempts}))


def _key(action: Action) -> tuple[str, dict[str, str]]:
    return action.name, dict(action.parameters)


def _key_of(one: Tried | Approval) -> tuple[str, dict[str, str]]:
    return one.action, dict(one.parameters)
