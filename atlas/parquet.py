"""Write Parquet files with pyarrow (the extra ``parquet``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, BinaryIO, Self

from atlas.errors import ConfigError

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError:
    raise ConfigError(
        'Parquet needs pyarrow, which is not installed: pip install "pleiades-maia[parquet]", or use --format csv.'
    ) from None

_GROUP_ROWS = 65_536
_GROUP_BYTES = 32 * 1024 * 1024  # of a row group in memory, before it is compressed

_TIME = pa.timestamp("us", tz="UTC")
_TYPES: Mapping[str, Any] = {
    "bool": pa.bool_(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "numeric": pa.float64(),
    "date": pa.date32(),
    "timestamptz": _TIME,
    "text[]": pa.list_(pa.string()),
}
_CONVERTED: Mapping[str, Callable[[Any], Any]] = {"numeric": float}


class ParquetFile:
    """Write rows into an open, empty file as Parquet, a row group at a time.

    Args:
        columns: names and PostgreSQL's types; types without an equivalent are written as text.
    """

    def __init__(self, file: BinaryIO, columns: Sequence[tuple[str, str]]) -> None:
        self._types = [kind for _, kind in columns]
        self._schema = pa.schema([(name, _TYPES.get(kind, pa.string())) for name, kind in columns])
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._batches: list[Any] = []
        self._rows = self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._write()
        self._writer.close()

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows, with their values in the order of the columns."""
        columns = [
            pa.array(_values(rows, index, kind), field.type)
            for index, (kind, field) in enumerate(zip(self._types, self._schema, strict=True))
        ]
        batch = pa.record_batch(columns, schema=self._schema)
        self._batches.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._write()

    def _write(self) -> None:
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches), row_group_size=self._rows)
        self._batches, self._rows, self._bytes = [], 0, 0


def _values(rows: Sequence[Sequence[Any]], index: int, kind: str) -> list[Any]:
    convert = _CONVERTED.get(kind) or (None if kind in _TYPES else str)
    if convert is None:
        return [row[index] for row in rows]
    return [None if row[index] is None else convert(row[index]) for row in rows]
