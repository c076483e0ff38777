from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import pytest

from fakes import MemoryObjects
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.jobs.acceptances import ACCEPT, acceptances, details_of
from healthcare_ops.operations import audit
from healthcare_ops.pipeline.quality.report.acceptance import seen_of
from unit.pipeline.quality.wording.sections import clock, figure

AT = datetime(2026, 3, 8, 7, tzinfo=UTC)


@pytest.mark.parametrize("section", [figure(), clock()], ids=["figure", "clock"])
def test_what_is_accepted_is_read_back_as_it_was_seen(section):
    objects = MemoryObjects()
    details = details_of(section["rule_id"], [seen_of(section, is_over=False)])
    audit.record(objects, AT, who="Ana Souza", action=ACCEPT, reason="closed", details=details)

    (found,) = acceptances(objects)

    assert found.seen == seen_of(section, is_over=False)


@pytest.mark.parametrize(
    "different", [{"is_over": "yes"}, {"start": "morning"}, {"start": 8}, {"end": "2026-03-07T20:00:00+00:00"}]
)
def test_an_entry_that_does_not_tell_what_was_accepted_is_no_acceptance(different):
    objects, section = MemoryObjects(), figure()
    details = {"rule": section["rule_id"], "findings": [asdict(seen_of(section)) | different]}
    audit.record(objects, AT, who="Ana Souza", action=ACCEPT, reason="closed", details=details)

    with pytest.raises(ConfigError, match=r"00000001\.json does not tell what was accepted"):
        acceptances(objects)
