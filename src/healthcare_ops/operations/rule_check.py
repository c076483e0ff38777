"""`hops dq check --rules --data`: rules against any Parquet or CSV file, without a state directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from healthcare_ops.adapters.engines import DuckDBEngine
from healthcare_ops.bootstrap.platform import scratch_engine
from healthcare_ops.core.errors import ConfigError, DataError, NotFoundError, QualityError
from healthcare_ops.pipeline.quality.checks import read_rules
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.evaluate import Finding, evaluate
from healthcare_ops.pipeline.quality.measures import Scope
from healthcare_ops.pipeline.quality.where import PRIMARY

_SEPARATORS = {".csv": ",", ".tsv": "\t"}


def check_file(rules: Path, data: Path, references: Mapping[str, Path], now: datetime) -> tuple[Finding, ...]:
    """Return what each rule of a file finds in a file of rows.

    Parameters
    ----------
    data
        A Parquet file, or a CSV or TSV one with a header, `.gz` allowed. Of the latter an empty cell is null, and one
        of two quotes an empty text; columns are numbers, dates, instants or booleans where all their values are.
    references
        Files that rules compare with, by the alias that the rules call them by.
    now
        What `now()` means.

    Raises
    ------
    NotFoundError, ConfigError, DataError
        If a file is not there, the rules cannot be read or judged, or the data cannot be read.
    """
    text = _text(rules)
    with scratch_engine() as engine, ExitStack() as stack:
        tables = {
            alias: stack.enter_context(_opened(engine, path)) for alias, path in {PRIMARY: data, **references}.items()
        }
        judged = tables.pop(PRIMARY)
        try:
            return evaluate(
                read_rules(text, data.name.partition(".")[0]).checks,
                Scope(judged, tables, now.replace(tzinfo=None)),
                collect=engine.collect,
                ask=lambda sql: engine.query(sql, {PRIMARY: judged}),
                history={},
            )
        except DqdlError as error:
            raise error.about(str(rules)) from error


@contextmanager
def _opened(engine: DuckDBEngine, path: Path) -> Iterator[ir.Table]:
    try:
        if path.suffix == ".parquet":
            schema = pq.read_schema(path)
            yield engine.read_files([str(path)], [field.name for field in schema if _is_zoned(field.type)])
            return
        rows = _delimited(path)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}.", next_step="Check the path.") from error
    except (pa.ArrowException, OSError) as error:
        said = str(error).splitlines()[0]
        raise DataError(f"{path} cannot be read: {said}", next_step="Check the file.") from error
    with engine.from_arrow(rows) as table:
        yield table


def _delimited(path: Path) -> pa.Table:
    suffixes = [suffix for suffix in path.suffixes if suffix in _SEPARATORS]
    if not suffixes:
        raise ConfigError(
            f"{path.name!r} is neither .parquet nor .csv nor .tsv.", next_step="Name it after what it holds."
        )
    rows = csv.read_csv(
        path,
        parse_options=csv.ParseOptions(delimiter=_SEPARATORS[suffixes[-1]], newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )
    # A column without any value is a text column, as is every column to begin with; instants have no zone here.
    fields = [(field.name, _plain(field.type)) for field in rows.schema]
    return rows.cast(pa.schema(fields))


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_null(kind):
        return pa.string()
    return pa.timestamp("us") if pa.types.is_timestamp(kind) else kind


def _is_zoned(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) and kind.tz)


def _text(rules: Path) -> str:
    try:
        return rules.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {rules}.", next_step="Check the path.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{rules} is not UTF-8: {error}.", next_step="Save it as UTF-8.") from error


def failure_of(findings: Sequence[Finding], data: Path) -> QualityError | None:
    """Return what the command ends with; None if no `fail` rule is broken."""
    failed = [finding for finding in findings if finding.verdict == "fail"]
    if not failed:
        return None
    return QualityError(
        f"{len(failed)} of {len(findings)} rules are broken by {data}; the first: {failed[0].check.rule}.",
        next_step="Correct the data, or the rules.",
    )
