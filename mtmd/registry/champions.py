"""The champion of a line, who may change it, and its history: a sealed record of each change, written once.

    history/00000001.json    the first change, with the champion that it made
    champion.json            a copy of the newest one, where readers begin

Whoever creates the next number has made the change: of several writers one wins, on one disk and in a bucket. A crash
before the copy is written leaves a copy that is one change behind: so readers look for the next number.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

from mtmd.errors import RegistryError, StorageError
from mtmd.registry.records import ARMS, REGISTRY_FORMAT, Champion, ChampionChange
from mtmd.store.sealed import parsed_json, sealed_text
from mtmd.store.stores import Store

POINTER, HISTORY = "champion.json", "history"
_log = logging.getLogger(__name__)


class Champions:
    """The changes of the champion below a line's directory; `store` is the line's."""

    def __init__(self, root: Path, store: Store) -> None:
        self._store, self.pointer, self._history = store, root / POINTER, root / HISTORY

    def newest(self) -> Champion | None:
        """The champion as the newest change made it; None before the first one.

        Raises RegistryError where the newest change can't be read, or is of another format.
        """
        champion = self._pointed()
        while (following := self._change(champion.sequence + 1 if champion else 1)) is not None:
            champion = following
        return champion

    def make(self, champion: Champion) -> None:
        """Write the next change; raises RegistryError where another machine has written one of its number."""
        text = sealed_text(champion.model_dump(mode="json"))
        path = self._path(champion.sequence)
        if not self._store.replace(path, text.encode(), None):
            raise RegistryError(
                f"{self._store.place(path)} was written by another machine meanwhile, so this "
                f"{champion.change.action} was not done; look at `mtmd status`, then run again if it is still wanted"
            )
        self._copy(text)

    def mend(self, champion: Champion) -> None:
        """Write the copy, or the change that only the copy has, where a crash or damage left it out.

        Callers hold the lock.
        """
        text = sealed_text(champion.model_dump(mode="json"))
        if self._store.read(self.pointer) != text.encode():
            self._copy(text)
        path = self._path(champion.sequence)
        if (there := self._store.read(path)) != text.encode():
            self._store.replace(path, text.encode(), there)

    def changes(self) -> Iterator[ChampionChange]:
        """Every change, oldest first; one that was lost or damaged is left out, with a warning."""
        champion = self.newest()
        for number in range(1, champion.sequence if champion else 0):
            path = self._path(number)
            try:
                # A change of the past never changes: what is on the disk needs no store elsewhere.
                content = path.read_bytes() if path.is_file() else self._store.read(path)
                if content is None:
                    raise RegistryError(f"{self._store.place(path)} is missing from the history")
                yield _champion(content, str(path)).change
            except RegistryError as error:
                _log.warning("%s", error)
        if champion is not None:
            yield champion.change

    def _copy(self, text: str) -> None:
        """The change has happened: whoever read an error here would ask for it again, and roll back once too often."""
        try:
            self._store.write_text(self.pointer, text)
        except StorageError as error:
            _log.warning("%s is not up to date, and the next change writes it: %s", self.pointer, error)

    def _pointed(self) -> Champion | None:
        """What the copy says; where it is lost or damaged, the newest change that is there."""
        try:
            if (content := self._store.read(self.pointer)) is not None:
                return _champion(content, self._store.place(self.pointer))
        except RegistryError as error:
            if (newest := self._last()) is None:
                raise
            _log.warning("%s; the history says what is live", error)
            return newest
        return self._last()

    def _last(self) -> Champion | None:
        numbers = [name.removesuffix(".json") for name in self._store.names(self._history)]
        return self._change(max((int(name) for name in numbers if name.isdecimal()), default=0))

    def _change(self, number: int) -> Champion | None:
        """A change, as the store has it now; None where it is not there."""
        path = self._path(number)
        content = self._store.read(path)
        return None if content is None else _champion(content, self._store.place(path))

    def _path(self, number: int) -> Path:
        return self._history / f"{number:08d}.json"


def _champion(content: bytes, place: str) -> Champion:
    """A record of this version, as it was sealed; raises RegistryError."""
    try:
        value = parsed_json(content, place)
        if isinstance(value, dict) and value.get("format") != REGISTRY_FORMAT:
            raise RegistryError(
                f"{place} has format {value.get('format')}; this version reads {REGISTRY_FORMAT}. Leave the line as "
                "it is, and begin another: give the preset another name, or name another folder of artifacts"
            )
        return Champion.model_validate(value)
    except (StorageError, ValueError) as error:  # pydantic's errors are ValueErrors
        raise RegistryError(f"{place} cannot be read; restore it from a copy: {error}") from error


def require_rollback(champion: Champion | None, only: str | None, *, rollout: bool) -> Champion:
    """The champion that a rollback takes down; raises RegistryError where it is not `only`, or no `rollout` is on."""
    live = champion.model_id if champion else "none"
    if only is not None and live != only:
        raise RegistryError(f"model {only!r} is not live ({live} is), so there is nothing to roll back")
    if champion is None:
        raise RegistryError("no model is live, so there is nothing to roll back; run a day first")
    if rollout and champion.partner is None:
        now = f"{champion.answers} (last change: {champion.change.action}, {champion.change.reason})"
        raise RegistryError(f"no rollout is on: {now}; nothing was changed; see `mtmd rollback`")
    if not champion.below:
        raise RegistryError(f"there is no other model before the live one ({live}); promote another")
    return champion


def require_rollout(champion: Champion | None, share: float, only: str | None) -> Champion:
    """The champion, where it may answer this share of the users.

    Raises RegistryError where it may not, or does already, or is not `only`.
    """
    if not 1.0 / ARMS <= share <= 1.0:
        raise RegistryError(
            f"the share ({share:g}) must be between {1.0 / ARMS:g} and 1; `mtmd rollout --stop` ends a rollout"
        )
    if champion is None or champion.previous is None:
        raise RegistryError("there is no champion before the live model that could answer the other users")
    if only is not None and champion.model_id != only:
        raise RegistryError(f"model {only!r} is not live ({champion.model_id} is); nothing was changed")
    if champion.share == share:
        raise RegistryError(f"{champion.answers} already; nothing was changed")
    return champion
