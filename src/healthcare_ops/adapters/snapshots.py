"""Snapshots of Iceberg tables: the data files that the newest one lists, and commits that change the list.

PyIceberg plans a scan by reading every manifest anew, and its overwrite carries emptied manifests along for ever;
with a commit every quarter of an hour that soon is most of a run. Here each manifest, which never changes, is read
once, and a commit writes anew only those that hold a replaced file, and small ones together when they are many.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import (
    DataFile,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    read_manifest_list,
    write_manifest,
    write_manifest_list,
)
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import (
    Operation,
    Snapshot,
    SnapshotSummaryCollector,
    Summary,
    update_snapshot_summaries,
)
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    AssertRefSnapshotId,
    AssertTableUUID,
    RemoveSnapshotRefUpdate,
    RemoveSnapshotsUpdate,
    SetPropertiesUpdate,
    SetSnapshotRefUpdate,
    TableRequirement,
    TableUpdate,
)
from pyiceberg.types import DateType

from healthcare_ops.adapters.synced_files import SyncedFiles

# One late record makes its commit write a whole manifest anew; every read opens those of its days.
_FILES_PER_MANIFEST = 64
_MOST_SMALL_MANIFESTS = 8
_CACHED_MANIFESTS, _CACHED_LISTS = 1024, 64
_COMPRESSION: Final = "deflate"
_EPOCH = date(1970, 1, 1)
_FILES = SyncedFiles()


@dataclass(frozen=True)
class _Change:
    """What becomes of the files of a table: manifests `kept`, entries `moved` to other manifests, and the rest."""

    kept: Sequence[ManifestFile]
    moved: Sequence[ManifestEntry]
    added: Sequence[DataFile]
    dropped: Sequence[ManifestEntry]


class Snapshots:
    """The snapshots of a catalog's tables; each table is partitioned by one date, and a file holds one day."""

    def __init__(self, catalog: Catalog, *, keep: int) -> None:
        self._catalog = catalog
        self._keep = keep

    def files(
        self, table: Table, first: date | None = None, last: date | None = None, snapshot: Snapshot | None = None
    ) -> list[DataFile]:
        """Return the files of the days `first`…`last` that are live in a snapshot, by default the newest."""
        return [
            entry.data_file
            for manifest in _listed(table, snapshot)
            if _overlaps(manifest, first, last)
            for entry in _live(manifest)
            if _is_within(day_of(entry.data_file), first, last)
        ]

    def commit(
        self,
        table: Table,
        added: Sequence[DataFile],
        replaced: Collection[date],
        *,
        properties: Mapping[str, str],
        summary: Mapping[str, str],
    ) -> None:
        """Add files, drop those of the `replaced` days and set properties, all at once.

        Of two writers that only set properties the later one wins: both know the same files.

        Raises
        ------
        CommitFailedException
            If another writer changed the table's files first; nothing has changed then.
        """
        updates: list[TableUpdate] = [SetPropertiesUpdate(updates=dict(properties))] if properties else []
        kept, rest = self._split(table, frozenset(replaced))
        dropped = [entry for entry in rest if day_of(entry.data_file) in replaced]
        if added or dropped:
            moved = [entry for entry in rest if day_of(entry.data_file) not in replaced]
            updates += self._snapshot(table, _Change(kept, moved, added, dropped), summary)
        if not updates:
            return
        head = table.metadata.current_snapshot_id
        requirements: tuple[TableRequirement, ...] = (
            AssertTableUUID(uuid=table.metadata.table_uuid),
            AssertRefSnapshotId(ref=MAIN_BRANCH, snapshot_id=head),
        )
        self._catalog.commit_table(table, requirements, tuple(updates))

    def tag(self, table: Table, name: str) -> None:
        """Tag the newest snapshot; a tag that there is stays where it is."""
        head = table.metadata.current_snapshot_id
        if head is None or name in table.metadata.refs:
            return
        update = SetSnapshotRefUpdate(
            ref_name=name,
            type=SnapshotRefType.TAG,
            snapshot_id=head,
            max_ref_age_ms=None,
            max_snapshot_age_ms=None,
            min_snapshots_to_keep=None,
        )
        self._catalog.commit_table(table, (AssertTableUUID(uuid=table.metadata.table_uuid),), (update,))

    def untag(self, table: Table, name: str) -> None:
        """Remove a tag, if there is one."""
        if name in table.metadata.refs and name != MAIN_BRANCH:
            update = RemoveSnapshotRefUpdate(ref_name=name)
            self._catalog.commit_table(table, (AssertTableUUID(uuid=table.metadata.table_uuid),), (update,))

    def _split(self, table: Table, replaced: frozenset[date]) -> tuple[list[ManifestFile], list[ManifestEntry]]:
        """Return the manifests that can stay as they are, and the live entries of the others."""
        listed = _listed(table)
        touched = []
        if replaced:
            near = [manifest for manifest in listed if _overlaps(manifest, min(replaced), max(replaced))]
            touched = [m for m in near if any(day_of(entry.data_file) in replaced for entry in _live(m))]
        small = [m for m in listed if 2 * _live_count(m) <= _FILES_PER_MANIFEST]
        if len(small) > _MOST_SMALL_MANIFESTS:
            touched += [manifest for manifest in small if manifest not in touched]
        kept = [manifest for manifest in listed if manifest not in touched]
        return kept, [entry for manifest in touched for entry in _live(manifest)]

    def _snapshot(self, table: Table, change: _Change, properties: Mapping[str, str]) -> list[TableUpdate]:
        parent = table.current_snapshot()
        writer = _Writer(table)
        snapshot = Snapshot(
            snapshot_id=writer.snapshot_id,
            parent_snapshot_id=parent.snapshot_id if parent else None,
            sequence_number=table.metadata.next_sequence_number(),
            manifest_list=writer.write_list([*writer.write_manifests(change), *change.kept]),
            summary=_summary(table, parent, change, properties),
            schema_id=table.metadata.current_schema_id,
        )
        updates: list[TableUpdate] = [
            AddSnapshotUpdate(snapshot=snapshot),
            SetSnapshotRefUpdate(
                ref_name=MAIN_BRANCH,
                type=SnapshotRefType.BRANCH,
                snapshot_id=snapshot.snapshot_id,
                max_ref_age_ms=None,
                max_snapshot_age_ms=None,
                min_snapshots_to_keep=None,
            ),
        ]
        if expired := self._expired(table):
            updates.append(RemoveSnapshotsUpdate(snapshot_ids=expired))
        return updates

    def _expired(self, table: Table) -> list[int]:
        """Return the oldest snapshots beyond the limit: the cost of a commit grows with their number."""
        tagged = {ref.snapshot_id for name, ref in table.metadata.refs.items() if name != MAIN_BRANCH}
        newest_first = sorted(table.metadata.snapshots, key=lambda snapshot: -(snapshot.sequence_number or 0))
        # One less: the new snapshot is not among them yet.
        surplus = newest_first[self._keep - 1 :]
        return [snapshot.snapshot_id for snapshot in surplus if snapshot.snapshot_id not in tagged]


