from __future__ import annotations

import pytest

from healthcare_ops.generator.staff import staff_on_duty
from synthetic import always, every_level, parameters, synthetic_site

ONE_KIND = {"diagnostics_share": 0.0, "contact_min": always(30)}


def chosen(per_day, hours, **more):
    arrivals = {"per_day": per_day, "weekday_hours": hours, "weekend_hours": hours, "weekdays": [1] * 7}
    return parameters(emergency={"arrivals": arrivals, "levels": every_level(**ONE_KIND), **more})


def test_a_shift_is_staffed_for_its_mean_load():
    # 4 an hour from 7 to 19 and 1 an hour at night, half an hour each: loads of 2.0 and 0.5.
    hours = [1] * 7 + [4] * 12 + [1] * 5
    given = chosen(60, hours, physicians={"utilisation": 1.0})

    staff = staff_on_duty(synthetic_site(), given)

    assert staff.physicians.tolist() == [[1] * 7 + [2] * 12 + [1] * 5]


@pytest.mark.parametrize(("utilisation", "needed"), [(1.0, 2), (0.9, 3), (0.5, 4), (2.0, 1)])
def test_less_utilisation_takes_more_staff(utilisation, needed):
    given = chosen(96, [1] * 24, physicians={"utilisation": utilisation})

    assert set(staff_on_duty(synthetic_site(), given).physicians[0].tolist()) == {needed}


def test_reviews_of_results_are_work_too():
    levels = every_level(contact_min=always(30), diagnostics_share=0.5, review_min=always(60))
    given = parameters(
        emergency={
            "arrivals": {"per_day": 48, "weekday_hours": [1] * 24, "weekend_hours": [1] * 24, "weekdays": [1] * 7},
            "physicians": {"utilisation": 1.0},
            "levels": levels,
        }
    )

    assert set(staff_on_duty(synthetic_site(), given).physicians[0].tolist()) == {2}


def test_named_staff_is_taken_as_it_is():
    by_hour = list(range(24))
    given = parameters(emergency={"physicians": {"by_hour": by_hour}}, triage={"nurses_by_hour": by_hour})

    staff = staff_on_duty(synthetic_site(ED=5, PED=5), given)

    assert staff.nurses.tolist() == by_hour
    assert staff.physicians.tolist() == [by_hour, by_hour]


def test_the_desk_serves_all_emergency_sectors():
    few, many = (
        staff_on_duty(site, parameters()).nurses.max()
        for site in (synthetic_site(ED=60), synthetic_site(ED=60, PED=120))
    )

    assert many >= 2 * few
