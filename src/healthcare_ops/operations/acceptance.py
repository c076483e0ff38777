"""Findings that nobody can mend: a person answers for them, and the run goes on; or takes that back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from healthcare_ops.bootstrap.platform import Platform
from healthcare_ops.core.civil_time import civil_day
from healthcare_ops.core.errors import ConfigError, NotFoundError, QualityError
from healthcare_ops.core.feed import Feed
from healthcare_ops.jobs import REFINE_JOBS
from healthcare_ops.jobs.acceptances import ACCEPT, WITHDRAW, acceptances, details_of, newest_of_each
from healthcare_ops.jobs.refusals import refused_files
from healthcare_ops.jobs.silver_to_gold import silver_changes
from healthcare_ops.operations import audit, bulk
from healthcare_ops.operations.quarantine import Standing
from healthcare_ops.operations.reading import newest_report
from healthcare_ops.pipeline.quality.report.acceptance import (
    Acceptance,
    Seen,
    acceptance_of,
    answered,
    command_of,
    seen_of,
)
from healthcare_ops.pipeline.quality.report.causes import judged_anew
from healthcare_ops.pipeline.quality.report.feed_section import in_words
from healthcare_ops.pipeline.quality.report.notice import notice_now
from healthcare_ops.pipeline.quality.report.past import ACCEPTANCE, DECISION
from healthcare_ops.pipeline.quality.report.refusals import refusals_id, refused_section
from healthcare_ops.pipeline.quality.wording.feeds import facts_of
from healthcare_ops.pipeline.quality.wording.findings import PAST_LISTS

_TOLD = 5


@dataclass(frozen=True)
class Answered:
    """What came of accepting findings of one name, or of taking that back: `of` are their days, or the names of files.

    `jobs` are the outcomes of the jobs that went on then, none if no day waited; `failure` is what stopped them:
    another finding, or the same one once more. If it was so `already`, nothing was written to the log.
    """

    kind: Literal["accept", "withdraw"]
    rule_id: str
    of: tuple[str, ...]
    by: str
    reason: str
    jobs: Mapping[str, Any]
    failure: QualityError | None
    already: Standing | None = None

    @property
    def document(self) -> dict[str, Any]:
        """Return it as plain values."""
        told = {name: getattr(self, name) for name in ("kind", "rule_id", "by", "reason", "jobs")}
        already = self.already and asdict(self.already) | {"since": self.already.since.isoformat()}
        return told | {"of": list(self.of), "already": already}


def accept(
    platform: Platform, rule_id: str, of: Collection[str], *, by: str, reason: str, run_id: str = ""
) -> Answered:
    """Answer for what a report says of the site's past or of a clock, or for refused files, and let gold take its days.

    Only the findings named count as accepted, and only while they are as they were: another day, place or file, a
    figure that is off to the other side or further, is another fault. Accepted again, nothing is written to the log,
    and days that still wait are built.

    Parameters
    ----------
    of
        Days (ISO) or names of files, as the report tells of them; of a finding that it tells of once, none is needed.
    run_id
        The run of that report; empty: the newest one.

    Raises
    ------
    NotFoundError
        If the report has no such finding, or not on one of these days.
    ConfigError
        If it is the finding of a rule, it is not said which of several days, nobody is named, or no reason.
    """
    audit.require_said("--by", by)
    audit.require_said("--reason", reason)
    found = _named(platform, run_id, rule_id, of)
    seen = [seen_of(section, is_over=_is_over(platform, section)) for section in found]
    already = _standing(platform, found)
    if already is None:
        _record(platform, ACCEPT, rule_id, seen, by, reason)
    jobs, failure = ({}, None) if _feed_of(rule_id) else _go_on(platform, seen)
    return Answered("accept", rule_id, _of(seen), by.strip(), reason.strip(), jobs, failure, already)


def withdraw(platform: Platform, rule_id: str, of: Collection[str], *, by: str, reason: str) -> Answered:
    """Take back that findings were accepted, and judge their days again; gold keeps those that it took meanwhile.

    Without `of` all days, or files, that are accepted of the rule.

    Raises
    ------
    NotFoundError
        If nobody ever accepted such a finding, or not on one of these days.
    ConfigError
        If nobody is named, or no reason.
    """
    audit.require_said("--by", by)
    audit.require_said("--reason", reason)
    told = {name: entry for (rule, name), entry in newest_of_each(platform.context.objects).items() if rule == rule_id}
    standing = [one for one in acceptances(platform.context.objects) if one.rule_id == rule_id]
    wanted = set(of) or {one.seen.of for one in standing} or set(told)
    if not wanted or not wanted <= set(told):
        raise NotFoundError(
            f"nobody accepted {rule_id!r}{_on(sorted(wanted - set(told)))}.",
            next_step="`hops audit show` lists what was accepted (dq.accept).",
        )
    seen = [one.seen for one in standing if one.seen.of in wanted]
    if not seen:
        entry = max((told[name] for name in wanted), key=lambda one: one.number)
        already = Standing(entry.who, datetime.fromisoformat(entry.at), entry.reason)
        return Answered("withdraw", rule_id, tuple(sorted(wanted)), by.strip(), reason.strip(), {}, None, already)
    _record(platform, WITHDRAW, rule_id, seen, by, reason)
    jobs, failure = ({}, None) if _feed_of(rule_id) else _judge(platform, seen)
    return Answered("withdraw", rule_id, _of(seen), by.strip(), reason.strip(), jobs, failure)


def with_acceptances(platform: Platform, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report with those who answer for its findings now: some may have accepted since, or taken it back.

    Findings and their causes are judged by that; the verdict and the score of the whole stay as the run left them.
    """
    standing = acceptances(platform.context.objects)
    now = {
        **report,
        **{name: [_now(one, standing) for one in report[name]] for name in PAST_LISTS if name in report},
        "feeds": [_feed_now(feed, standing) for feed in report.get("feeds", ())],
    }
    is_same = all(now[name] == report[name] for name in (*PAST_LISTS, "feeds") if name in report)
    if is_same or "causes" not in report:
        return now
    feeds = platform.context.feeds
    now["feeds"] = [_in_words(feed, now) | _notice_now(feed, now, feeds) for feed in now["feeds"]]
    causes = [cause if cause["kind"] == "rule" else judged_anew(cause, now) for cause in report["causes"]]
    return now | {"causes": sorted(causes, key=lambda one: (one["verdict"] != "fail", -one["points"]))}


