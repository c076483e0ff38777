"""The sample year through the whole product, day by day: which mornings does it alarm, and which faults does it name?

The first weeks are loaded at once, as a hospital loads its past. Then each day's visits come as one file at four the
next morning, the daily run's jobs judge it, and the report they write is read. With `--faults`, some days come spoiled
as well, as often as there are faults, and the state directory is put back as it was after each. What was spoiled is
in the file alone; what is found, in the reports, but for a file that is refused at the door.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import random
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

from faults_named import (
    LEAST_RECORDS,
    Named,
    Report,
    holds,
    is_alarm,
    is_missing,
    longer,
    odd,
    repeated,
    shifted,
    silent,
    volume,
)
from healthcare_ops.adapters.freed_memory import return_freed_memory
from healthcare_ops.bootstrap.configuration import add_feed, create_state
from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.errors import QualityError
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml
from healthcare_ops.operations import bulk
from healthcare_ops.operations.reading import newest_report
from measured import machine

OUT = Path(__file__).parent / "out" / "sample_year"
SAMPLES = files("healthcare_ops.samples")
SECTOR = "ED"
MORNING = time(4)
# The lake keeps the last 20 changes of a table: who reads them less often reads everything.
_FILES_OF_A_RUN = 12
_DAY = timedelta(days=1)
_ARRIVAL, _LATER = "arrival_at_hospital", ("arrival", "resolve", "exit_ed")
Visit = dict[str, str]
Visits = list[Visit]


# --- The product ---


class Department:
    """The emergency department of the sample year, in a state directory."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.state = folder, folder / "state"
        self.days = _by_day()
        (folder / "site.toml").write_text(SAMPLES.joinpath("skane_site.toml").read_text())
        feed = SAMPLES.joinpath("skane_feed.toml").read_text()
        # All but how often it comes is as in the package.
        assert feed.count("1051200") == feed.count("525600") == 1, "the feed's cadence is another one now"
        (folder / "feed.toml").write_text(feed.replace("1051200", "720").replace("525600", "1440"))
        self._tz = read_toml(folder / "site.toml", Site).tz

    def load(self, past: Sequence[date]) -> None:
        """Load the past at once."""
        create_state(self.state, self._folder / "site.toml", AsOfClock(self._morning_after(past[-1])))
        add_feed(self.state, self._folder / "feed.toml")
        self.deliver(past[-1], [visit for day in past for visit in self.days[day]])
        self.judge(past[-1])

    def deliver(self, day: date, visits: Visits, cut: float = 1.0) -> str:
        """Let the file of a day come on the morning after; return why it was refused, or nothing.

        Of a file that is `cut`, so much of its text comes.
        """
        path = self._folder / f"visits_{day}.csv"
        text = _text(visits)
        path.write_text(text[: round(len(text) * cut)])
        with open_platform(self.state, AsOfClock(self._morning_after(day))) as platform:
            (feed,) = platform.context.feeds.values()
            verified = bulk.verify_each([path], feed, lambda step: None)
            bulk.land(platform, feed, verified.sound)
        path.unlink()
        return verified.failure.message if verified.failure else ""

    def ingest(self, day: date) -> None:
        """Let bronze take what came on the morning after a day, and judge it some other morning."""
        with open_platform(self.state, AsOfClock(self._morning_after(day))) as platform:
            bulk.refine(platform, lambda name: None, jobs=("ingest_bronze",))

    def judge(self, day: date) -> Report:
        """Let the daily run of the morning after a day go by; return its report."""
        now = self._morning_after(day)
        with open_platform(self.state, AsOfClock(now)) as platform:
            run_id = f"daily-{now:%Y%m%dT%H%M%SZ}"
            with suppress(QualityError):  # the report says why
                bulk.refine(platform, lambda name: None, days=frozenset({day}), run_id=run_id)
            return newest_report(platform, run_id)

    def keep(self) -> None:
        shutil.rmtree(self._folder / "kept", ignore_errors=True)
        shutil.copytree(self.state, self._folder / "kept", symlinks=True)

    def put_back(self) -> None:
        shutil.rmtree(self.state)
        shutil.copytree(self._folder / "kept", self.state, symlinks=True)

    def _morning_after(self, day: date) -> datetime:
        return datetime.combine(day + _DAY, MORNING, self._tz)


