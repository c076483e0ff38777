"""Bytes of a delivered file to checked text, a block at a time."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from healthcare_ops.core.errors import DataError
from healthcare_ops.core.reasons import FileFault

BLOCK_BYTES = 4 << 20
MAX_LINE_CHARS = 1 << 20
_CODECS = {".gz": "gzip", ".zst": "zstd"}


def text_blocks(path: Path, encoding: str) -> Iterator[str]:
    """Yield the file's text, unpacked and decoded, without a byte order mark.

    Raises
    ------
    DataError
        If the file is truncated or damaged, a byte is not of the encoding, or a line holds a NUL or more than
        `MAX_LINE_CHARS` characters. No more than a block of such a line is ever held.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
    lines = _LineCheck(path.name)
    for block in _plain_blocks(path):
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line = lines.number + error.object.count(b"\n", 0, error.start)
            raise DataError(
                f"{path.name}, line {line}: byte 0x{error.object[error.start]:02x} is not {encoding}.",
                next_step="Correct `encoding` in the feed file, or ask the supplier for one encoding throughout.",
                fault=FileFault.FILE_ENCODING_OTHER,
                line=line,
            ) from error
        lines.check(text)
        yield text


def line_blocks(blocks: Iterator[str]) -> Iterator[list[str]]:
    """Yield the text as lists of whole lines, without their line feeds."""
    rest = ""
    for block in blocks:
        *lines, rest = (rest + block).split("\n")
        yield lines
    if rest:
        yield [rest]


def _plain_blocks(path: Path) -> Iterator[bytes]:
    """Yield the unpacked bytes, and an empty block at the end."""
    codec = _CODECS.get(path.suffix.lower())
    with pa.OSFile(str(path)) as file:
        stream = pa.CompressedInputStream(file, codec) if codec else file
        block = b" "
        while block:
            try:
                block = stream.read(BLOCK_BYTES)
            except OSError as error:
                if error.errno is not None:  # the disk's fault, not the file's
                    raise
                raise DataError(
                    f"{path.name} is not a whole {codec} file: {error}.",
                    next_step="Ask the supplier to send it again.",
                    fault=FileFault.FILE_NOT_WHOLE,
                ) from error
            yield block


class _LineCheck:
    """Follows a text line by line across blocks; `number` is the line that the next block starts in."""

    def __init__(self, file_name: str) -> None:
        self.number = 1
        self._file_name = file_name
        self._open_chars = 0  # of the line that the last block left unfinished

    def check(self, text: str) -> None:
        if "\0" in text:
            step = "Ask the supplier for a text file."
            raise self._error(text, text.index("\0"), "holds a NUL byte", step, FileFault.FILE_ENCODING_OTHER)
        self._check_lengths(text)
        self.number += text.count("\n")

    def _check_lengths(self, text: str) -> None:
        """Jump to the last line feed that a line of allowed length can reach: a long line reaches none."""
        position, room = 0, MAX_LINE_CHARS - self._open_chars
        while len(text) - position > room:
            line_feed = text.rfind("\n", position, position + room + 1)
            if line_feed < 0:
                what = f"is longer than {MAX_LINE_CHARS} characters"
                step = "Check that the file is of the declared format."
                raise self._error(text, position, what, step, FileFault.FILE_RECORD_UNREADABLE)
            position, room = line_feed + 1, MAX_LINE_CHARS
        last = text.rfind("\n")
        self._open_chars = len(text) - last - 1 if last >= 0 else self._open_chars + len(text)

    def _error(self, text: str, position: int, what: str, next_step: str, fault: FileFault) -> DataError:
        line = self.number + text.count("\n", 0, position)
        return DataError(f"{self._file_name}, line {line} {what}.", next_step=next_step, fault=fault, line=line)
