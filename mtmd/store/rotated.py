"""Lines for people and programs to read later, in a file that never grows beyond a limit.

The one output that is not written whole or not at all: a process that is killed may leave half a line. The lines after
it are whole.
"""

from collections.abc import Sequence
from pathlib import Path

from mtmd.store.files import ends_in_half_a_line


class RotatedLines:
    """`path`, and `path.1`, `path.2`, … with older lines; for one writer."""

    def __init__(self, path: Path, limit: int, older: int) -> None:
        """At most `limit` bytes in each of 1 + `older` files, if no line is longer."""
        self._path, self._limit, self._older = path, limit, older

    def append(self, lines: Sequence[str]) -> None:
        """Write lines at the end, and begin a new file where they would not fit; raises OSError."""
        content = "".join(f"{line}\n" for line in lines).encode()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        half = ends_in_half_a_line(self._path)
        if self._path.is_file() and self._path.stat().st_size + half + len(content) > self._limit:
            self._rotate()
            half = False
        with self._path.open("ab") as file:
            file.write(half * b"\n" + content)

    def _rotate(self) -> None:
        files = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, self._older + 1))]
        for older, newer in zip(files[:0:-1], files[-2::-1], strict=True):
            if newer.is_file():
                newer.replace(older)
        if not self._older:
            self._path.unlink()
