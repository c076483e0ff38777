from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from accounts import put_back
from e2e.command import Outcome, rows_of, run_hops
from e2e.deliveries import FEED, NOW, SITE, visits

Hops = Callable[..., Outcome]


@dataclass(frozen=True)
class Desk:
    """The files that an operator has at hand, and the state directory to work on."""

    folder: Path
    state: Path

    @property
    def site(self) -> Path:
        return self.folder / "site.toml"

    @property
    def feed(self) -> Path:
        return self.folder / "visits.toml"

    @property
    def visits(self) -> Path:
        # A name that a terminal, a shell pattern or markup could take for more than a name.
        return self.folder / "visits [red]\x1b[31m*.csv"

    def write(self, name: str, content: str | bytes) -> Path:
        """Lay down a file."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


def lay_out(folder: Path, state: Path) -> Desk:
    """Write the hospital's files into a folder."""
    desk = Desk(folder, state)
    for path, text in ((desk.site, SITE), (desk.feed, FEED), (desk.visits, visits())):
        path.write_text(text, encoding="utf-8")
    return desk


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
