"""`ingest_bronze`: raw deliveries that bronze does not hold yet."""

from __future__ import annotations

import json
from datetime import UTC

from healthcare_ops.core.config import PSEUDONYM_KEY
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.feed import Feed
from healthcare_ops.jobs.context import Context, Outcome, Request
from healthcare_ops.jobs.newest import delivery_of, note_newest
from healthcare_ops.pipeline.bronze import bronze_rows, bronze_table
from healthcare_ops.pipeline.sources.mapping import map_records
from healthcare_ops.pipeline.sources.pseudonyms import Pseudonymiser
from healthcare_ops.pipeline.sources.readers import read_records
from healthcare_ops.ports import Delivery, SecretStore


def run(context: Context, request: Request) -> Outcome:
    """Append every new delivery, in the order of their numbers, one commit each."""
    pseudonymiser = read_pseudonymiser(context.secrets)
    counts = {}
    for feed in context.feeds.values():
        for delivery in new_deliveries(context, feed):
            counts[delivery.batch_id] = _ingest(context, feed, delivery, pseudonymiser)
            note_newest(context.objects, delivery_of(feed.feed_id), context.clock.now())
    return {"deliveries": len(counts), "records": sum(counts.values()), "batches": counts}


def new_deliveries(context: Context, feed: Feed) -> list[Delivery]:
    """Return the feed's deliveries beyond the last that bronze committed."""
    last = int(context.lake.note(bronze_table(feed), ingest_marker(feed)) or 0)
    return [delivery for delivery in context.raw.deliveries(feed.feed_id) if delivery.delivery_seq > last]


def read_pseudonymiser(secrets: SecretStore) -> Pseudonymiser:
    """Return the pseudonymiser of the current key; `ConfigError` if there is none."""
    stored = json.loads(secrets.get(PSEUDONYM_KEY))
    try:
        return Pseudonymiser(stored["key_id"], bytes.fromhex(stored["key"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"secret {PSEUDONYM_KEY!r} is not a key with an id.",
            next_step="Restore the secret store from a backup.",
        ) from error


def _ingest(context: Context, feed: Feed, delivery: Delivery, pseudonymiser: Pseudonymiser) -> int:
    table = bronze_table(feed)
    notes = {ingest_marker(feed): str(delivery.delivery_seq)}
    with context.raw.open(delivery) as path:
        mapped = (
            map_records(batch, feed, source_sha256=delivery.source_sha256, pseudonymiser=pseudonymiser)
            for batch in read_records(path, feed)
        )
        with context.engine.from_batches(mapped) as records:
            if records is None:  # noted all the same, or every run would read the file again
                nothing = context.lake.read(table).limit(0)
                return context.lake.append(table, nothing, notes)
            ingested_at = context.clock.now().astimezone(UTC).replace(tzinfo=None)
            return context.lake.append(table, bronze_rows(records, feed, delivery, ingested_at), notes)


def ingest_marker(feed: Feed) -> str:
    """Return the key of the note that holds the last delivery in bronze."""
    return f"ingested.{feed.feed_id}"
