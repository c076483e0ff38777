from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from e2e.deliveries import SITE
from healthcare_ops.core.errors import StepError
from healthcare_ops.operations.drills.control import DrilledPlatform

MONDAY = datetime(2026, 3, 9, 8, tzinfo=UTC)


@pytest.fixture
def state(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "site.toml").write_text(SITE)
    return state


def test_a_platform_that_was_ended_starts_again_and_time_goes_on_from_where_the_drill_is(state):
    with DrilledPlatform(state, MONDAY, run_types=("daily",)) as platform:
        platform.advance(MONDAY + timedelta(minutes=10))
        platform.close()
        platform.start()
        platform.kill()
        platform.start()
        platform.advance(MONDAY + timedelta(minutes=20))

    assert platform.now == MONDAY + timedelta(minutes=20)
    assert [event for event in platform.events if event["event"] == "trouble"] == []


def test_a_platform_that_cannot_start_says_where_to_look(tmp_path):
    with pytest.raises(StepError, match="told its end instead of up") as raised:
        DrilledPlatform(tmp_path / "nowhere", MONDAY).start()

    assert "platform.log" in raised.value.next_step
