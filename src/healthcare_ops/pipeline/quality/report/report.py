"""The report that an on-call person opens: what broke, how badly, whose data it is, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo
from functools import cached_property
from itertools import chain
from typing import Any

from healthcare_ops.core.emf import Measured
from healthcare_ops.core.errors import OpsError
from healthcare_ops.core.faults import without_data
from healthcare_ops.core.reasons import Reason
from healthcare_ops.core.tables import ACCOUNT
from healthcare_ops.pipeline.quality.clocks.clock import Diagnosis
from healthcare_ops.pipeline.quality.clocks.shift import FeedShift
from healthcare_ops.pipeline.quality.evaluate import Finding, Verdict
from healthcare_ops.pipeline.quality.history.deviations import Deviation
from healthcare_ops.pipeline.quality.history.expectations import Unjudged
from healthcare_ops.pipeline.quality.report.acceptance import Acceptance, acceptance_of, answered
from healthcare_ops.pipeline.quality.report.causes import FeedsOfSectors, with_causes
from healthcare_ops.pipeline.quality.report.feed_section import FeedAccount, feed_section, in_words
from healthcare_ops.pipeline.quality.report.notice import missing_of, notice, troubles_of
from healthcare_ops.pipeline.quality.report.past import Identity, Told, grows, identity_of, told_by_rule, values_of
from healthcare_ops.pipeline.quality.report.refusals import RefusedFile, refusals_id, refused_section
from healthcare_ops.pipeline.quality.report.score import Scored, risk_score
from healthcare_ops.pipeline.quality.rules.checks import Check
from healthcare_ops.pipeline.quality.wording.rules import fault_text
from healthcare_ops.pipeline.quality.wording.texts import REASON_STEPS

SCHEMA_VERSION = 2
TREND_RUNS = 10
REPORTS_PREFIX = "gold/data_quality_runs/"
# The metric of each part of the account.
_RECORDS: Mapping[str, str] = {
    "delivered": "DQRecordsDelivered",
    "applied": "DQRecordsApplied",
    "superseded": "DQRecordsSuperseded",
    "duplicate": "DQRecordsDuplicate",
    "quarantined": "DQRecordsQuarantined",
    "ignored": "DQRecordsIgnored",
}
# What to hold beside the records of a reason.
COMPARE: Mapping[Reason, str] = {reason: english for reason, (english, _) in REASON_STEPS.items()}


@dataclass(frozen=True)
class SourceRecord:
    """Where a supplier finds a record: feed, file and position (from 1), and the pseudonym of its encounter."""

    feed_id: str
    source_file: str
    record_no: int
    encounter_id: str


@dataclass
class Report:
    """What is known so far of the judged days.

    `past` are the reports of the runs before, the newest first: they are there before anything is asked of them, and
    stay. `versions` are of the rules by table, `records` the delivered records of sampled encounters, `unjudged` the
    places of whose past too little is known, `acceptances` the findings that people answer for, `error` what ended the
    job before all rules were judged. `zone` is the site's, `feeds_of` which feeds tell of its sectors.
    """

    run_id: str
    as_of: datetime
    days: Sequence[date]
    past: Sequence[Mapping[str, Any]] = ()
    versions: dict[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    deviations: Sequence[Deviation] = ()
    unjudged: Sequence[Unjudged] = ()
    clocks: Sequence[Diagnosis] = ()
    shifts: Sequence[FeedShift] = ()
    accounts: Sequence[FeedAccount] = ()
    records: Mapping[str, Sequence[SourceRecord]] = field(default_factory=dict)
    acceptances: Sequence[Acceptance] = ()
    error: BaseException | None = None
    zone: tzinfo = UTC
    feeds_of: FeedsOfSectors = field(default_factory=dict)

    @property
    def scored(self) -> list[Scored]:
        """Return what was found by rules, by the site's past and of its feeds' clocks and files, the worst of each."""
        worst: dict[str, Outlier] = {}
        for found, _ in chain(*self._told.values()):
            before = worst.get(found.rule_id, found)
            verdict = min(found.verdict, before.verdict)  # "fail" sorts before "warn"
            worst[found.rule_id] = replace(found, verdict=verdict, share=max(found.share, before.share))
        refused = [one for account in self._accounts if (one := _of_refused(account))]
        return [*self.findings, *worst.values(), *refused]

    @property
    def of_the_past(self) -> Mapping[str, list[dict[str, Any]]]:
        """Return the sections of what no rule says, those that somebody accepted as warnings."""
        return {name: [section for _, section in told] for name, told in self._told.items()}

    @property
    def _told(self) -> Mapping[str, list[tuple[Outlier, dict[str, Any]]]]:
        told: dict[str, Sequence[tuple[Outlier, Deviation | Diagnosis | FeedShift]]] = {
            "expectations": [(_of_deviation(one), one) for one in self.deviations],
            "clocks": [(_of_clock(one), one) for one in self.clocks],
            "shifts": [(_of_shift(one), one) for one in self.shifts],
        }
        return {name: [self._answered(counted, found) for counted, found in pairs] for name, pairs in told.items()}

    def _answered(self, counted: Outlier, found: Deviation | Diagnosis | FeedShift) -> tuple[Outlier, dict[str, Any]]:
        section = answered(_section(counted, found), self.acceptances)
        return replace(counted, verdict=section["verdict"]), section

    @property
    def _accounts(self) -> list[FeedAccount]:
        """Return the accounts of the feeds, each refused file with who took it back, if anybody did."""
        return [
            replace(account, refused=tuple(self._taken_back(file, account.feed.feed_id) for file in account.refused))
            for account in self.accounts
        ]

    def _taken_back(self, file: RefusedFile, feed_id: str) -> RefusedFile:
        found = acceptance_of(refused_section(file.document, feed_id), self.acceptances)
        return replace(file, accepted=found.document) if found else file

    def history(self, checks: Iterable[Check]) -> Mapping[str, Sequence[Sequence[float | None]]]:
        """Return by rule what its parts measured in the runs before, the newest first; counts, of as many days."""
        days = len(self.days)
        return {check.rule_id: values_of(self._told_before(check), days if grows(check) else None) for check in checks}

    @property
    def sampled(self) -> set[str]:
        """Return the encounters that show what broke a rule."""
        return {sample for finding in self.findings for sample in finding.samples}

    def document(self, written_at: datetime) -> dict[str, Any]:
        """Return the report as plain values; it holds pseudonyms and counts, never an identifier from raw.

        Without a score, and with the verdict `error`, if the job ended before all rules were judged.
        """
        score, contributions = risk_score(self.scored, self._held_share)
        document = {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run_id,
            "as_of": self.as_of.isoformat(),
            "written_at": written_at.isoformat(),
            "days": {"first": min(self.days).isoformat(), "last": max(self.days).isoformat(), "count": len(self.days)},
            "verdict": "error" if self.error else verdict_of(self.scored),
            "error": _told(self.error) if self.error else None,
            "dq_risk_score": None if self.error else round(score, 2),
            "contributions": {}
            if self.error
            else {name: round(points, 2) for name, points in sorted(contributions.items())},
            "rule_versions": dict(self.versions),
            "rules": [self._rule_section(finding) for finding in self.findings],
            **self.of_the_past,
            "unjudged": [asdict(one) for one in self.unjudged],
            "feeds": [feed_section(account, self.as_of) for account in self._accounts],
        }
        told = self._with_causes(document)
        feeds = zip(self.accounts, told["feeds"], strict=True)
        return told | {"feeds": [in_words(section, told) | self._notice(account, told) for account, section in feeds]}

    def _with_causes(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document with its causes; without any if the job ended early and they cannot be told either."""
        try:
            return with_causes(document, self.zone, self.feeds_of)
        except Exception:
            if self.error is None:
                raise
            return {**document, "causes": []}  # what ended the job is told, and what it had found until then is kept

    def metrics(self) -> list[Measured]:
        """Return what is measured of the whole, and of each feed."""
        verdicts = [found.verdict for found in self.scored]
        whole: dict[str, float] = {
            "DQRulesFailed": verdicts.count("fail"),
            "DQRulesWarned": verdicts.count("warn"),
            "DQChecksUnfinished": float(self.error is not None),
        }
        if self.error is None:
            score, _ = risk_score(self.scored, self._held_share)
            whole["DQRiskScore"] = round(score, 2)
        of_feeds = [
            Measured(
                self.as_of,
                {"FeedId": account.feed.feed_id},
                {_RECORDS[fate]: account.counts[fate] for fate in ACCOUNT},
            )
            for account in self.accounts
        ]
        return [Measured(self.as_of, {}, whole), *of_feeds]

    @property
    def _held_share(self) -> float:
        delivered = sum(account.counts["delivered"] for account in self.accounts)
        quarantined = sum(account.counts["quarantined"] for account in self.accounts)
        return quarantined / delivered if delivered else 0.0

    def _rule_section(self, finding: Finding) -> dict[str, Any]:
        check = finding.check
        return {
            "rule_id": check.rule_id,
            "table": check.table,
            "columns": list(check.columns),
            "rule": check.rule,
            "severity": check.severity,
            "verdict": finding.verdict,
            "checked": finding.checked,
            "null_count" if check.is_completeness else "violations": finding.violations,
            "share": round(finding.share, 6),
            "values": [measured.value for measured in finding.measured],
            "thresholds": [measured.limit for measured in finding.measured],
            "tolerated": check.tolerated,
            "reason": check.reason,
            "next_step": finding.next_step,
            **fault_section(finding),
            "places": [asdict(place) for place in finding.places],
            "samples": [asdict(record) for sample in finding.samples for record in self.records.get(sample, ())],
            "trend": self._trend(check),
        }

    def _trend(self, check: Check) -> list[dict[str, Any]]:
        """Return how the rule fared in the newest runs before, of however many days: as a share these are alike."""
        return [
            {"run_id": report["run_id"], "as_of": report["as_of"]}
            | {name: section[name] for name in ("verdict", "share", "values")}
            for report, section in self._told_before(check)[:TREND_RUNS]
        ]

    def _told_before(self, check: Check) -> Sequence[Told]:
        return self._past_by_rule.get(identity_of(check, self.versions.get(check.table, "")), ())

    @cached_property
    def _past_by_rule(self) -> Mapping[Identity, Sequence[Told]]:
        return told_by_rule(self.past)

    def _notice(self, account: FeedAccount, report: Mapping[str, Any]) -> dict[str, Any]:
        missing = missing_of(account.feed, self.findings, self.records)
        return {"notice": notice(account.feed, missing, self.days, troubles_of(account.feed, report))}


