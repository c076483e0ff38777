"""A PostgreSQL server of the tests' own, on an ephemeral port of the loopback interface."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

INSTALL = "PostgreSQL is not installed. On Debian: sudo apt-get install postgresql"
DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
_WITHIN_S = 30.0
_TRIES = 5
_OPTIONS = ("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=60", "-c", "fsync=off")
_numbers = count(1)


def postgres_folder() -> Path | None:
    """Return the folder of the server's programs, the newest release first; None if there is none."""
    beside = shutil.which("postgres")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    return Path(beside).parent if beside else found[-1].parent if found else None


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server; yield the URL of its databases, without a name.

    Its data lie beside pytest's temporary folders: a server does not run as root, and pytest closes its own to others.
    """
    programs = postgres_folder()
    assert programs, INSTALL
    with tempfile.TemporaryDirectory(prefix="hops-postgres-", ignore_cleanup_errors=True) as folder:
        data = Path(folder, "data")
        data.mkdir()
        who: list[str] = []
        if os.geteuid() == 0:
            Path(folder).chmod(0o711)
            shutil.chown(data, "postgres", "postgres")
            who = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        made = [*who, programs / "initdb", "-D", data, "-U", "hops", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(made, check=True, capture_output=True, cwd="/")
        with _serving([*who, programs / "postgres", "-D", data, *_OPTIONS, "-k", data]) as url:
            yield url


@contextmanager
def _serving(command: Sequence[str | Path]) -> Iterator[str]:
    for _ in range(_TRIES):
        port = _free_port()
        with subprocess.Popen(
            [*command, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
        ) as server:
            url = f"postgresql://hops@127.0.0.1:{port}"
            try:
                if _is_ready(server, url):
                    yield url
                    return
            finally:
                server.send_signal(signal.SIGINT)  # not waiting for those who are connected
    raise AssertionError(f"the server did not start in {_TRIES} tries")


@contextmanager
def database(kind: str, folder: Path, fixture: Callable[[str], str]) -> Iterator[str]:
    """Make a database of that kind; yield its URL. The server is the test run's, by the name of its fixture."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'runs.db'}"
        return
    with new_database(fixture("postgres_url")) as url:
        yield url


@contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """Make a database on the server; yield its URL, as the setting `database_url` has it."""
    name = f"runs_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(f"{server_url}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{server_url}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def copy_database(server_url: str, source: str, name: str) -> None:
    """Make the database `name` anew, as a copy of another one that nobody is connected to any more."""
    with psycopg.connect(f"{server_url}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {source}")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _is_ready(server: subprocess.Popen[bytes], url: str) -> bool:
    """Wait until the server answers; tell whether it does, or ended because its port was taken meanwhile."""
    until = time.monotonic() + _WITHIN_S
    while server.poll() is None and time.monotonic() < until:
        try:
            with psycopg.connect(f"{url}/postgres"):
                return True
        except psycopg.OperationalError:
            time.sleep(0.05)
    return False
