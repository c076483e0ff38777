"""A caution: what there is to know, with its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class CautionCode(StrEnum):
    """What there is to know; `CAUTIONS` has the words."""

    DATA_OLD = "DATA_OLD"
    HISTORY_SHORT = "HISTORY_SHORT"
    MODEL_UNTESTED = "MODEL_UNTESTED"
    FORECAST_PAST = "FORECAST_PAST"
    NOT_BUILT_AGAIN = "NOT_BUILT_AGAIN"
    NO_RECORDS = "NO_RECORDS"
    NOT_TAKEN_AGAIN = "NOT_TAKEN_AGAIN"
    REPORT_OLD = "REPORT_OLD"
    TRAINING_MISSED = "TRAINING_MISSED"
    TRAINING_FAILED = "TRAINING_FAILED"
    TRAINING_LATE = "TRAINING_LATE"
    NEVER_TRAINED = "NEVER_TRAINED"
    CLOCK_IN_DOUBT = "CLOCK_IN_DOUBT"
    CLOCKS_APART = "CLOCKS_APART"
    DAYS_HELD = "DAYS_HELD"
    GAP_ACCEPTED = "GAP_ACCEPTED"
    REGRESSOR_UNKNOWN = "REGRESSOR_UNKNOWN"


# Message and next step, with places for a caution's values.
CAUTIONS: Mapping[CautionCode, tuple[str, str]] = {
    CautionCode.DATA_OLD: (
        "the newest data of feed {feed_id} are {age} old; it should deliver every {every}, and is late after {late}.",
        "Ask {owner} for the missing deliveries; what is forecast from old data is rough.",
    ),
    CautionCode.HISTORY_SHORT: (
        "arrivals are known for {days} days without a gap; a forecast needs {needed} to know the usual level.",
        "Load more history, or take the forecasts for rough.",
    ),
    CautionCode.MODEL_UNTESTED: (
        "the model of {sectors} has learnt from {days} days, too few to test it on.",
        "Take its forecasts for rough; train again with more history by `hops run --type weekly_train`.",
    ),
    CautionCode.FORECAST_PAST: (
        "every hour of the newest forecast is past; it was made at {made_at}.",
        "Run `hops predict`.",
    ),
    CautionCode.NOT_BUILT_AGAIN: (
        "{files} changed, and {days} days are still as the old one built them.",
        "Run `{command}`.",
    ),
    CautionCode.NO_RECORDS: (
        "no delivery has a record of {days}; nothing was built there.",
        "Check the days; if their files are still to come, take them in by `hops ingest` and run again.",
    ),
    CautionCode.NOT_TAKEN_AGAIN: (
        "{file} holds bytes that were delivered before as {batch_id}; it is not taken again, and the deliveries since "
        "then ({later}) stand.",
        "If it is to replace what they say, the feed needs a version time: map `columns.version_time`.",
    ),
    CautionCode.REPORT_OLD: (
        "the newest data-quality report ({run_id}) was written by an earlier version of the product.",
        "Run `hops dq check`; until then only its verdicts and counts are shown.",
    ),
    CautionCode.TRAINING_MISSED: (
        "the training that was due on Sunday {due} was missed; the model in use knows nothing after {learnt} "
        "({age} ago).",
        "Run `hops run --type weekly_train`; `hops up` does so every Sunday.",
    ),
    CautionCode.TRAINING_FAILED: (
        "the training that was due on Sunday {due} failed ({run_id}: {reason}); the model in use knows nothing after "
        "{learnt} ({age} ago).",
        "See `hops runs show {run_id}`; then run `hops run --type weekly_train`.",
    ),
    CautionCode.TRAINING_LATE: (
        "the training that was due on Sunday {due} is late: {run_id} began at {began} and is not done; the model in "
        "use knows nothing after {learnt} ({age} ago).",
        "See `hops runs show {run_id}`; if it hangs, `hops runs stop {run_id}`, then `hops run --type weekly_train`.",
    ),
    CautionCode.CLOCK_IN_DOUBT: (
        "the clock of feed {feed_id} is in doubt: arrivals of {day} look shifted by {offset} h (judged {age} ago).",
        "See `hops dq explain {rule_id}`; hours and forecasts of that feed may be shifted by as much.",
    ),
    CautionCode.CLOCKS_APART: (
        "the clocks of feeds {feed_id} and {other_feed_id} are in doubt: in the encounters of {day} that both tell of "
        "they are {offset} h apart (judged {age} ago).",
        "See `hops dq explain {rule_id}`; hours and forecasts of one of them may be shifted by as much.",
    ),
    CautionCode.DAYS_HELD: (
        "data quality keeps {days} from gold (judged {age} ago); what is shown of it is from before, or missing.",
        "See `hops dq show`.",
    ),
    CautionCode.GAP_ACCEPTED: (
        "{by} accepted {rule_id} of {days} as it is; hours and forecasts rest on what was delivered.",
        "See `hops audit show`; when the rest is delivered, take it back by `{command}`.",
    ),
    CautionCode.REGRESSOR_UNKNOWN: (
        "the model in use has learnt from forecasts of {name}, and of no hour to come one is known (the last is of "
        "{until}); it forecasts without.",
        "Take in newer ones by `hops regressors add`; see `hops regressors list`.",
    ),
    CautionCode.NEVER_TRAINED: (
        "the training that was due on Sunday {due} failed ({run_id}: {reason}), and no model is in use.",
        "See `hops runs show {run_id}`; then run `hops run --type weekly_train`.",
    ),
}


@dataclass(frozen=True)
class Caution:
    """One thing to know, and the values that its words speak of."""

    code: CautionCode
    values: Mapping[str, str]

    @property
    def message(self) -> str:
        """Return what there is to know."""
        return CAUTIONS[self.code][0].format(**self.values)

    @property
    def next_step(self) -> str:
        """Return what the operator can do now."""
        return CAUTIONS[self.code][1].format(**self.values)

    @property
    def document(self) -> dict[str, str]:
        """Return the caution as plain values."""
        return {"code": self.code.value, "message": self.message, "next_step": self.next_step}
