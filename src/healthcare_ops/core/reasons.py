"""Why a record is kept out of silver, or a whole file out of raw: codes that alarms, reports and people match on."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Reason code of a quarantined record; `EXPLANATIONS` has its meaning."""

    ENCOUNTER_ID_MISSING = "ENCOUNTER_ID_MISSING"
    TIME_UNREADABLE = "TIME_UNREADABLE"
    TIME_OUT_OF_RANGE = "TIME_OUT_OF_RANGE"
    TIME_IN_SKIPPED_HOUR = "TIME_IN_SKIPPED_HOUR"
    TIME_IN_REPEATED_HOUR = "TIME_IN_REPEATED_HOUR"
    EVENT_TIME_MISSING = "EVENT_TIME_MISSING"
    ARRIVAL_MISSING = "ARRIVAL_MISSING"
    SECTOR_UNKNOWN = "SECTOR_UNKNOWN"
    SECTOR_MISSING = "SECTOR_MISSING"
    TRIAGE_UNKNOWN = "TRIAGE_UNKNOWN"
    DISPOSITION_UNKNOWN = "DISPOSITION_UNKNOWN"
    EVENT_TYPE_UNKNOWN = "EVENT_TYPE_UNKNOWN"
    IDENTIFIER_MISPLACED = "IDENTIFIER_MISPLACED"
    EVENTS_REVERSED = "EVENTS_REVERSED"
    STAY_TOO_LONG = "STAY_TOO_LONG"
    RULE_BROKEN = "RULE_BROKEN"


EXPLANATIONS: dict[Reason, str] = {
    Reason.ENCOUNTER_ID_MISSING: "the record names no encounter",
    Reason.TIME_UNREADABLE: "a time fits none of the declared formats",
    Reason.TIME_OUT_OF_RANGE: "a time lies outside the feed's plausible range",
    Reason.TIME_IN_SKIPPED_HOUR: "a civil time that the spring clock change skipped",
    Reason.TIME_IN_REPEATED_HOUR: "a civil time that happened twice at the autumn clock change",
    Reason.EVENT_TIME_MISSING: "the event has no time",
    Reason.ARRIVAL_MISSING: "the encounter has no arrival, so no day and no waits",
    Reason.SECTOR_UNKNOWN: "the place is not mapped to a sector of site.toml",
    Reason.SECTOR_MISSING: "no event of the encounter names a place",
    Reason.TRIAGE_UNKNOWN: "the triage code is not mapped to a level 1–5",
    Reason.DISPOSITION_UNKNOWN: "the outcome code is not mapped",
    Reason.EVENT_TYPE_UNKNOWN: "the event code is neither mapped nor declared ignored",
    Reason.IDENTIFIER_MISPLACED: "what looks like an identifier stands where a place, code or time belongs",
    Reason.EVENTS_REVERSED: "an event precedes the one it must follow; a wait or stay would be negative",
    Reason.STAY_TOO_LONG: "the stay exceeds the site's max_stay_days",
    Reason.RULE_BROKEN: "a data-quality rule that holds rows back is broken; rule_ids names it",
}


# What bronze has in place of a text that looks like an identifier where none belongs.
WITHHELD = "(withheld)"


class FileFault(StrEnum):
    """Why a delivered file is refused whole; `FILE_FAULTS` has its meaning, which quotes nothing of the file."""

    FILE_NAME_UNREADABLE = "FILE_NAME_UNREADABLE"
    FILE_EMPTY = "FILE_EMPTY"
    FILE_FORMAT_OTHER = "FILE_FORMAT_OTHER"
    FILE_NOT_WHOLE = "FILE_NOT_WHOLE"
    FILE_ENCODING_OTHER = "FILE_ENCODING_OTHER"
    FILE_HEADER_UNUSABLE = "FILE_HEADER_UNUSABLE"
    FILE_COLUMN_UNUSABLE = "FILE_COLUMN_UNUSABLE"
    FILE_RECORD_UNREADABLE = "FILE_RECORD_UNREADABLE"


FILE_FAULTS: dict[FileFault, str] = {
    FileFault.FILE_NAME_UNREADABLE: "its name is not UTF-8",
    FileFault.FILE_EMPTY: "it is empty",
    FileFault.FILE_FORMAT_OTHER: "its first bytes are not of the format that its name and the feed file say",
    FileFault.FILE_NOT_WHOLE: "it is cut short or damaged",
    FileFault.FILE_ENCODING_OTHER: "it holds bytes that are no text in the feed's encoding",
    FileFault.FILE_HEADER_UNUSABLE: "its header cannot be read, or names a column twice",
    FileFault.FILE_COLUMN_UNUSABLE: "a column that the feed maps is not in it, or has no single values",
    FileFault.FILE_RECORD_UNREADABLE: "a record in it cannot be read: it has too many or too few values or quotes",
}
