"""Raw deliveries in a folder: the file, and beside it what is known of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path

from healthcare_ops.adapters.local_files import copy_file, write_bytes
from healthcare_ops.core.errors import DataError
from healthcare_ops.ports import Delivery


class LocalRaw:
    """`raw/<feed_id>/dt=…/<seq>/<file>`; `<seq>.json` beside the folder is written last and makes it count."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def land(self, feed_id: str, file: Path, sha256: str, delivered_on: date) -> Delivery:
        """Keep a copy of the file under the feed's next number; `DataError` if its bytes have another hash."""
        # By their names: to read what is known of each would make a load of thousands of files take its square.
        sequence = max((int(facts_file.stem) for facts_file in self._facts(feed_id)), default=0) + 1
        delivery = Delivery(feed_id, sequence, file.name, sha256, delivered_on)
        folder = self._folder(delivery)
        copy_file(file, folder / file.name, sha256)
        facts = asdict(delivery) | {"delivered_on": delivered_on.isoformat()}
        write_bytes(folder.with_suffix(".json"), json.dumps(facts, indent=1).encode())
        return delivery

    def deliveries(self, feed_id: str) -> list[Delivery]:
        """Return the feed's deliveries in the order of their numbers."""
        found = []
        for facts_file in self._facts(feed_id):
            facts = json.loads(facts_file.read_text())
            found.append(Delivery(**facts | {"delivered_on": date.fromisoformat(facts["delivered_on"])}))
        return sorted(found, key=lambda delivery: delivery.delivery_seq)

    def _facts(self, feed_id: str) -> Iterator[Path]:
        # Not by a pattern: it would pass over folders that may not be read, as if nothing had been delivered.
        feed = self._root / feed_id
        for day in feed.iterdir() if feed.exists() else ():
            if day.name.startswith("dt="):
                yield from (path for path in day.iterdir() if path.suffix == ".json")

    @contextmanager
    def open(self, delivery: Delivery) -> Iterator[Path]:
        """Yield the path of the delivered file; `DataError` if it is gone, or its bytes are others by now."""
        if self._is_damaged(delivery):
            raise DataError(
                f"{delivery.source_file} of feed {delivery.feed_id} (delivery {delivery.delivery_seq}) is not in raw "
                "as it was delivered: its hash is another one.",
                next_step=f"Have the supplier deliver it again: `hops ingest --feed {delivery.feed_id}` puts it back.",
            )
        yield self._path(delivery)

    def put_back(self, delivery: Delivery, file: Path) -> bool:
        """Put a file of the delivery's bytes in the place of a copy that was damaged; return whether it was."""
        is_damaged = self._is_damaged(delivery)
        if is_damaged:
            copy_file(file, self._path(delivery), delivery.source_sha256)
        return is_damaged

    def _is_damaged(self, delivery: Delivery) -> bool:
        try:
            with self._path(delivery).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() != delivery.source_sha256
        except FileNotFoundError:
            return True

    def _path(self, delivery: Delivery) -> Path:
        return self._folder(delivery) / delivery.source_file

    def _folder(self, delivery: Delivery) -> Path:
        day = f"dt={delivery.delivered_on.isoformat()}"
        return self._root / delivery.feed_id / day / f"{delivery.delivery_seq:06d}"
