"""What Iceberg writes beside the rows (lists of files, metadata), on the disk before the catalog names it."""

from __future__ import annotations

import io
import os
from pathlib import Path

from pyiceberg.io import OutputStream
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from pyiceberg.typedef import EMPTY_DICT, Properties

from healthcare_ops.adapters.local_files import sync


class SyncedFiles(PyArrowFileIO):
    """Files of this machine, by plain paths; one that was closed survives a loss of power."""

    def __init__(self, properties: Properties = EMPTY_DICT) -> None:
        super().__init__(properties)

    def new_output(self, location: str) -> PyArrowFile:
        """Return a file to write."""
        file = super().new_output(location)
        return _SyncedFile(location=location, path=location, fs=file._filesystem)  # noqa: SLF001  # it has no other name


class _SyncedFile(PyArrowFile):
    def create(self, overwrite: bool = False) -> OutputStream:
        """Return a stream into the file; `FileExistsError` if it is there and not to be replaced."""
        path = Path(self.location)
        path.parent.mkdir(parents=True, exist_ok=True)
        return _Stream(io.FileIO(path, "wb" if overwrite else "xb"))


class _Stream(io.BufferedWriter):
    def close(self) -> None:
        """Close the file once it is on the disk."""
        if not self.closed:
            self.flush()
            os.fsync(self.fileno())
            super().close()
            sync(Path(self.name).parent)
