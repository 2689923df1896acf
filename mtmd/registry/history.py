"""The append-only history of the champion, and how it survives a crash.

A change is written to `champion.json` first, with its own history line inside, and appended to
`history.jsonl` second. So a crash in between leaves the file at most one line short, or with half a line at
its end, and the missing line is known. All of this runs under the registry's lock.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mtmd.errors import RegistryError
from mtmd.registry.records import Champion, ChampionChange
from mtmd.store.files import append_line, write_bytes
from mtmd.store.objects import ObjectPath
from mtmd.store.sealed import sealed, unsealed

Entry = tuple[str, ChampionChange]  # a model and its promotion
_TAIL_BYTES = 1 << 16  # longer than any two lines: a reason has at most 4000 characters


def reconcile(path: Path, champion: Champion | None) -> None:
    """Bring the file up to the champion's change: drop half a line, append the missing one.

    Reads the file's end only, so that a promotion costs the same after a thousand others. Raises RegistryError where
    the end is no change, or misses more than one: `mtmd.registry.rebuilt` can write such a file anew.
    """
    tail = _read_tail(path)
    whole, newline, torn = tail.rpartition(b"\n")
    if torn:
        lines = path.read_bytes().rpartition(b"\n")
        write_bytes(path, lines[0] + lines[1])  # which may have been damaged, and no text then
    if champion is None:
        return
    last = parsed(path, whole.rpartition(b"\n")[2]).sequence if newline else 0
    if last == champion.sequence:
        return
    if last != champion.sequence - 1:
        raise RegistryError(
            f"{path} ends with sequence {last}, but the champion has sequence {champion.sequence}; it must "
            "be the same or one behind. Restore the file from a copy"
        )
    append_line(path, line_of(champion.change))


def read_history(path: Path) -> tuple[ChampionChange, ...]:
    """All changes, oldest first, but for half a line at the end; none when the file is not there."""
    if not path.is_file():
        return ()
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return tuple(parsed(path, line) for line in whole.splitlines())


def readable(path: Path) -> Iterator[ChampionChange]:
    """The lines that can be read, oldest first."""
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        with suppress(RegistryError):
            yield parsed(path, line)


def beyond(path: Path, change: ChampionChange) -> int | None:
    """The number of the last change, where the file goes on after this one; None where it does not.

    Only the end of a file that goes on no further is read.
    """
    whole, newline, _ = _read_tail(path).rpartition(b"\n")
    with suppress(RegistryError):
        last = parsed(path, whole.rpartition(b"\n")[2]).sequence if newline else 0
        if last > change.sequence and change in readable(path):
            return last
    return None


def seen_history(path: Path, champion: Champion) -> tuple[ChampionChange, ...]:
    """All changes up to the champion's, without mending the file."""
    changes = read_history(path)
    return changes if changes[-1:] == (champion.change,) else (*changes, champion.change)


def standing(history: Sequence[ChampionChange], rolled_back: Sequence[str]) -> list[Entry]:
    """The models that a rollback walks along, oldest first, the champion last, each with its promotion.

    A promotion puts a model on top, a rollback takes models off until its target is on top. Models that
    were rolled back are not offered again.
    """
    stack: list[Entry] = []
    for change in history:
        if change.action == "promote":
            stack.append((change.model_id, change))
        elif change.action == "rollback":
            while stack and stack[-1][0] != change.model_id:
                stack.pop()
    return [entry for entry in stack if entry[0] not in rolled_back]


def champion_of(history: Sequence[ChampionChange]) -> Champion:
    """What `champion.json` holds after these changes, of which there is one at least."""
    rolled_back: list[str] = []
    content: dict[str, str] = {}
    for number, change in enumerate(history):
        about = change.about
        if about is not None and change.bundle_id is not None:
            content[about] = change.bundle_id
        same = with_content(change.bundle_id, content)
        if change.action == "rollback" and about is not None:
            there = [
                name for name, _ in standing(history[:number], rolled_back) if name in same and name != about
            ]
            rolled_back += [*there, about]
        elif change.action == "reinstate":
            rolled_back = [name for name in rolled_back if name != about and name not in same]
    last, below = history[-1], standing(history, rolled_back)[:-1]
    return Champion(
        model_id=last.model_id,
        as_of=last.as_of,
        sequence=last.sequence,
        previous=below[-1][0] if below else None,
        rolled_back=tuple(rolled_back),
        rolled_back_bundles={name: content[name] for name in rolled_back if name in content},
        change=last,
    )


def with_content(bundle_id: str | None, content: Mapping[str, str | None]) -> set[str]:
    """The models that have one content; none where it is not known."""
    return {name for name, stored in content.items() if stored == bundle_id is not None}


def taken_down(history: Sequence[ChampionChange], model_id: str) -> ChampionChange | None:
    """The latest rollback that took a model down."""
    rollbacks = [change for change in history if change.action == "rollback" and change.previous == model_id]
    return rollbacks[-1] if rollbacks else None


def line_of(change: ChampionChange) -> str:
    """A change as its line, with the digest of its content."""
    return json.dumps(sealed(change.model_dump(mode="json")), ensure_ascii=False)


def parsed(path: Path | ObjectPath, line: bytes) -> ChampionChange:
    """A line as its change; raises RegistryError where it is none, or not as it was written."""
    try:
        return ChampionChange.model_validate(unsealed(json.loads(line)))
    except (ValueError, RecursionError) as error:  # pydantic's and json's errors are ValueErrors
        shown = line[:120].decode(errors="replace")
        raise RegistryError(
            f"{path} has a line that is no change of the champion: {shown!r}; restore the file from a copy"
        ) from error


def _read_tail(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        return file.read()
