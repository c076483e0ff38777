"""What goes wrong with whole files."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import pyarrow as pa

from healthcare_ops.generator.scenario import Corrupt, SchemaChange, Truncated

_BLOCK = 0xFFFF
_NO_TEXT = b"\xff\xfe\x00"
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class File:
    """A file as it is delivered; `records` are the rows that stand whole in it."""

    name: str
    content: bytes
    records: int


def change_schema(rows: pa.Table, fault: SchemaChange) -> pa.Table:
    """Return the rows with columns renamed, added (empty, at the end) or dropped; as they are if none would be left."""
    renamed: dict[str, str] = dict(fault.renamed)
    # By position: an earlier change may have given two columns one name.
    kept = [number for number, name in enumerate(rows.column_names) if name not in fault.dropped]
    if not (kept or fault.added):
        return rows
    names = [rows.column_names[number] for number in kept]
    columns = [rows.column(number) for number in kept]
    columns += [pa.nulls(rows.num_rows, pa.string()) for _ in fault.added]
    return pa.Table.from_arrays(columns, [*(renamed.get(name, name) for name in names), *fault.added])


def spoil_file(file: File, fault: Truncated | Corrupt) -> File:
    """Return the file with the fault."""
    content = file.content
    if isinstance(fault, Truncated):
        return _with_what_is_left(file.name, content[: _inside_a_line(content, fault.keep)])
    if fault.how == "bytes":
        middle = _inside_a_line(content, 0.5)
        return replace(file, content=content[:middle] + _NO_TEXT + content[middle:])
    packed = _gzip(content)
    return _with_what_is_left(f"{file.name}.gz", packed[: len(packed) // 2])


def _inside_a_line(content: bytes, share: float) -> int:
    """Return the middle of the line in which a share of the bytes ends."""
    place = min(int(len(content) * share), len(content) - 1)
    start = content.rfind(b"\n", 0, place) + 1
    end = content.find(b"\n", start)
    return (start + (end if end >= 0 else len(content))) // 2


def _with_what_is_left(name: str, content: bytes) -> File:
    """Return the file with the rows that can still be read to their ends, after the header."""
    text, packed = content, name
    while packed.endswith(".gz"):
        text, packed = _unpacked(text), packed.removesuffix(".gz")
    return File(name, content, max(text.count(b"\n") - 1, 0))


def _unpacked(content: bytes) -> bytes:
    """Return what a .gz holds up to where it breaks off."""
    try:
        return zlib.decompressobj(wbits=_GZIP).decompress(content)
    except zlib.error:
        return b""


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