def _told(error: BaseException) -> str:
    """Return an error in words, less what one that is not the product's own may quote from the data."""
    return f"{type(error).__name__}: {error}" if isinstance(error, OpsError) else without_data(error)


def report_key(run_date: date, run_id: str) -> str:
    """Return where the report of a run is kept."""
    return f"{REPORTS_PREFIX}dt={run_date.isoformat()}/{run_id}.json"


def verdict_of(findings: Sequence[Scored]) -> Verdict:
    """Return the worst verdict; a pass needs a rule that had a row to judge."""
    found = {finding.verdict for finding in findings}
    worst_first: tuple[Verdict, ...] = ("fail", "warn", "pass")
    return next((verdict for verdict in worst_first if verdict in found), "not_applicable")


@dataclass(frozen=True)
class Outlier:
    """What no rule says, as the score counts it: a figure, a clock, or files that were refused."""

    rule_id: str
    verdict: Verdict
    share: float


def _of_deviation(found: Deviation) -> Outlier:
    place = ".".join(filter(None, (found.series.table, found.series.place, found.series.column)))
    largest = max(abs(found.observed), abs(found.expected))
    share = abs(found.observed - found.expected) / largest if largest else 0.0
    return Outlier(f"expected.{found.rule}.{place}", found.severity, min(share, 1.0))


