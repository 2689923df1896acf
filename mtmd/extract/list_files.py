"""The values of a shard's lists: one file for each multi-valued feature, beside the file of its side's rows.

Values lie in the order in which the rows were read; each row has where its own begin.
"""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mtmd.config import SideSchema
from mtmd.features.feature import EncodedList
from mtmd.logs.encoding import EncodedSide
from mtmd.store.columns import Columns, ColumnWriter, create_columns, map_batches

START, LENGTH = ".start", ".length"  # columns of a side's rows, after the feature's name, which has no dot


def list_file(table: str, feature: str) -> str:
    """Name of the file with a feature's values."""
    return f"{table}.{feature}.arrow"


class ListFiles:
    """Writes the lists of a side, batch by batch: values into the features' files, and where they are into columns."""

    def __init__(self, directory: Path, table: str, schema: SideSchema) -> None:
        self._paths = {feature.name: directory / list_file(table, feature.name) for feature in schema.lists}
        self._written = dict.fromkeys(self._paths, 0)
        self._open = ExitStack()
        self._writers: dict[str, ColumnWriter] = {}

    def __enter__(self) -> Self:
        for name, path in self._paths.items():
            self._writers[name] = self._open.enter_context(ColumnWriter(_parts(path)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        if error is None:
            for path in self._paths.values():
                _join(path)

    def write(self, columns: Columns, place: NDArray[np.int32], encoded: EncodedSide) -> None:
        """Append the values of a batch, whose rows go to `place` in the side's columns."""
        for (name, writer), lists in zip(self._writers.items(), encoded.lists, strict=True):
            writer.write({"ids": lists.ids})
            columns[f"{name}{START}"][place] = lists.start + self._written[name]
            columns[f"{name}{LENGTH}"][place] = lists.length
            self._written[name] += len(lists.ids)


def take_lists(columns: Columns, values: dict[str, Columns]) -> tuple[EncodedList, ...]:
    """The lists of a side, taken out of its columns; `values` has the columns of each feature's file, in order."""
    return tuple(
        EncodedList(columns.pop(f"{name}{START}"), columns.pop(f"{name}{LENGTH}"), of_feature["ids"])
        for name, of_feature in values.items()
    )


def list_names(columns: Columns) -> list[str]:
    """The features of a side's columns that are lists, in their order."""
    return [name.removesuffix(START) for name in columns if name.endswith(START)]


def _parts(path: Path) -> Path:
    return path.with_suffix(".parts")


def _join(path: Path) -> None:
    """Copy the batches of a feature into one, so that its values can be mapped as one array."""
    batches, _ = map_batches(_parts(path))
    parts = [batch["ids"] for batch in batches]
    joined, start = create_columns(path, {"ids": (np.int32, (sum(map(len, parts)),))}), 0
    for part in parts:
        joined["ids"][start : start + len(part)] = part
        start += len(part)
    _parts(path).unlink()
