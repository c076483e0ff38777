"""What the jobs need from the outside world, as small protocols; `bootstrap` chooses who fulfils them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from healthcare_ops.core.notices import Message
from healthcare_ops.core.tables import Table

if TYPE_CHECKING:
    # What only passes orders and objects on does without the engines.
    import ibis.expr.types as ir
    import pyarrow as pa


@dataclass(frozen=True)
class DayChanges:
    """Which days of a table changed since a point, and the point to remember for next time.

    `marker` is empty for a table that was never written.
    """

    days: frozenset[date]
    marker: str


@dataclass(frozen=True)
class Delivery:
    """One delivered file, as it lies in raw."""

    feed_id: str
    delivery_seq: int
    source_file: str
    source_sha256: str
    delivered_on: date

    @property
    def batch_id(self) -> str:
        """Return the name of the delivery: feed and number."""
        return f"{self.feed_id}-{self.delivery_seq:06d}"


class Lake(Protocol):
    """Tables of `core.tables`, stored by day; every write is one atomic commit."""

    def read(
        self,
        table: Table,
        first: date | None = None,
        last: date | None = None,
        *,
        days: Collection[date] | None = None,
        columns: Sequence[str] = (),
    ) -> ir.Table:
        """Return the rows of the days `first`…`last` (open ends allowed), instants as naive UTC.

        Of them only those of `days`, if given: an expression that does not name its days is the same the next time.
        All columns, or those named, in the contract's order: few of many small days are kept in memory, so that a tick
        reads no day again that did not change.
        """
        ...

    def append(self, table: Table, rows: ir.Table, notes: Mapping[str, str]) -> int:
        """Add rows; return how many."""
        ...

    def replace_days(self, table: Table, rows: ir.Table, days: Sequence[date], notes: Mapping[str, str]) -> int:
        """Put `rows` in the place of whatever stood at `days`; return how many rows were written."""
        ...

    def changes(self, table: Table, since: str) -> DayChanges:
        """Return the days written after marker `since`, emptied ones among them.

        Without a marker: the days that hold rows now. With one that has expired: these, and days written lately;
        a day that was emptied before is not among them.
        """
        ...

    def note(self, table: Table, key: str) -> str:
        """Return the newest note of that key, or an empty string."""
        ...


class Pins(Protocol):
    """Named states of tables of the lake, which stay readable whatever is written later."""

    def pin(self, table: Table, name: str) -> None:
        """Give the present state of a table a name; one that has the name already keeps it."""
        ...

    def pinned(self, table: Table, name: str, first: date | None = None, last: date | None = None) -> ir.Table:
        """Return the rows that the table had then; `NotFoundError` if nothing has that name."""
        ...

    def pins(self, table: Table) -> list[str]:
        """Return the names, sorted."""
        ...

    def unpin(self, table: Table, name: str) -> None:
        """Take a name away, if there is one."""
        ...


class Engine(Protocol):
    """Runs Ibis expressions."""

    def collect(self, rows: ir.Table) -> pa.Table:
        """Return the result; for small results only."""
        ...

    def query(self, sql: str, tables: Mapping[str, ir.Table]) -> pa.Table:
        """Return what an SQL query (Spark's dialect) says of the tables; it sees nothing else.

        The same database answers on every engine, with as much memory as the engine itself and beside it. It is given
        the columns that the query may read, instants as naive UTC, in a file on the machine of the job: on Spark by
        way of the driver's memory, which must hold those of one table at a time.
        """
        ...

    def stage(self, rows: ir.Table) -> AbstractContextManager[ir.Table]:
        """Compute `rows` once and yield a table that reads the stored result."""
        ...

    def from_arrow(self, rows: pa.Table) -> AbstractContextManager[ir.Table]:
        """Yield a table over rows in memory."""
        ...

    def from_batches(self, batches: Iterable[pa.RecordBatch]) -> AbstractContextManager[ir.Table | None]:
        """Yield a table over a stream of rows, kept on disk; None for a stream without rows."""
        ...


class ObjectStore(Protocol):
    """Plain objects by key (`reports/dt=…/x.json`); every write replaces the object atomically."""

    def read(self, key: str) -> bytes:
        """Return the object; `NotFoundError` if there is none."""
        ...

    def write(self, key: str, data: bytes) -> None:
        """Store the object, all of it or nothing."""
        ...

    def exists(self, key: str) -> bool:
        """Tell whether there is such an object."""
        ...

    def list(self, prefix: str) -> list[str]:
        """Return the keys under the prefix, sorted."""
        ...

    def path(self, key: str) -> str:
        """Return where a person can open the object."""
        ...


class RawStore(Protocol):
    """Deliveries exactly as they came, numbered within their feed and never changed."""

    def land(self, feed_id: str, file: Path, sha256: str, delivered_on: date) -> Delivery:
        """Keep a copy of the file under the feed's next number; `DataError` if its bytes have another hash."""
        ...

    def deliveries(self, feed_id: str) -> list[Delivery]:
        """Return the feed's deliveries in the order of their numbers."""
        ...

    def open(self, delivery: Delivery) -> AbstractContextManager[Path]:
        """Yield a local path of the delivered file, with its name as delivered; `DataError` if it was damaged since."""
        ...

    def put_back(self, delivery: Delivery, file: Path) -> bool:
        """Put a file of the delivery's bytes in the place of a copy that was damaged; return whether it was."""
        ...


class MetricSink(Protocol):
    """Takes what is measured, as lines of CloudWatch's embedded metric format."""

    def write(self, lines: Iterable[str]) -> None:
        """Hand on the lines."""
        ...


class Messenger(Protocol):
    """Sends messages by one channel of notifications."""

    def send(self, message: Message) -> str:
        """Send the message, and return what there is to know beside that it arrived.

        `TransientError` if it did not arrive, `ConfigError` if it cannot; neither tells a secret.
        """
        ...


class SecretStore(Protocol):
    """Named secrets; values never reach logs, arguments or state in the clear."""

    def get(self, name: str) -> bytes:
        """Return the secret; `ConfigError` if it is not set."""
        ...

    def put(self, name: str, value: bytes) -> None:
        """Store the secret, replacing an earlier one."""
        ...

    def names(self) -> list[str]:
        """Return the names that are set, sorted."""
        ...

    def set_at(self, name: str) -> datetime:
        """Return the instant (UTC) at which the secret was set last; `ConfigError` if it is not set."""
        ...


class Journal(Protocol):
    """What a run remembers of itself, whatever crashes: the results of its steps, as plain JSON values."""

    def recorded(self) -> Sequence[Any]:
        """Return the results of the steps that were done before this process took the run up, in order."""
        ...

    def once(self, name: str, work: Callable[[], Any]) -> Any:
        """Do the next step, unless it was done before; return its result."""
        ...