def _of_clock(found: Diagnosis) -> Outlier:
    return Outlier(f"clock.{found.clock.feed_id}", "fail" if found.severity == "fail" else "warn", 1.0)


def _of_refused(account: FeedAccount) -> Outlier | None:
    """Return how many of a feed's files were refused; None if none was, but such as somebody took back."""
    refused = sum(file.accepted is None for file in account.refused)
    if not refused:
        return None
    share = refused / (refused + account.taken)
    return Outlier(refusals_id(account.feed.feed_id), "warn", share)


def _of_shift(found: FeedShift) -> Outlier:
    return Outlier(f"clock.{found.feed_id}.{found.other_feed_id}", "fail", 1.0)


def fault_section(finding: Finding) -> dict[str, Any]:
    """Return why a rule could not be judged: the facts, and a sentence of them; nothing of one that was."""
    if finding.fault is None:
        return {}
    line = finding.check.node.position.line
    facts = {"fault_code": finding.fault.code, "fault_line": line, "fault_detail": finding.fault.detail}
    return {"fault": fault_text({"table": finding.check.table, **facts}), **facts}


def _section(counted: Outlier, found: Deviation | Diagnosis | FeedShift) -> dict[str, Any]:
    """Return what no rule says as plain values: by what name it counts, its facts, and a sentence of them."""
    return {"rule_id": counted.rule_id, **found.document, "sentence": found.sentence}
