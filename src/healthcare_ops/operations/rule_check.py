"""`hops dq check --rules --data`: rules against any Parquet or CSV file, without a state directory."""

from __future__ import annotations

import re
from collections import Counter
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
from healthcare_ops.operations.rule_lint import rules_text
from healthcare_ops.pipeline.quality.dqdl.fault import DqdlError
from healthcare_ops.pipeline.quality.evaluate import Finding, evaluate
from healthcare_ops.pipeline.quality.rules.checks import read_rules
from healthcare_ops.pipeline.quality.rules.measures import Scope
from healthcare_ops.pipeline.quality.rules.where import PRIMARY

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_SEPARATED_BY = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_FIRST_LINE = 65536
# What DuckDB would take for a pattern in a file's name.
_WILDCARD = re.compile(r"[*?\[]")


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
    text = rules_text(rules)
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
    kind = _kind_of(path)
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is no file.", next_step="Name a Parquet, CSV or TSV file; a pipe or device is none.")
    try:
        if kind == ".parquet":
            _require_columns(path, pq.read_schema(path).names)
            table = engine.read_files([_WILDCARD.sub(r"[\g<0>]", str(path))])
            yield table.mutate(**{name: table[name].cast("timestamp") for name in _zoned(table)})
            return
        rows = _delimited(path, _SEPARATORS[kind])
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}.", next_step="Check the path.") from error
    except (pa.ArrowException, OSError) as error:
        step = _hint(path, kind) or "Check the file."
        raise DataError(f"{path} cannot be read: {_said(error)}", next_step=step) from error
    with engine.from_arrow(rows) as table:
        yield table


def _kind_of(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    found = next((kind for kind in _SEPARATORS if name.endswith(kind)), None)
    if found is None and path.suffix.lower() == ".parquet":
        return ".parquet"
    if found is None:
        raise ConfigError(
            f"{path.name!r} is neither .parquet nor .csv nor .tsv.", next_step="Name it after what it holds."
        )
    return found


def _delimited(path: Path, separator: str) -> pa.Table:
    with pa.input_stream(path, compression="gzip" if path.suffix.lower() == ".gz" else None) as stream:
        rows = csv.read_csv(
            stream,
            parse_options=csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
            ),
        )
    _require_columns(path, rows.schema.names)
    if len(rows.schema.names) == 1 and (hint := _hint(path, ".tsv" if separator == "\t" else ".csv")):
        raise DataError(f"{path} has one column, whose name holds other separators.", next_step=hint)
    if any(pa.types.is_binary(field.type) for field in rows.schema):
        raise DataError(f"{path} is not UTF-8.", next_step="Save it as UTF-8.")
    # A column without any value is a text column, as is every column to begin with; instants have no zone here, and
    # are of microseconds.
    fields = [(field.name, _plain(field.type)) for field in rows.schema]
    return rows.cast(pa.schema(fields), safe=False)


def _hint(path: Path, kind: str) -> str:
    """Return what to do if the first line speaks for another separator than the file's name; empty if it does not."""
    if kind not in _SEPARATORS:
        return ""
    try:
        with pa.input_stream(path, compression="gzip" if path.suffix.lower() == ".gz" else None) as stream:
            line = stream.read(_FIRST_LINE).partition(b"\n")[0].decode(errors="replace")
    except (pa.ArrowException, OSError):
        return ""
    counts = {name: line.count(mark) for mark, name in _SEPARATED_BY.items()}
    usual = _SEPARATED_BY[_SEPARATORS[kind]]
    most = max(counts, key=lambda name: counts[name])
    if counts[most] <= counts[usual]:
        return ""
    return f"Its first line is separated by {most}, not by {usual}: save it as {kind} with {usual}."


def _require_columns(path: Path, names: Sequence[str]) -> None:
    """Raise `DataError` if a column has no name, or two are one to an engine."""
    if "" in names:
        raise DataError(f"column {names.index('') + 1} of {path} has no name.", next_step="Name every column.")
    counts = Counter(name.lower() for name in names)
    if twice := [name for name in names if counts[name.lower()] > 1]:
        raise DataError(
            f"{path} has more than one column {twice[0]!r}, capitals aside.", next_step="Name each column otherwise."
        )


def _said(error: Exception) -> str:
    """Return what a library says of a file, without the row that it quotes."""
    return re.sub(r"(got \d+):.*", r"\1", str(error), flags=re.DOTALL).partition("\n")[0]


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_null(kind):
        return pa.string()
    return pa.timestamp("us") if pa.types.is_timestamp(kind) else kind


def _zoned(table: ir.Table) -> list[str]:
    return [name for name, kind in table.schema().items() if kind.is_timestamp() and kind.timezone]


def failure_of(findings: Sequence[Finding], data: Path) -> QualityError | None:
    """Return what the command ends with; None if no `fail` rule is broken."""
    failed = [finding for finding in findings if finding.verdict == "fail"]
    if not failed:
        return None
    return QualityError(
        f"{len(failed)} of {len(findings)} rules are broken by {data}; the first: {failed[0].check.rule}.",
        next_step="Correct the data, or the rules.",
    )
