"""The published JSON Schemas of feed and site files, as an editor or another program uses them."""

from __future__ import annotations

import json
import tomllib
from datetime import date
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from e2e.deliveries import FEED, SITE, changed

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "src" / "healthcare_ops" / "samples"
FEEDS = [*sorted((ROOT / "examples" / "feeds").glob("*.toml")), SAMPLES / "skane_feed.toml"]
SITES = [*sorted((ROOT / "examples" / "sites").glob("*.toml")), SAMPLES / "skane_site.toml"]


def validator(hops, kind):
    outcome = hops(kind, "schema")
    assert (outcome.exit_code, outcome.err) == (0, "")
    schema = json.loads(outcome.out)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def as_json(text):
    """Return TOML as the JSON that a schema speaks of: days as text."""
    return json.loads(json.dumps(tomllib.loads(text), default=date.isoformat))


@pytest.mark.parametrize(
    ("kind", "path"),
    [("feed", path) for path in FEEDS] + [("site", path) for path in SITES],
    ids=lambda value: value.stem if isinstance(value, Path) else value,
)
def test_every_example_is_as_its_schema_says(hops, kind, path):
    errors = list(validator(hops, kind).iter_errors(as_json(path.read_text(encoding="utf-8"))))

    assert errors == []


# What one file alone shows, and a schema can say: not that a zone exists, nor how two keys go together.
BAD_FEEDS = {
    "no owner": ('[owner]\nname = "IT', '[x]\nname = "IT'),
    "no zone": ('zone = "America/Sao_Paulo"\n', ""),
    "no format": ('format = "csv"\n', ""),
    "unknown key": ("[owner]\n", 'colour = "red"\n[owner]\n'),
    "unknown nested key": ("[owner]\n", '[owner]\nphone = "1"\n'),
    "unknown encoding": ("[owner]\n", 'encoding = "ebcdic"\n[owner]\n'),
    "unknown format": ('"csv"', '"xlsx"'),
    "id that is a path": ('"visits"', '"../visits"'),
    "id with a line feed": ('"visits"', r'"visits\nx"'),
    "address without @": ("it@hospital.example", "hospital.example"),
    "level 6": ("[columns]\n", "[values.triage_level]\nred = 6\n[columns]\n"),
}
BAD_SITES = {
    "no zone": ('zone = "America/Sao_Paulo"\n', ""),
    "unknown key": ("max_stay_days = 2", "max_stay_hours = 2"),
    "unknown key of a sector": ('kind = "other"', 'sort = "other"'),
    "unknown kind of sector": ('kind = "other"', 'kind = "chapel"'),
    "no beds": ("functional_capacity = 10", "functional_capacity = 0"),
    "id that is a path": ('"santa-casa"', '"../santa-casa"'),
}


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [("feed", *mistake) for mistake in BAD_FEEDS.values()] + [("site", *mistake) for mistake in BAD_SITES.values()],
    ids=[*(f"feed: {name}" for name in BAD_FEEDS), *(f"site: {name}" for name in BAD_SITES)],
)
def test_a_mistake_is_refused_by_the_schema_and_by_the_command(hops, desk, kind, old, new):
    good = {"feed": FEED, "site": SITE}[kind]
    bad = changed(good, old, new)
    files = {"feed": desk.feed, "site": desk.site} | {kind: desk.write("mistaken.toml", bad)}

    outcome = hops("init", "--site", files["site"], "--feed", files["feed"], "--state", desk.state)

    schema = validator(hops, kind)
    assert schema.is_valid(as_json(good))
    assert not schema.is_valid(as_json(bad))
    assert outcome.exit_code == 4
    assert not desk.state.exists()
