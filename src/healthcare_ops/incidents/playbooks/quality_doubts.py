"""What may be behind a fault of the data: the supplier, our reading of it, the hospital itself, too strict a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import takewhile
from statistics import median

from healthcare_ops.core.reasons import FileFault
from healthcare_ops.incidents.diagnosis import Hypothesis
from healthcare_ops.incidents.evidence import ChangeKind, Evidence
from healthcare_ops.incidents.playbooks.hypotheses import by_change, changes_of, judged, ranked, unchecked
from healthcare_ops.incidents.playbooks.quality_roots import QualityRoot, Section
from healthcare_ops.pipeline.quality.wording.causes import lead_of

_BROKEN = ("warn", "fail")
# A rule that is broken for so long by about as much tells of how the data are, rather than of a fault.
_CHRONIC = timedelta(days=7)
_ABOUT = 0.25
_BY_TRANSFER = {FileFault.FILE_NOT_WHOLE, FileFault.FILE_EMPTY}
_SETUP: tuple[ChangeKind, ...] = ("feed", "site", "settings")


def doubts(one: QualityRoot, report: Section, evidence: Evidence) -> tuple[Hypothesis, ...]:
    """Return the hypotheses about a fault, ranked."""
    of_kind = _DOUBTS.get(one.root.code, _of_values)
    return ranked((*of_kind(one, report, evidence), *_of_rules(one, report, evidence)))


def _of_values(one: QualityRoot, report: Section, evidence: Evidence) -> Iterator[Hypothesis]:
    yield _broke_off("hyp_supplier_values", 0.7, one, report)
    yield by_change("hyp_changed_feed_file", 0.6, evidence, *_SETUP)


def _of_times(one: QualityRoot, report: Section, evidence: Evidence) -> Iterator[Hypothesis]:
    yield unchecked("hyp_supplier_clock", 0.6, "absent")
    yield _broke_off("hyp_supplier_values", 0.5, one, report)
    yield by_change("hyp_changed_feed_file", 0.6, evidence, *_SETUP)


def _of_clock(one: QualityRoot, report: Section, evidence: Evidence) -> Iterator[Hypothesis]:
    lead = lead_of(one.lead, report)
    mistakes = lead.get("mistakes", ())
    yield judged("hyp_zone_mistaken", 0.8, holds=any(found["code"] == "zone_mistaken" for found in mistakes))
    yield judged("hyp_clock_change", 0.7, holds=any(found["code"] != "zone_mistaken" for found in mistakes))
    yield by_change("hyp_changed_feed_file", 0.6, evidence, *_SETUP)
    if lead.get("witness") == "both":
        yield judged("hyp_people_moved", 0.3, holds=False)
    else:
        yield unchecked("hyp_people_moved", 0.3)


def _of_shift(one: QualityRoot, report: Section, evidence: Evidence) -> Iterator[Hypothesis]:
    for name in ("feed", "other_feed"):
        feed_id = str(one.facts[name])
        wrong = [clock for clock in report["clocks"] if clock["feed_id"] == feed_id and clock["offset_h"]]
        if wrong:
            yield judged("hyp_clock_of", 0.7, holds=True, feed=feed_id)
        else:
            yield unchecked("hyp_clock_of", 0.5, feed=feed_id)
    yield by_change("hyp_changed_feed_file", 0.6, evidence, *_SETUP)


def _of_refused(one: QualityRoot, report: Section, evidence: Evidence) -> Iterator[Hypothesis]:
    why = one.facts.get("why")
    yield judged("hyp_cut_in_transfer", 0.7, holds=why in _BY_TRANSFER)
    yield judged("hyp_supplier_format", 0.6, holds=why not in _BY_TRANSFER)
    yield by_change("hyp_changed_feed_file", 0.6, evidence, *_SETUP)


def _of_silence(one: QualityRoot, report: Section, evidence: Evidence) -> Iterator[Hypothesis]:
    return silence_of(one.feed_id, evidence)


def silence_of(feed_id: str, evidence: Evidence) -> Iterator[Hypothesis]:
    """Yield why a feed may deliver nothing."""
    ages = {one.feed_id: one for one in evidence.ages.feeds}
    others = [one for name, one in ages.items() if name != feed_id]
    if others:
        silent = ", ".join(one.feed_id for one in others if one.late_min > 0)
        all_silent = all(one.late_min > 0 for one in others)
        yield judged("hyp_path_down", 0.7, holds=all_silent, feeds=silent or "–")
        yield judged("hyp_supplier_silent", 0.8, holds=not all_silent)
    else:
        lack = evidence.lacks("ages")
        yield unchecked("hyp_path_down", 0.4, lack.why if lack else "out_of_reach", feeds="–")
        yield unchecked("hyp_supplier_silent", 0.8)
    refused = [one for one in evidence.deliveries if one.feed_id == feed_id and one.refused]
    yield judged("hyp_files_refused", 0.6, holds=bool(refused), count=len(refused))
    yield by_change("hyp_changed_feed_file", 0.4, evidence, *_SETUP)


def _of_loss(one: QualityRoot, report: Section, evidence: Evidence) -> Iterator[Hypothesis]:
    yield unchecked("hyp_partial_delivery", 0.7)
    yield _moved("hyp_fewer_patients", 0.4, evidence)
    yield unchecked("hyp_sector_closed", 0.5)


def _of_excess(one: QualityRoot, report: Section, evidence: Evidence) -> Iterator[Hypothesis]:
    yield unchecked("hyp_told_twice", 0.6)
    yield _moved("hyp_more_patients", 0.5, evidence)


def _moved(code: str, weight: float, evidence: Evidence) -> Hypothesis:
    """Return whether the hospital itself moved, as far as its drift was looked at."""
    if evidence.drift is None:
        lack = evidence.lacks("drift")
        return unchecked(code, weight, lack.why if lack else "absent")
    return judged(code, weight, holds=evidence.drift["verdict"] == "real_change")


def _of_rules(one: QualityRoot, report: Section, evidence: Evidence) -> Iterator[Hypothesis]:
    """Yield whether a rule is too strict: it is new, or the data have been so for long."""
    rules = [lead_of(cause, report) for cause in one.causes if cause["kind"] == "rule"]
    for rule in rules:
        facts = {"rule": rule["rule_id"], "share": round(rule["share"], 3)}
        before = [past["share"] for past in rule["trend"]]
        facts |= {"runs": len(before), "usual": round(median(before), 3) if before else None}
        if "fault" in rule:
            yield judged("hyp_rule_unjudged", 0.8, holds=True, rule=rule["rule_id"])
        elif any(rule["table"] in change.name for change in changes_of(evidence, "rules")):
            yield judged("hyp_rule_strict", 0.7, holds=True, **facts)
        elif (is_chronic := _is_chronic(rule)) is None:
            yield unchecked("hyp_rule_strict", 0.4, "absent", **facts)
        else:
            yield judged("hyp_rule_strict", 0.7, holds=is_chronic, **facts)


def _broke_off(code: str, weight: float, one: QualityRoot, report: Section) -> Hypothesis:
    """Return the hypothesis of a sudden fault: supported where the site's past, or past runs, were otherwise."""
    rules = [lead_of(cause, report) for cause in one.causes if cause["kind"] == "rule"]
    found = [_is_chronic(rule) for rule in rules]
    if len(rules) < len(one.causes) or False in found:  # what the past expects is otherwise by what it is
        return judged(code, weight, holds=True)
    if True in found:
        return judged(code, weight, holds=False)
    return unchecked(code, weight, "absent")


