from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from accounts import put_back
from e2e.command import Outcome, rows_of, run_hops
from e2e.deliveries import NOW, TRAINED, month
from e2e.desk import Desk, lay_out
from e2e.ward import load_ward

Hops = Callable[..., Outcome]


@pytest.fixture
def hops() -> Hops:
    """Return the command, run in this process."""
    return run_hops


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return the files of a hospital that has no state directory yet."""
    return lay_out(tmp_path, tmp_path / "state")


@pytest.fixture(scope="session")
def first_load(tmp_path_factory: pytest.TempPathFactory) -> tuple[Desk, Outcome]:
    """Load the hospital's three days once, and keep what the command said."""
    folder = tmp_path_factory.mktemp("hospital")
    desk = lay_out(folder, folder / "Santa Casa's [bold]*state São")
    options = ("--feed", desk.feed, "--site", desk.site, "--state", desk.state, "--as-of", NOW, "--json")
    return desk, run_hops("load", desk.visits, *options)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Desk, Outcome]:
    """Return a hospital with 24 days of visits and a model, and the run that made the model; only to be read."""
    folder = tmp_path_factory.mktemp("trained")
    desk = lay_out(folder, folder / "state")
    file, state = desk.write("month.csv", month()), ("--state", desk.state, "--as-of", TRAINED)
    load = run_hops("load", file, "--feed", desk.feed, "--site", desk.site, *state)
    run = run_hops("run", "--type", "weekly_train", *state)
    assert (load.exit_code, run.exit_code) == (0, 0), load.err + run.err
    return desk, run


@pytest.fixture
def loaded(first_load: tuple[Desk, Outcome]) -> Desk:
    """Return the loaded hospital, only to be read."""
    desk, outcome = first_load
    assert outcome.exit_code == 0, outcome.err
    return desk


@pytest.fixture(scope="session")
def loaded_rows(first_load: tuple[Desk, Outcome]) -> dict[str, list[str]]:
    """Return the rows of every table of the loaded hospital; tests that write put it back, so they stay these."""
    desk, _ = first_load
    return rows_of(desk.state)


@pytest.fixture
def own_loaded(loaded: Desk, tmp_path: Path) -> Iterator[Desk]:
    """Return the loaded hospital to write to; afterwards it is put back."""
    with put_back(loaded.state, tmp_path / "kept"):
        yield loaded


@pytest.fixture(scope="session")
def first_ward(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Return the ward as its four days left it; tests that write put it back."""
    return load_ward(tmp_path_factory.mktemp("ward"))


@pytest.fixture
def dq(hops: Hops, first_ward: Desk) -> Callable[..., Outcome]:
    """Return `hops dq …` on the ward, only to be read."""
    return lambda *arguments: hops("dq", *arguments, "--state", first_ward.state)


@pytest.fixture
def own_ward(first_ward: Desk, tmp_path: Path) -> Iterator[Desk]:
    """Return the ward to write to; afterwards it is put back."""
    with put_back(first_ward.state, tmp_path / "kept"):
        yield first_ward
