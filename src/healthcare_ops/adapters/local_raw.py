"""Raw deliveries in a folder: the file, and beside it what is known of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path

from healthcare_ops.adapters.local_files import copy_file, write_bytes
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
        return (self._root / feed_id).glob("dt=*/*.json")

    @contextmanager
    def open(self, delivery: Delivery) -> Iterator[Path]:
        """Yield the path of the delivered file."""
        yield self._folder(delivery) / delivery.source_file

    def _folder(self, delivery: Delivery) -> Path:
        day = f"dt={delivery.delivered_on.isoformat()}"
        return self._root / delivery.feed_id / day / f"{delivery.delivery_seq:06d}"
