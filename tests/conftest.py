from __future__ import annotations

from collections.abc import Iterator

import pytest

from accounts import state_directories, unaccounted
from databases import DATABASES, INSTALL, database, postgres_folder, postgres_server
from engines import StageEngine, duckdb_engine, spark_engine


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep a file's tests in one process, so that what they share (a year in a lake) is made once."""
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415  # only where tests run in parallel

    return LoadFileScheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def everything_accounted_for(tmp_path_factory) -> Iterator[None]:
    """Find what any test lost: at the end, of each batch in each state directory that was left behind."""
    yield
    lost = {
        str(state): found
        for state in state_directories(tmp_path_factory.getbasetemp())
        if (found := unaccounted(state))
    }
    assert not lost


@pytest.fixture(scope="session", params=["duckdb", pytest.param("spark", marks=pytest.mark.spark)])
def engine(request) -> Iterator[StageEngine]:
    """Run a stage test on DuckDB and, with `make spark`, on Spark."""
    with duckdb_engine() if request.param == "duckdb" else spark_engine() as opened:
        yield opened


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Run a PostgreSQL server for the tests of this process."""
    if postgres_folder() is None:
        pytest.skip(INSTALL)
    with postgres_server() as url:
        yield url


@pytest.fixture(params=DATABASES)
def database_url(request, tmp_path) -> Iterator[str]:
    """Return a new database for the steps of runs: a file, or one on a server."""
    with database(request.param, tmp_path, request.getfixturevalue) as url:
        yield url
