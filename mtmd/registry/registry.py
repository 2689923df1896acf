"""The registry of one line of models: written once, promoted and rolled back by one pointer (docs/architecture.md).

    models/<model_id>/     ONNX files, bundle.json, metrics.json, manifest.json; written once
    champion.json          the live model: the only thing that changes
    history.jsonl          every change, oldest first
    champion.lock          held by the kernel for whoever changes or reads the two above together

A line in a bucket has pointer and history there (`mtmd/registry/shared.py`), and copies of them here.

Order is by `as_of`, never by wall clock.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.registry.checks import (
    check_built,
    check_sequence,
    check_stored,
    refusal,
    require_id,
    require_reason,
    require_rollback,
)
from mtmd.registry.history import Entry, reconcile, seen_history, standing, with_content
from mtmd.registry.rebuilt import whole_history
from mtmd.registry.records import (
    REASON_LENGTH,
    Champion,
    ChampionChange,
    ModelManifest,
    Promotion,
    Registered,
    RegistryStatus,
)
from mtmd.registry.shared import SharedChampion
from mtmd.registry.stored import MANIFEST, as_it_was, stored_champion, stored_manifest
from mtmd.store.durable import home
from mtmd.store.fetched import fetch, refresh, require_durable
from mtmd.store.files import atomic_directory, discard, locked, write_json
from mtmd.store.outputs import file_digests

_log = logging.getLogger(__name__)


class Registry:
    """The registry below `root`, such as artifacts/<line>."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.models = root / "models"
        self._champion = root / "champion.json"
        self._history = root / "history.jsonl"
        self._lock = root / "champion.lock"
        there = home(root)
        self._shared = None if there is None else SharedChampion(there, self._history)

    def path(self, model_id: str) -> Path:
        """Directory of a model; `verify` it before loading. Raises RegistryError for what can't be a model's id."""
        return self.models / require_id(model_id)

    def add(self, build: Callable[[Path], None], manifest: ModelManifest) -> Registered:
        """Store the manifest's model once: `build` fills a directory with the bundle and metrics.json.

        A complete model is reused and `build` not called. One that was altered is made again, with a warning. Raises
        RegistryError when what was built does not fit the manifest, BundleError when a model that was altered came out
        otherwise this time.
        """
        model_id = manifest.model_id
        final = self.path(model_id)
        altered = self._altered(model_id)
        if self.has(model_id) and altered is None:
            require_durable(final)  # somebody may have removed it from the bucket as damaged
            return Registered(model_id=model_id, path=str(final), reused=True)
        with atomic_directory(final) as temporary:
            build(temporary)
            check_built(temporary, manifest)
            stored = manifest.model_copy(update={"files": file_digests(temporary)})
            if altered is not None:
                stored = as_it_was(stored, final, altered)
                _log.warning("%s is made again: %s", final, altered)
                discard(final)
            write_json(temporary / MANIFEST, stored.model_dump(mode="json"), seal=True)
        return Registered(model_id=model_id, path=str(final), reused=False)

    def manifest(self, model_id: str) -> ModelManifest:
        """A model's manifest; raises RegistryError when the model is not here, BundleError when it can't be told."""
        if not self.has(model_id):
            raise RegistryError(f"model {model_id!r} is not in {self.models}; register it with a run first")
        return stored_manifest(self.path(model_id))

    def has(self, model_id: str) -> bool:
        """Whether a model is here, or in the bucket of a line that has one, from which it is fetched then."""
        return self.path(model_id).is_dir() or fetch(self.path(model_id))

    def verify(self, model_id: str) -> Path:
        """A model's directory, after comparing each file with the manifest; raises as `manifest` and `check_stored`.

        Files that are only in the bucket, or were damaged on the disk, are fetched.
        """
        directory = self.path(model_id)
        try:
            check_stored(directory, self.manifest(model_id))
        except BundleError:
            if not fetch(directory):
                raise
            check_stored(directory, self.manifest(model_id))
        return directory

    def _altered(self, model_id: str) -> BundleError | None:
        """How a stored model differs from what was stored; None where it doesn't, or there is none."""
        try:
            if self.has(model_id):
                self.verify(model_id)
        except BundleError as error:
            return error
        return None

    def champion(self) -> Champion | None:
        """The live model; None before the first promotion. Where the pointer is lost, the history says what it was."""
        if self._shared is not None:
            return self._shared.champion()
        return stored_champion(self._champion, self._history)[0]

    def require_champion(self) -> Champion:
        """The live model; raises RegistryError before the first promotion."""
        if (champion := self.champion()) is None:
            raise RegistryError(f"{self.root} has no champion; run a day first")
        return champion

    def promote(self, model_id: str, as_of: date, reason: str, expected_sequence: int) -> Promotion:
        """Make a model live, if the champion is still the one the decision was based on.

        `expected_sequence` is that champion's, 0 when there was none. Promoting the champion changes nothing.
        Refused, without an error: a model whose as_of is older than the champion's (a backfill displaces
        nothing), and one that was rolled back, also when it has another model id and the same content. Raises
        RegistryError when the champion moved meanwhile or the model is not here, BundleError when a file of it was
        altered.
        """
        with locked(self._lock):
            champion = self._reconciled()
            if champion is not None and champion.model_id == model_id:
                return Promotion(
                    outcome="already champion", champion=champion, words=f"{model_id} is already champion"
                )
            self.verify(model_id)
            manifest = self.manifest(model_id)
            if manifest.as_of != as_of:
                raise RegistryError(
                    f"model {model_id!r} has as_of {manifest.as_of}; it cannot be promoted for {as_of}"
                )
            if champion is not None:
                banned = self._banned(champion)
                if words := refusal(manifest, champion, banned, lambda: self._changes(champion)):
                    return Promotion(outcome="refused", champion=champion, words=words)
            check_sequence(champion, expected_sequence, model_id)
            promoted = self._swap(
                champion,
                "promote",
                manifest,
                reason,
                previous=champion.model_id if champion else None,
                rolled_back=champion.rolled_back if champion else (),
                bundles=champion.rolled_back_bundles if champion else {},
                bundle_id=manifest.bundle_id,
            )
            return Promotion(outcome="promoted", champion=promoted, words=f"{model_id} promoted")

    def rollback(
        self, reason: str, check: Callable[[Path], object], only: str | None = None
    ) -> tuple[Champion, Champion]:
        """Make the previous champion live again; returns the champions before and after. Once more goes further back.

        Earlier champions that are the same model under other ids are taken down with the live one.
        `check` gets the target's directory, after its digests are compared; what it raises stops the rollback.
        `only` names the model to take down: a rollback that was sent twice goes back once. Raises RegistryError when
        another one is live or there is none to go back to, BundleError (changing nothing) when a file was altered.
        """
        require_reason("a rollback", reason)
        with locked(self._lock):
            champion = require_rollback(self._reconciled(), only)
            changes = self._changes(champion)
            stack = standing(changes, champion.rolled_back)
            content = self._live_content(stack, champion)
            taken = (*self._copies(stack, champion, content), champion.model_id)
            rolled_back = (*champion.rolled_back, *taken)
            below = [name for name, _ in standing(changes, rolled_back)]
            if not below:
                raise RegistryError(
                    f"all champions before the live one ({champion.model_id}) are the same model under other ids; "
                    "promote another model"
                )
            check(self.verify(below[-1]))
            bundles = {} if content is None else dict.fromkeys(taken, content)
            back = self._swap(
                champion,
                "rollback",
                self.manifest(below[-1]),
                reason,
                previous=below[-2] if len(below) > 1 else None,
                rolled_back=rolled_back,
                bundles=champion.rolled_back_bundles | bundles,
                bundle_id=content,
            )
            return champion, back

    def reinstate(self, model_id: str, reason: str) -> Champion:
        """Let a model that was rolled back be promoted again, by the next run of its day; nothing else changes.

        Every model with the same content may come back with it. Raises RegistryError when it was not rolled back.
        """
        require_reason("a reinstatement", reason)
        with locked(self._lock):
            champion = self._reconciled()
            banned = {} if champion is None else self._banned(champion)
            content = None if champion is None else self._bundle_of(model_id, champion)
            back = with_content(content, banned) | ({model_id} & banned.keys())
            if champion is None or not back:
                raise RegistryError(f"model {model_id!r} is not rolled back; these are: {list(banned)}")
            rolled_back = tuple(name for name in banned if name not in back)
            bundles = {
                name: known for name, known in champion.rolled_back_bundles.items() if name not in back
            }
            below = standing(self._changes(champion), rolled_back)[:-1]
            return self._swap(
                champion,
                "reinstate",
                self.manifest(champion.model_id),
                reason,
                previous=below[-1][0] if below else None,
                rolled_back=rolled_back,
                bundles=bundles,
                reinstated=model_id,
                bundle_id=content,
            )

    def discard(self, model_id: str) -> bool:
        """Remove a model, unless it is live or a rollback can reach it; returns whether it was removed.

        Under the lock, so that nobody makes it live meanwhile.
        """
        with locked(self._lock):
            champion = self._reconciled()
            if champion is not None:
                stays = [name for name, _ in standing(self._changes(champion), champion.rolled_back)]
                if model_id in stays:
                    return False
            discard(self.path(model_id))
            return True

    def standing(self) -> tuple[str, ...]:
        """The models that rollbacks can go back to, one after the other, oldest first; the champion is the last."""
        return tuple(name for name, _ in self._stack(self.champion()))

    def one_rollback(self) -> tuple[str, ...]:
        """The end of `standing` that one rollback is about: the model that it goes to first, the champion last.

        Between them are the champion's own copies under other ids, which a rollback takes down too.
        """
        champion = self.champion()
        stack = self._stack(champion)
        return tuple(name for name, _ in stack[self._target(stack, champion) or 0 :])

    def rollback_target(self) -> str | None:
        """The model that a rollback would go to; None where there is none, or only the champion's own copies."""
        champion = self.champion()
        stack = self._stack(champion)
        place = self._target(stack, champion)
        return None if place is None else stack[place][0]

    def history(self) -> tuple[ChampionChange, ...]:
        """Every change of the champion, oldest first.

        Where nothing can be written, or another process holds the lock for long, it is what the files say by now.
        """
        if (seen := self.champion()) is None:
            return ()
        try:
            with locked(self._lock):
                mended = self._reconciled()
                return () if mended is None else self._changes(mended)
        except StorageError:
            return seen_history(self._history, seen)

    def refresh(self) -> None:
        """Bring the records of a line in a bucket to its working folder, before many are read; elsewhere nothing."""
        if self._shared is not None:
            refresh(self.root)
            with locked(self._lock):
                self._reconciled()

    def status(self, latest: int = 10) -> RegistryStatus:
        """The champion, how many models there are, and the latest changes."""
        champion, history = self.champion(), self.history()
        stored = [path for path in self.models.glob("[!.]*") if (path / MANIFEST).is_file()]
        return RegistryStatus(
            champion=champion,
            rolls_back_to=self.rollback_target(),
            candidates=len(stored),
            history=history[-latest:],
        )

    def _banned(self, champion: Champion) -> dict[str, str | None]:
        """Models that were rolled back and the content of each, in the order of the rollbacks."""
        return {name: self._bundle_of(name, champion) for name in champion.rolled_back}

    def _stack(self, champion: Champion | None) -> list[Entry]:
        return [] if champion is None else standing(self.history(), champion.rolled_back)

    def _target(self, stack: Sequence[Entry], champion: Champion | None) -> int | None:
        """The place of what a rollback would go to."""
        if champion is None:
            return None
        content = self._live_content(stack, champion)
        for place, entry in reversed(list(enumerate(stack))):
            is_other = content is None or self._content(entry, champion) != content
            if entry[0] != champion.model_id and is_other:
                return place
        return None

    def _copies(self, stack: Sequence[Entry], champion: Champion, content: str | None) -> tuple[str, ...]:
        """Earlier champions with the live one's content under other ids: going back to them would change nothing."""
        known = {entry[0]: self._content(entry, champion) for entry in stack if entry[0] != champion.model_id}
        return tuple(name for name in known if name in with_content(content, known))

    def _content(self, entry: Entry, champion: Champion) -> str | None:
        """A model's content, as its promotion says: in a bucket, its manifest would fetch the model."""
        model_id, promotion = entry
        return promotion.bundle_id or self._bundle_of(model_id, champion)

    def _live_content(self, stack: Sequence[Entry], champion: Champion) -> str | None:
        """The champion's content; its promotion is not in the stack where the history was lost and rebuilt in part."""
        if stack and stack[-1][0] == champion.model_id:
            return self._content(stack[-1], champion)
        return self._bundle_of(champion.model_id, champion)

    def _bundle_of(self, model_id: str, champion: Champion) -> str | None:
        """A model's content; None where neither the pointer nor a manifest that can be read says it."""
        if (known := champion.rolled_back_bundles.get(model_id)) is not None:
            return known
        try:
            return self.manifest(model_id).bundle_id
        except (BundleError, RegistryError):
            return None

    def _changes(self, champion: Champion) -> tuple[ChampionChange, ...]:
        """All changes up to the champion's own, under the lock: what is lost of them is rebuilt."""
        return whole_history(self._history, champion, self.manifest)

    def _reconciled(self) -> Champion | None:
        if self._shared is not None:
            self._shared.bring_down(self._champion)
        champion, pointed = stored_champion(self._champion, self._history)
        try:
            reconcile(self._history, champion)
        except RegistryError:
            if champion is None:
                raise
            self._changes(champion)
        if champion is not None and not pointed:
            write_json(self._champion, champion.model_dump(mode="json"), seal=True)
        return champion

    def _swap(
        self,
        old: Champion | None,
        action: Literal["promote", "rollback", "reinstate"],
        manifest: ModelManifest,
        reason: str,
        *,
        previous: str | None,
        rolled_back: tuple[str, ...],
        bundles: dict[str, str],
        reinstated: str | None = None,
        bundle_id: str | None,
    ) -> Champion:
        """Pointer first, history second: `reconcile` mends what a crash or a full disk in between leaves.

        Raises RegistryError where another machine changed the pointer since it was read.
        """
        sequence = (old.sequence if old else 0) + 1
        change = ChampionChange(
            sequence=sequence,
            action=action,
            model_id=manifest.model_id,
            as_of=manifest.as_of,
            previous=old.model_id if old else None,
            reason=reason[:REASON_LENGTH],
            at=datetime.now(UTC),
            reinstated=reinstated,
            bundle_id=bundle_id,
        )
        champion = Champion(
            model_id=manifest.model_id,
            as_of=manifest.as_of,
            sequence=sequence,
            previous=previous,
            rolled_back=rolled_back,
            rolled_back_bundles=bundles,
            change=change,
        )
        if self._shared is not None:
            if action != "reinstate":  # this machine may have a part of the live model
                require_durable(self.path(champion.model_id))
            self._shared.swap(old, champion)
        else:
            write_json(self._champion, champion.model_dump(mode="json"), seal=True)
        self._record(champion)
        return champion

    def _record(self, champion: Champion) -> None:
        """What follows the pointer; a disk or a bucket that refuses it is a warning.

        The change has happened: whoever read an error would ask for it again, and a rollback would go back further.
        """
        try:
            if self._shared is not None:
                self._shared.note(champion.change)
                write_json(self._champion, champion.model_dump(mode="json"), seal=True)
            reconcile(self._history, champion)
        except StorageError as error:
            _log.warning(
                "%s is live, and the next change writes the line of history that is missing: %s",
                champion.model_id,
                error,
            )