def day_of(file: DataFile) -> date:
    """Return the day whose rows a file holds."""
    return _EPOCH + timedelta(days=file.partition[0])


def partition_of(day: date) -> int:
    """Return a day as the partition value of its files."""
    return (day - _EPOCH).days


@lru_cache(_CACHED_MANIFESTS)
def _live(manifest: ManifestFile) -> tuple[ManifestEntry, ...]:
    """Return the live entries of a manifest, which is known by its path and never written again."""
    return tuple(manifest.fetch_manifest_entry(_FILES))


class _Writer:
    """Writes the manifests of one new snapshot."""

    def __init__(self, table: Table) -> None:
        self.snapshot_id = table.metadata.new_snapshot_id()
        self._table = table
        self._commit_id = uuid.uuid4()

    def write_manifests(self, change: _Change) -> Iterator[ManifestFile]:
        """Yield manifests of neighbouring days: dropped files are read by nobody and stand apart."""
        added = [self._added(file) for file in change.added]
        moved = [_former(ManifestEntryStatus.EXISTING, entry, entry.snapshot_id) for entry in change.moved]
        gone = [_former(ManifestEntryStatus.DELETED, entry, self.snapshot_id) for entry in change.dropped]
        chunks = [*_chunks(sorted(added + moved, key=lambda entry: day_of(entry.data_file))), *_chunks(gone)]
        for number, chunk in enumerate(chunks):
            with write_manifest(
                self._table.metadata.format_version,
                self._table.spec(),
                self._table.schema(),
                self._table.io.new_output(self._place(f"{self._commit_id}-m{number}.avro")),
                self.snapshot_id,
                _COMPRESSION,
            ) as writer:
                for entry in chunk:
                    writer.add_entry(entry)
            yield writer.to_manifest_file()

    def write_list(self, manifests: list[ManifestFile]) -> str:
        """Return where the list of manifests is."""
        place = self._place(f"snap-{self.snapshot_id}-0-{self._commit_id}.avro")
        with write_manifest_list(
            self._table.metadata.format_version,
            self._table.io.new_output(place),
            self.snapshot_id,
            self._table.metadata.current_snapshot_id,
            self._table.metadata.next_sequence_number(),
            _COMPRESSION,
        ) as writer:
            writer.add_manifests(manifests)
        return place

    def _added(self, file: DataFile) -> ManifestEntry:
        """Return a new file's entry; readers take its sequence number from the list of manifests."""
        return ManifestEntry.from_args(
            status=ManifestEntryStatus.ADDED,
            snapshot_id=self.snapshot_id,
            sequence_number=None,
            file_sequence_number=None,
            data_file=file,
        )

    def _place(self, name: str) -> str:
        return self._table.location_provider().new_metadata_location(name)


