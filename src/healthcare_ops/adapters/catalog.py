"""The catalog of the lake: which tables there are, and which metadata of each is the newest."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.io import PY_IO_IMPL
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from sqlalchemy.engine import URL

from healthcare_ops.adapters.synced_files import SyncedFiles

_CACHED_TABLES = 64
_FILES = SyncedFiles()


class LakeCatalog(SqlCatalog):
    """An SQLite catalog in the lake's folder, asked anew each time; what it names is read once.

    A tick asks for its tables a hundred times, and PyIceberg would read a JSON file of all their snapshots each time.
    """

    def __init__(self, root: Path) -> None:
        # Plain paths, not file:// addresses: readers of those disagree on escapes, so that the metadata of a
        # folder such as "São Paulo" would lie outside it.
        database = URL.create("sqlite", database=str(root / "catalog.db")).render_as_string()
        files = f"{SyncedFiles.__module__}.{SyncedFiles.__qualname__}"
        super().__init__("hops", uri=database, warehouse=str(root), **{PY_IO_IMPL: files})

    def _convert_orm_to_iceberg(self, orm_table: IcebergTables) -> Table:
        location = orm_table.metadata_location
        if not location or not Path(location).exists():
            return super()._convert_orm_to_iceberg(orm_table)
        metadata = _metadata(location)
        name = (*Catalog.identifier_to_tuple(orm_table.table_namespace), orm_table.table_name)
        return Table(name, metadata, location, self._load_file_io(metadata.properties, location), self)


@lru_cache(_CACHED_TABLES)
def _metadata(location: str) -> TableMetadata:
    """Return the metadata at a place whose name is a new one for each commit, and which is never written again."""
    return FromInputFile.table_metadata(_FILES.new_input(location))