def _by_day() -> dict[date, Visits]:
    """Return the visits of the year by the day they began, in the order of their arrival."""
    packed = SAMPLES.joinpath("skane_2017.csv.gz").read_bytes()
    days: dict[date, Visits] = defaultdict(list)
    rows = csv.DictReader(gzip.decompress(packed).decode().splitlines())
    for row in sorted(rows, key=lambda row: row[_ARRIVAL]):
        days[date.fromisoformat(row[_ARRIVAL][:10])].append(row)
    return dict(days)


def _text(visits: Visits) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(visits[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(visits)
    return text.getvalue()


# --- What is spoiled ---

Luck = random.Random
Change = Callable[[Visit], Visit]
Spoil = Callable[[Visits, Luck], Visits]


@dataclass(frozen=True)
class Fault:
    """A fault of a day's file, and how a report names it.

    `spoil` returns the visits as they are delivered; those that it leaves alone are the same objects. `cut` is the part
    of the file's text that comes; of nothing, no file comes at all.
    """

    name: str
    spoil: Spoil
    is_named: Named
    told: Mapping[str, Any] | None = None
    cut: float = 1.0

    def touched(self, before: Visits, after: Visits) -> int:
        """Return how many records came changed, came besides, or did not come."""
        if self.cut < 1:
            return round(len(before) * (1 - self.cut))
        left = {id(visit) for visit in before}
        same = [visit for visit in after if id(visit) in left]
        # A record that comes twice is one that came besides.
        added = len(after) - len({id(visit) for visit in same})
        return max(added, len(before) - len({id(visit) for visit in same}))


def _some(share: float, change: Change) -> Spoil:
    """Return a fault that changes a share of the visits, each by its own chance."""

    def spoiled(visit: Visit) -> Visit:
        changed = visit | change(visit)
        return changed if changed != visit else visit

    return lambda visits, luck: [spoiled(visit) if luck.random() < share else visit for visit in visits]


def _moved(move: Callable[[datetime, datetime], datetime], *, names: Sequence[str] = _LATER) -> Change:
    """Return a change of times: `move` is given the time, and that of the arrival."""

    def change(visit: Visit) -> Visit:
        arrived = datetime.fromisoformat(visit[_ARRIVAL])
        return {name: str(move(datetime.fromisoformat(visit[name]), arrived)) for name in names}

    return change


def _all_moved(move: Callable[[datetime], datetime]) -> Change:
    return _moved(lambda at, arrived: move(at), names=(_ARRIVAL, *_LATER))


def _exchanged(one: str, other: str) -> Change:
    return lambda visit: {one: visit[other], other: visit[one]}


def _twice(visits: Visits, luck: Luck) -> Visits:
    return [copy for visit in visits for copy in [visit] * (1 + (luck.random() < 0.2))]


def _half(visits: Visits, luck: Luck) -> Visits:
    return [visit for visit in visits if luck.random() < 0.5]


def _doubled(visits: Visits, luck: Luck) -> Visits:
    """Return every visit, and another patient some minutes beside each."""
    found = []
    for visit in visits:
        minutes = timedelta(minutes=luck.choice((-7, -5, -3, 3, 5, 7)))
        other = _all_moved(lambda at, minutes=minutes: at + minutes)(visit)
        found += [visit, visit | other]
    return found


def _mirrored(at: datetime, arrived: datetime) -> datetime:
    return arrived - (at - arrived)


def _as_they_are(visits: Visits, luck: Luck) -> Visits:
    return visits


def faults() -> list[Fault]:
    """Return every fault that a file of this feed can have; shares are of 55 visits a day."""
    held = {"sectors": [SECTOR]}
    level = {"column": "triage_level"}
    found = [
        Fault(f"nulls {share:.0%}", _some(share, lambda visit: {"priority": ""}), is_missing, level)
        for share in (0.05, 0.1, 0.2, 0.4)
    ]
    found += [
        Fault("duplicates 20 %", _twice, repeated),
        Fault("unknown sector", _some(0.3, lambda visit: {"unit": "XX"}), holds("SECTOR_UNKNOWN")),
        Fault("reversed events", _some(0.3, _moved(_mirrored)), holds("EVENTS_REVERSED")),
        Fault("no file", _as_they_are, silent, held, 0.0),
        Fault("truncated in a line", _as_they_are, silent, held, 0.5),
        Fault("truncated after a line", lambda visits, luck: visits[: len(visits) // 2], silent, held),
        Fault("volume ×0.5", _half, volume, held),
        Fault("volume ×2", _doubled, volume, {"factor": 2.0}),
        Fault("1970", _some(0.3, _all_moved(lambda at: at.replace(1970, 1, 1))), holds("TIME_OUT_OF_RANGE")),
        Fault("future dates", _some(0.3, _all_moved(lambda at: at + 3653 * _DAY)), holds("TIME_OUT_OF_RANGE")),
        Fault("swapped times", _some(0.5, _exchanged("resolve", "exit_ed")), holds("EVENTS_REVERSED")),
        Fault("swapped codes", _some(0.5, _exchanged("unit", "priority")), holds("SECTOR_UNKNOWN")),
        Fault("seconds for minutes", _some(0.5, _moved(lambda at, arrived: arrived + 60 * (at - arrived))), longer),
    ]
    for hours in (-3, -1, 1, 3):
        shift = _some(1.0, _all_moved(lambda at, hours=hours: at + timedelta(hours=hours)))
        found.append(Fault(f"clock {hours:+d} h", shift, shifted, {"minutes": hours * 60}))
    return found


# --- The year ---


def told(day: date, report: Report) -> dict[str, Any]:
    """Return what a report says of a day, as a line of the log."""
    return {
        "day": f"{day}",
        "verdict": report["verdict"],
        "score": report["dq_risk_score"],
        "odd": [
            {
                name: one[name]
                for name in ("rule_id", "verdict", "day", "sentence", "values", "thresholds")
                if name in one
            }
            for one in odd(report)
        ],
    }


def judged_year(department: Department, judged: Sequence[date]) -> Iterator[dict[str, Any]]:
    """Let the days come one by one, each into a daily run; yield what each morning's report says."""
    for day in judged:
        department.deliver(day, department.days[day])
        yield told(day, department.judge(day))
        return_freed_memory()


def spoiled_days(
    department: Department, judged: Sequence[date], drawn: Sequence[date], chosen: Sequence[Fault], seed: int
) -> Iterator[dict[str, Any]]:
    """Let the days come; yield for each drawn one what two mornings say of it, clean and with each fault."""
    for number, day in enumerate(judged, start=1):
        if day in drawn:
            department.judge(day - _DAY)
            department.keep()
            for fault in (Fault("clean", _as_they_are, lambda report, fault: False), *chosen):
                luck = random.Random(f"{seed} {day} {fault.name}")
                yield from _trial(department, day, fault, fault.spoil(department.days[day], luck))
        department.deliver(day, department.days[day])
        department.ingest(day)
        if number % _FILES_OF_A_RUN == 0:
            department.judge(day)


def _trial(department: Department, day: date, fault: Fault, visits: Visits) -> Iterator[dict[str, Any]]:
    """Let a day come with a fault, and a clean one after it; yield what is told on both mornings.

    Of a missing value nobody knows on the first whether it comes late. Too small a fault is not tried.
    """
    records = fault.touched(department.days[day], visits)
    if records < LEAST_RECORDS and fault.name != "clean":
        return
    refused = department.deliver(day, visits, fault.cut) if fault.cut else ""
    reports = [department.judge(day)]
    department.deliver(day + _DAY, department.days[day + _DAY])
    reports.append(department.judge(day + _DAY))
    about = {"sectors": [SECTOR], **(fault.told or {})}
    # Whoever refuses half a file says what is wrong with it; of another fault that is not its name.
    is_cut = bool(refused) and fault.cut < 1
    department.put_back()
    return_freed_memory()
    yield {
        "fault": fault.name,
        "day": f"{day}",
        "records": records,
        "refused": refused,
        "found": any(map(is_alarm, reports)) or bool(refused),
        "named": any(fault.is_named(report, about) for report in reports) or is_cut,
        "odd": list(dict.fromkeys(one["rule_id"] for report in reports for one in odd(report))),
    }


# --- The report ---


def print_year(lines: Sequence[Mapping[str, Any]]) -> None:
    alarmed = [line for line in lines if line["verdict"] in ("warn", "fail", "error")]
    failed = [line for line in alarmed if line["verdict"] == "fail"]
    print("| file of | verdict | what spoke |\n|---|---|---|")
    for line in alarmed:
        print(f"| {line['day']} | {line['verdict']} | {' '.join(map(_spoken, line['odd']))} |")
    warned, share = len(alarmed) - len(failed), len(alarmed) / len(lines)
    print(f"\n{len(lines)} days judged: {len(failed)} failed, {warned} warned; {share:.1%} alarm")


def _spoken(one: Mapping[str, Any]) -> str:
    if "sentence" in one:
        return f"`{one['rule_id']}` ({one['day']}): {one['sentence']}"
    return f"`{one['rule_id']}`: {one['values']}, must be {one['thresholds']}."


def print_faults(lines: Sequence[Mapping[str, Any]]) -> None:
    names = dict.fromkeys(line["fault"] for line in lines)
    print("| fault | days | records | found | named |\n|---|---:|---:|---:|---:|")
    for name in names:
        mine = [one for one in lines if one["fault"] == name]
        records, found, named = ([one[key] for one in mine] for key in ("records", "found", "named"))
        print(f"| {name} | {len(mine)} | {min(records)}–{max(records)} | {sum(found)} | {sum(named)} |")


def logged(lines: Iterator[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    """Write each line as it comes; return them all."""
    found = []
    with path.open("w") as log:
        for line in lines:
            log.write(json.dumps(line, ensure_ascii=False) + "\n")
            log.flush()
            sys.stderr.write(f"{json.dumps(line, ensure_ascii=False)[:300]}\n")
            found.append(line)
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--past", type=int, default=84, help="Days that are loaded at once.")
    asked.add_argument("--days", type=int, default=0, help="Judge so many and no more; 0: to the year's end.")
    asked.add_argument("--faults", type=int, default=0, help="Spoil so many days, instead of judging each clean.")
    asked.add_argument("--only", default="", help="Faults whose name holds this.")
    asked.add_argument("--seed", type=int, default=1, help="Draws the spoiled days; below 100 for choosing constants.")
    options = asked.parse_args()
    name = f"faults-{options.seed}" if options.faults else "clean"
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    department = Department(folder)
    days = sorted(department.days)
    past, judged = days[: options.past], days[options.past :]
    judged = judged[: options.days] if options.days else judged
    department.load(past)
    if not options.faults:
        lines = logged(judged_year(department, judged), OUT / f"{name}.jsonl")
    else:
        drawn = random.Random(options.seed).sample(judged[:-1], options.faults)
        chosen = [fault for fault in faults() if options.only in fault.name]
        lines = logged(spoiled_days(department, judged, drawn, chosen, options.seed), OUT / f"{name}.jsonl")
    print(f"{machine()}; {datetime.now(UTC):%Y-%m-%d}\n")
    (print_faults if options.faults else print_year)(lines)


if __name__ == "__main__":
    main()