def _is_chronic(rule: Section) -> bool | None:
    """Tell whether a rule has been broken by about as much for long; None where its past is too short to tell.

    Many ticks of one bad night are no past: it is asked since when, not in how many runs.
    """
    streak = list(takewhile(lambda past: past["verdict"] in _BROKEN, rule["trend"]))
    if len(streak) < len(rule["trend"]):
        lasted = _lasted(streak)
        return lasted >= _CHRONIC and _is_about(rule, streak)
    if streak and _lasted(streak) >= _CHRONIC:
        return _is_about(rule, streak)
    return None


def _lasted(streak: list[Section]) -> timedelta:
    if not streak:
        return timedelta()
    newest, oldest = (datetime.fromisoformat(one["as_of"]) for one in (streak[0], streak[-1]))
    return newest - oldest


def _is_about(rule: Section, streak: list[Section]) -> bool:
    usual = median(past["share"] for past in streak)
    return bool(abs(rule["share"] - usual) <= _ABOUT * max(usual, rule["share"]))


_DOUBTS: Mapping[str, Callable[[QualityRoot, Section, Evidence], Iterator[Hypothesis]]] = {
    "clock": _of_clock,
    "shift": _of_shift,
    "refused": _of_refused,
    "silent": _of_silence,
    "loss": _of_loss,
    "excess": _of_excess,
    "time_range": _of_times,
    "time_order": _of_times,
}