def _feed_now(feed: Mapping[str, Any], standing: Sequence[Acceptance]) -> dict[str, Any]:
    """Return a feed's section, each of its refused files with who has taken it back; reports of before have none."""
    files = [_file_now(file, feed["feed_id"], standing) for file in feed.get("refused_files", ())]
    return {**feed, "refused_files": files} if "refused_files" in feed else dict(feed)


def _file_now(file: Mapping[str, Any], feed_id: str, standing: Sequence[Acceptance]) -> dict[str, Any]:
    bare = {name: value for name, value in file.items() if name != "accepted"}
    found = acceptance_of(refused_section(bare, feed_id), standing)
    return bare | ({"accepted": found.told} if found else {})


def _now(section: Mapping[str, Any], standing: Sequence[Acceptance]) -> dict[str, Any]:
    """Return a section by who accepts it now, and why."""
    told = answered(section, standing)
    found = acceptance_of(section, standing) if "accepted" in told else None
    return told | {"accepted": told["accepted"] | found.told} if found else told


def _in_words(feed: dict[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    return in_words(feed, report) if facts_of(feed, report).is_whole else feed


def _notice_now(section: Mapping[str, Any], report: Mapping[str, Any], feeds: Mapping[str, Feed]) -> dict[str, Any]:
    """Return the message to a feed's contact by what is accepted now, if the feed is there still."""
    feed = feeds.get(section["feed_id"])
    return {"notice": notice_now(feed, section, report)} if feed and "notice" in section else {}


def _named(platform: Platform, run_id: str, rule_id: str, of: Collection[str]) -> list[Mapping[str, Any]]:
    """Return the sections that are meant; raises as `accept` does."""
    sections = _sections(platform, run_id, rule_id)
    there = list(dict.fromkeys(seen_of(section).of for section in sections))
    if missing := sorted(set(of) - set(there)):
        raise NotFoundError(
            f"{rule_id} is not told{_on(missing)}.", next_step=f"It is told{_on(there)}: name these, or another --run."
        )
    if not of and len(there) > 1:
        which = "--file NAME" if _feed_of(rule_id) else "--day DAY, or --day FIRST:LAST"
        raise ConfigError(f"{rule_id} is told{_on(there)}.", next_step=f"Say which is accepted: {which}.")
    return [section for section in sections if not of or seen_of(section).of in of]


def _sections(platform: Platform, run_id: str, rule_id: str) -> list[Mapping[str, Any]]:
    """Return what is told under a name, of refused files what the next report will tell; `NotFoundError` if nothing."""
    if feed_id := _feed_of(rule_id):
        return _refused(platform, feed_id)
    report = newest_report(platform, run_id)
    if sections := [section for name in PAST_LISTS for section in report[name] if section["rule_id"] == rule_id]:
        return sections
    if any(section["rule_id"] == rule_id for section in report["rules"]):
        raise ConfigError(
            f"{rule_id} is a rule: what breaks it is not accepted.",
            next_step="Decide about the records it holds with `hops dq release|reject`, or change the rule with `hops "
            "dq rules adopt`.",
        )
    names = dict.fromkeys(section["rule_id"] for name in PAST_LISTS for section in report[name])
    raise NotFoundError(
        f"run {report['run_id']} found nothing by the name {rule_id!r}.",
        next_step=f"It found: {', '.join(names)}." if names else "`hops dq show` shows what it found.",
    )


def _refused(platform: Platform, feed_id: str) -> list[Mapping[str, Any]]:
    files = refused_files(platform.context.objects, feed_id) if feed_id in platform.context.feeds else []
    if not files:
        raise NotFoundError(
            f"no file of a feed {feed_id!r} is told as refused.",
            next_step=_meant(platform, feed_id) or "See `hops dq show`.",
        )
    return [refused_section(file.document, feed_id) for file in files]


def _meant(platform: Platform, name: str) -> str:
    """Return how to accept a file that is named in the place of its feed; empty if none has that name."""
    for feed_id in platform.context.feeds:
        for file in refused_files(platform.context.objects, feed_id):
            if name in (file.source_file, file.source_file.partition(".")[0]):
                return (
                    f"Name the feed, and the file: `{command_of('accept', refusals_id(feed_id), [file.source_file])}`."
                )
    return ""


def _feed_of(rule_id: str) -> str:
    """Return of which feed a name tells refused files; empty for any other name."""
    feed_id = rule_id.removeprefix(refusals_id(""))
    return feed_id if feed_id != rule_id else ""


def _is_over(platform: Platform, section: Mapping[str, Any]) -> bool:
    context = platform.context
    return date.fromisoformat(section["day"]) < civil_day(context.clock.now(), context.site.tz)


def _standing(platform: Platform, sections: Sequence[Mapping[str, Any]]) -> Standing | None:
    """Return by whom all of this is accepted already; null if a part of it is not."""
    standing = acceptances(platform.context.objects)
    found = [acceptance_of(section, standing) for section in sections]
    first = found[0]
    return None if first is None or None in found else Standing(first.by, first.at, first.reason)


def _record(platform: Platform, action: str, rule_id: str, seen: Sequence[Seen], by: str, reason: str) -> None:
    context = platform.context
    now = context.clock.now().astimezone(UTC)
    audit.record(context.objects, now, who=by, action=action, reason=reason, details=details_of(rule_id, seen))


def _go_on(platform: Platform, seen: Sequence[Seen]) -> tuple[Mapping[str, Any], QualityError | None]:
    """Let the jobs go on with all days that gold has not taken yet; nothing if there is none."""
    waiting = _waiting(platform)
    return _refine(platform, REFINE_JOBS, _days(seen) & waiting, ACCEPTANCE) if waiting else ({}, None)


def _judge(platform: Platform, seen: Sequence[Seen]) -> tuple[Mapping[str, Any], QualityError | None]:
    # What gold took is in it: a report of these days alone is no newer word on the others.
    kind = ACCEPTANCE if _waiting(platform) else DECISION
    return _refine(platform, ("dq_check",), _days(seen), kind)


def _refine(
    platform: Platform, jobs: tuple[str, ...], days: frozenset[date], kind: str
) -> tuple[Mapping[str, Any], QualityError | None]:
    run_id = bulk.new_run_id(platform.context.clock.now(), kind)
    try:
        return bulk.refine(platform, lambda name: None, jobs=jobs, days=days, run_id=run_id)["jobs"], None
    except QualityError as error:
        return {}, error


def _waiting(platform: Platform) -> frozenset[date]:
    return frozenset().union(*(changes.days for changes in silver_changes(platform.context).values()))


def _days(seen: Sequence[Seen]) -> frozenset[date]:
    return frozenset(date.fromisoformat(one.of) for one in seen)


def _of(seen: Sequence[Seen]) -> tuple[str, ...]:
    return tuple(sorted({one.of for one in seen}))


def _on(names: Sequence[str]) -> str:
    """Return days or files as they end a sentence; empty if there is none."""
    if not names:
        return ""
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return f" of {', '.join(names[:_TOLD])}{more}"
