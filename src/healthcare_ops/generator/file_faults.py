"""What goes wrong with whole files."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pyarrow as pa

from healthcare_ops.generator.scenario import Corrupt, SchemaChange, Truncated

_BLOCK = 0xFFFF
_NO_TEXT = b"\xff\xfe\x00"


@dataclass(frozen=True)
class File:
    """A file as it is delivered."""

    name: str
    content: bytes


def change_schema(rows: pa.Table, fault: SchemaChange) -> pa.Table:
    """Return the rows with columns renamed, added (empty, at the end) or dropped."""
    renamed: dict[str, str] = dict(fault.renamed)
    # By position: an earlier change may have given two columns one name.
    kept = [number for number, name in enumerate(rows.column_names) if name not in fault.dropped]
    names = [rows.column_names[number] for number in kept]
    columns = [rows.column(number) for number in kept]
    columns += [pa.nulls(rows.num_rows, pa.string()) for _ in fault.added]
    return pa.Table.from_arrays(columns, [*(renamed.get(name, name) for name in names), *fault.added])


def spoil_file(file: File, faults: Iterable[Truncated | Corrupt]) -> File:
    """Return the file with the faults, one after the other."""
    for fault in faults:
        if isinstance(fault, Truncated):
            file = replace(file, content=_cut_in_a_line(file.content, fault.keep))
        elif fault.how == "bytes":
            middle = len(file.content) // 2
            file = replace(file, content=file.content[:middle] + _NO_TEXT + file.content[middle + len(_NO_TEXT) :])
        else:
            packed = _gzip(file.content)
            file = File(f"{file.name}.gz", packed[: len(packed) // 2])
    return file


def _cut_in_a_line(content: bytes, keep: float) -> bytes:
    """Return the beginning, up to the middle of the line that holds the place of the cut."""
    place = min(int(len(content) * keep), len(content) - 1)
    start = content.rfind(b"\n", 0, place) + 1
    end = content.find(b"\n", start)
    return content[: (start + (end if end >= 0 else len(content))) // 2]


def _gzip(content: bytes) -> bytes:
    """Return a .gz of stored blocks: what a library compresses to differs between its versions."""
    packed = bytearray(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")
    for start in range(0, max(len(content), 1), _BLOCK):
        block = content[start : start + _BLOCK]
        is_last = start + _BLOCK >= len(content)
        packed += bytes([is_last]) + len(block).to_bytes(2, "little") + (len(block) ^ _BLOCK).to_bytes(2, "little")
        packed += block
    size = len(content) & 0xFFFFFFFF
    return bytes(packed) + zlib.crc32(content).to_bytes(4, "little") + size.to_bytes(4, "little")
