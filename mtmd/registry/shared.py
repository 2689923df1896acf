"""The champion of a line whose artifacts are in a bucket: one pointer that all machines change by turns.

    champion.json            the live model; replaced only where its e-tag is still the one that was read
    history/00000001.json    each change of it by its number; created once

The lock of `champion.json` is a machine's own: it keeps the processes of one machine apart, and the e-tag keeps
machines apart. Of two machines that change the champion at once, one does, and the other gets an error. A change is in
the pointer first, and in the history second; the next change writes what a crash in between left out.

`bring_down` writes both to the working folder, as files that the registry reads as those of any line.
"""

import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from mtmd.errors import RegistryError
from mtmd.registry.history import champion_of, line_of, parsed, read_history
from mtmd.registry.rebuilt import REBUILT
from mtmd.registry.records import Champion, ChampionChange
from mtmd.store.files import remove, sealed_text, write_text
from mtmd.store.objects import Content, ObjectPath
from mtmd.store.sealed import unsealed

_AT_ONCE = 16
_log = logging.getLogger(__name__)


class SharedChampion:
    """The pointer and the history of a line in a bucket; `own_history` is this machine's copy of the history."""

    def __init__(self, line: ObjectPath, own_history: Path) -> None:
        self._pointer = line / "champion.json"
        self._history = line / "history"
        self._own_history = own_history
        self._seen: Content | None = None
        self._newest_seen: Content | None = None  # the pointer that the history did not go on after
        # of the bucket's entries that can't be read: as this machine has each, and as the bucket has it
        self._damaged: list[tuple[ChampionChange, Content | None]] = []

    def champion(self) -> Champion | None:
        """The live model now; where the pointer is lost or damaged, the history says what it was."""
        return self._read(self._pointer.content())

    def bring_down(self, pointer: Path) -> None:
        """Write both to the working folder as they are now; `swap` then goes on from what was read here."""
        self._seen = self._pointer.content()
        champion = self._read(self._seen)
        if champion is None:
            remove(pointer)
            remove(self._own_history)
            return
        before = self._kept(champion)
        changes = [*before, *self._changes(range(len(before) + 1, champion.sequence)), champion.change]
        write_text(self._own_history, "".join(f"{line_of(change)}\n" for change in changes))
        write_text(pointer, _text(champion))

    def swap(self, old: Champion | None, champion: Champion) -> None:
        """Make a champion live where the one that `bring_down` read still is; raises RegistryError where it is not.

        Its change is in the history when `note` was called with it.
        """
        if old is not None:
            self.note(old.change)
        self._restore()
        done = self._pointer.replace(_text(champion).encode(), self._seen)
        # The answer may have been lost, and another machine went on from this change meanwhile: it is in the history.
        if not done and self._entry(champion.sequence)[1] != champion.change:
            raise RegistryError(
                f"{self._pointer} was changed by another machine meanwhile, so this {champion.change.action} was not "
                "done; look at `mtmd status`, then run again if it is still wanted"
            )

    def _read(self, found: Content | None) -> Champion | None:
        damage: Exception | None = None
        if found is not None:
            try:
                champion = Champion.model_validate(unsealed(json.loads(found.bytes)))
                self._require_newest(found, champion)
                return champion
            except ValueError as error:  # pydantic's and json's errors are ValueErrors
                damage = error
        changes = self._whole()
        if changes:
            return champion_of(changes)
        if damage is not None:
            raise RegistryError(
                f"{self._pointer} cannot be read; restore it from a copy: {damage}"
            ) from damage
        return None

    def _require_newest(self, found: Content, champion: Champion) -> None:
        """Raise ValueError for a copy of an earlier pointer, which may name a model that was rolled back since.

        A change is in the pointer first: the history goes on only after a pointer that was replaced since it was read.
        """
        if found == self._newest_seen:
            return
        if self._entry(champion.sequence + 1)[1] is None:
            self._newest_seen = found
        elif self._pointer.content() == found:
            raise ValueError(f"it is of change {champion.sequence}, and the history goes on after it")

    def _whole(self) -> list[ChampionChange]:
        """The history from its beginning, read by name until there is no more.

        Raises RegistryError where one is missing: what was live before it must not be taken for what is live.
        """
        changes: list[ChampionChange] = []
        while True:
            number = len(changes) + 1
            if (change := self._change(number)) is not None:
                changes.append(change)
            elif (newest := self._newest(changes)) < number:
                return changes
            elif self._change(number) is None:  # it was not written a moment ago either
                raise RegistryError(
                    f"{self._place(number)} is missing, the history goes on to change {newest}, and {self._pointer} "
                    "does not say what is live either; restore it from a copy"
                )

    def _newest(self, changes: Sequence[ChampionChange]) -> int:
        """The highest number of a change that is in the bucket, or that this machine knows to follow these."""
        names = [place.name.removesuffix(".json") for place in self._history.iterdir()]
        numbers = [int(name) for name in names if name.isdecimal()]
        with suppress(RegistryError):
            own = read_history(self._own_history)
            if changes and changes[-1] in own:
                numbers += [change.sequence for change in own]
        return max(numbers, default=0)

    def _kept(self, champion: Champion) -> Sequence[ChampionChange]:
        """Changes of the working folder that need not be read again: they are of this history, and lack none.

        The newest that the bucket has, and that can be read, says so. Those after it stay, where the bucket has them
        damaged or not at all: the next change writes them back.
        """
        self._damaged = []
        try:
            known = read_history(self._own_history)[: champion.sequence - 1]
        except RegistryError:
            return ()
        if [change.sequence for change in known] != list(range(1, len(known) + 1)):
            return ()
        for change in reversed(known):
            found, there = self._entry(change.sequence)
            if there is not None:
                return known if there == change else ()
            self._damaged.append((change, found))
        # Nothing there can be read: the pointer says whether this is its history.
        whole = len(known) == champion.sequence - 1
        return known if whole and known and known[-1].model_id == champion.change.previous else ()

    def _restore(self) -> None:
        """Write entries that this machine knows in the place of those that were damaged or lost."""
        for change, found in self._damaged:
            place, content = self._place(change.sequence), f"{line_of(change)}\n".encode()
            if change.reason != REBUILT and place.replace(content, found):
                _log.warning(
                    "%s was damaged or lost, and is written again from what this machine knows", place
                )

    def _changes(self, numbers: Sequence[int]) -> list[ChampionChange]:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return [change for _, change in pool.map(self._entry, numbers) if change is not None]

    def _change(self, number: int) -> ChampionChange | None:
        with suppress(FileNotFoundError):
            place = self._place(number)
            return parsed(place, place.read_bytes())
        return None

    def _entry(self, number: int) -> tuple[Content | None, ChampionChange | None]:
        """An object of the history and its change: none, with a warning, where it was damaged.

        The registry rebuilds a damaged change as it does a lost one.
        """
        place = self._place(number)
        if (found := place.content()) is None:
            return None, None
        try:
            return found, parsed(place, found.bytes)
        except RegistryError as error:
            _log.warning("%s", error)
            return found, None

    def note(self, change: ChampionChange) -> None:
        """Write a change of the pointer to the history; raises RegistryError where another one has its number."""
        place, content = self._place(change.sequence), f"{line_of(change)}\n".encode()
        if place.create(content):
            return
        found, there = self._entry(change.sequence)
        if there == change:
            return
        if found is None or there is not None or not place.replace(content, found):
            raise RegistryError(
                f"{place} is another change than {change.sequence} of {self._pointer}; remove the one that is wrong"
            )

    def _place(self, number: int) -> ObjectPath:
        return self._history / f"{number:08d}.json"


def _text(champion: Champion) -> str:
    return sealed_text(champion.model_dump(mode="json"))
