from __future__ import annotations

import pytest

from healthcare_ops.core.config import Settings, read_settings
from healthcare_ops.core.errors import ConfigError, ExitCode


def test_a_state_without_settings_has_the_defaults(tmp_path):
    assert read_settings(tmp_path) == Settings()


def test_one_setting_leaves_the_others_at_their_defaults(tmp_path):
    (tmp_path / "settings.toml").write_text("keep_snapshots = 5\n")

    assert read_settings(tmp_path) == Settings(keep_snapshots=5)


def test_every_setting_is_described():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        ('engine = "oracle"', r"key `engine` = 'oracle': "),
        ("memory_limit_mb = 255", r"key `memory_limit_mb` = 255: .* greater than or equal to 256"),
        ("threads = -1", r"key `threads` = -1: .* greater than or equal to 0"),
        ("threads = 1.5", r"key `threads` = 1\.5: .* fractional part"),
        ("keep_snapshots = 1", r"key `keep_snapshots` = 1: .* greater than or equal to 2"),
        ("horizon_h = 0", r"key `horizon_h` = 0: .* greater than or equal to 1"),
        ("horizon_h = 49", r"key `horizon_h` = 49: .* less than or equal to 48"),
        ("train_days = 20", r"key `train_days` = 20: .* greater than or equal to 21"),
        ("keep_snapshot = 20", r"unknown key `keep_snapshot` = 20"),
    ],
)
def test_a_setting_beyond_its_limits_stops_at_the_door(tmp_path, line, finding):
    (tmp_path / "settings.toml").write_text(line)

    with pytest.raises(ConfigError, match=rf"settings\.toml: {finding}") as refusal:
        read_settings(tmp_path)

    assert refusal.value.exit_code is ExitCode.CONFIG
    assert "schema" not in refusal.value.next_step  # there is no such command for settings


def refused(folder, line):
    """Return what is said against settings of one line."""
    (folder / "settings.toml").write_text(line)
    with pytest.raises(ConfigError) as refusal:
        read_settings(folder)
    return str(refusal.value)


def is_hidden(message):
    return "SEC" not in message and "RET" not in message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://hops:SECRET@db.example/hops",
        "postgresql+psycopg://hops:SECRET@db.example:5432/hops",
        "postgresql://hops:SEC/RET@db.example/hops",
        "postgresql://hops:SEC#RET?@db.example/hops",
        "postgresql://hops:a@SECRET@db.example/hops",
        "postgresql://:SECRET@db.example/hops",
        "postgresql://db.example/hops?password=SECRET",
        "postgresql://db.example/hops?sslmode=require&sslpassword=SECRET",
        "postgresql://db.example/hops?PassWord=SECRET",
        "postgresql://db.example/hops?pass%77ord=SECRET",
    ],
)
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_password_is_refused_wherever_a_url_can_hold_it_and_never_shown(tmp_path, url, kind):
    assert is_hidden(refused(tmp_path, f'database_url = "{url.replace("postgresql", kind)}"'))


@pytest.mark.parametrize(
    "line",
    [
        'database_uri = "postgresql://hops:SEC/RET@db.example/hops"',
        'database_uri = "postgresql://db.example/hops?password=SECRET"',
        'database_password = "SECRET"',
        'database = { user = "hops", password = "SECRET" }',
        'databases = [{ url = "postgresql://hops:SECRET@db.example/hops" }]',
    ],
)
def test_a_password_under_a_key_that_is_unknown_is_not_shown(tmp_path, line):
    message = refused(tmp_path, line)

    assert "unknown key `database" in message
    assert is_hidden(message)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgresql://hops@db.example/hops",
        "postgresql+psycopg://hops@db.example:5432/hops?sslmode=verify-full&passfile=/etc/hops/pgpass",
        "postgresql://hops@[::1]:5432/hops",
        "postgresql:///hops?host=/var/run/postgresql",
    ],
)
def test_a_url_without_a_password_is_taken(tmp_path, url):
    (tmp_path / "settings.toml").write_text(f'database_url = "{url}"')

    assert read_settings(tmp_path).database_url == url