def _former(status: ManifestEntryStatus, entry: ManifestEntry, snapshot_id: int | None) -> ManifestEntry:
    """Return an entry of an earlier snapshot with another status."""
    return ManifestEntry.from_args(
        status=status,
        snapshot_id=snapshot_id,
        sequence_number=entry.sequence_number,
        file_sequence_number=entry.file_sequence_number,
        data_file=entry.data_file,
    )


def _summary(table: Table, parent: Snapshot | None, change: _Change, properties: Mapping[str, str]) -> Summary:
    collector = SnapshotSummaryCollector()
    for file in change.added:
        collector.add_file(file, table.schema(), table.spec())
    for entry in change.dropped:
        collector.remove_file(entry.data_file, table.schema(), table.spec())
    replacing = Operation.OVERWRITE if change.added else Operation.DELETE
    operation = replacing if change.dropped else Operation.APPEND
    summary = Summary(operation=operation, **collector.build(), **properties)
    return update_snapshot_summaries(summary, parent.summary if parent else None)  # type: ignore[arg-type]  # Summary is a mapping


def _listed(table: Table, snapshot: Snapshot | None = None) -> list[ManifestFile]:
    """Return the manifests of a snapshot, by default the newest, that hold a live file."""
    snapshot = snapshot or table.current_snapshot()
    if snapshot is None:
        return []
    return [manifest for manifest in _manifests(snapshot.manifest_list) if _live_count(manifest)]


@lru_cache(_CACHED_LISTS)
def _manifests(manifest_list: str) -> tuple[ManifestFile, ...]:
    """Return the manifests that a list names, which is never written again."""
    return tuple(read_manifest_list(_FILES.new_input(manifest_list)))


def _live_count(manifest: ManifestFile) -> int:
    return (manifest.added_files_count or 0) + (manifest.existing_files_count or 0)


def _overlaps(manifest: ManifestFile, first: date | None, last: date | None) -> bool:
    days = manifest.partitions[0] if manifest.partitions else None
    if days is None or days.lower_bound is None or days.upper_bound is None:
        return True
    return (last is None or _decoded(days.lower_bound) <= partition_of(last)) and (
        first is None or _decoded(days.upper_bound) >= partition_of(first)
    )


def _decoded(bound: bytes) -> int:
    return int(from_bytes(DateType(), bound))


def _is_within(day: date, first: date | None, last: date | None) -> bool:
    return (first is None or first <= day) and (last is None or day <= last)


def _chunks(entries: Sequence[ManifestEntry]) -> Iterator[Sequence[ManifestEntry]]:
    for start in range(0, len(entries), _FILES_PER_MANIFEST):
        yield entries[start : start + _FILES_PER_MANIFEST]
