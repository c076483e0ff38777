from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from healthcare_ops.core.errors import ConfigError, ExitCode
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml

SITE = {
    "facility_id": '"h"',
    "name": '"Hospital"',
    "zone": '"America/Sao_Paulo"',
    "sectors": '[{ sector_id = "ED", name = "Emergency" }]',
}


def sector(**keys):
    fields = ", ".join(f"{key} = {value}" for key, value in ({"sector_id": '"ED"', "name": '"E"'} | keys).items())
    return {"sectors": f"[{{ {fields} }}]"}


@pytest.fixture
def read(tmp_path):
    """Return a reader of a site file made of keys, whose value None leaves the key out."""

    def read_site(keys):
        lines = [f"{key} = {value}" for key, value in keys.items() if value is not None]
        (tmp_path / "site.toml").write_text("\n".join(lines), encoding="utf-8")
        return read_toml(tmp_path / "site.toml", Site)

    return read_site


def test_the_least_that_a_site_must_say_is_enough(read):
    site = read(SITE)

    assert (site.max_stay_days, site.hospital_beds, site.holidays, site.nedocs.assume_ventilated) == (
        60,
        None,
        None,
        None,
    )
    assert (site.triage.scale, site.triage.target_min) == ("Manchester", (0, 10, 60, 120, 240))
    assert (site.sectors[0].kind, site.sectors[0].functional_capacity) == ("ed", None)


def test_sectors_stand_in_the_order_of_the_file(read):
    sectors = ", ".join(f'{{ sector_id = "{name}", name = "{name}" }}' for name in ("WARD", "ED", "ICU"))

    assert read(SITE | {"sectors": f"[{sectors}]"}).sector_ids == ("WARD", "ED", "ICU")


def test_a_site_knows_its_zone(read):
    assert read(SITE).tz == ZoneInfo("America/Sao_Paulo")


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        ({"facility_id": '"São Paulo"'}, "key `facility_id` = 'São Paulo': String should match pattern"),
        ({"facility_id": None}, "key `facility_id` is missing."),
        ({"name": '""'}, "key `name` = '': String should have at least 1 character."),
        ({"zone": '"GMT-3"'}, "key `zone` = 'GMT-3': zone 'GMT-3' is not an IANA time zone."),
        ({"zone": '"Australia/Lord_Howe"'}, "zone 'Australia/Lord_Howe' changes by a part of an hour; hourly tables"),
        ({"hospital_beds": "0"}, "key `hospital_beds` = 0: Input should be greater than or equal to 1."),
        ({"max_stay_days": "0"}, "key `max_stay_days` = 0: Input should be greater than or equal to 1."),
        ({"max_stay_days": "401"}, "key `max_stay_days` = 401: Input should be less than or equal to 400."),
        ({"holidays": '{ country = "ZZ" }'}, "country 'ZZ' has no holiday calendar."),
        (
            {"holidays": '{ country = "BR", subdivision = "ZZ" }'},
            "subdivision 'ZZ' is not known for BR.",
        ),
        ({"holidays": '{ country = "B" }'}, "key `holidays.country` = 'B': String should have at least 2 characters."),
        ({"holidays": '{ country = "BRAZ" }'}, "key `holidays.country` = 'BRAZ': String should have at most 3"),
        ({"triage": "{ target_min = [0, 10, 60, 120] }"}, "key `triage.target_min.4` is missing."),
        ({"nedocs": "{ assume_ventilated = -1 }"}, "key `nedocs.assume_ventilated` = -1: Input should be greater than"),
        ({"sectors": "[]"}, "key `sectors` = []: Tuple should have at least 1 item"),
        (
            {"sectors": '[{ sector_id = "ED", name = "A" }, { sector_id = "ED", name = "B" }]'},
            "sector_id ED is declared twice.",
        ),
        (sector(sector_id='"-ED"'), "key `sectors.0.sector_id` = '-ED': String should match pattern"),
        (sector(name='""'), "key `sectors.0.name` = '': String should have at least 1 character."),
        (sector(kind='"surgery"'), "key `sectors.0.kind` = 'surgery': Input should be 'ed', 'ward', 'icu' or 'other'."),
        (sector(functional_capacity=0), "key `sectors.0.functional_capacity` = 0: Input should be greater than"),
        (sector(capacity=10), "unknown key `sectors.0.capacity` = 10."),
        ({"beds": "10"}, "unknown key `beds` = 10."),
    ],
)
def test_a_site_that_breaks_a_rule_is_refused_with_key_and_value(read, tmp_path, changed, finding):
    with pytest.raises(ConfigError) as refusal:
        read(SITE | changed)

    assert refusal.value.message.startswith(f"{tmp_path / 'site.toml'}: ")
    assert finding in refusal.value.message
    assert refusal.value.next_step == "See `hops site schema`."
    assert refusal.value.exit_code is ExitCode.CONFIG


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "UTC"])
def test_a_zone_that_is_always_off_by_a_part_of_an_hour_is_let_in(read, zone):
    assert read(SITE | {"zone": f'"{zone}"'}).zone == zone


@pytest.mark.parametrize(("country", "subdivision"), [("BR", "SP"), ("GB", "ENG"), ("SE", "")])
def test_a_known_calendar_is_let_in(read, country, subdivision):
    site = read(SITE | {"holidays": f'{{ country = "{country}", subdivision = "{subdivision}" }}'})

    assert (site.holidays.country, site.holidays.subdivision) == (country, subdivision)
