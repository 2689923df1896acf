"""The registry of one line of models: written once, promoted and rolled back by one pointer (docs/architecture.md).

    models/<model_id>/     ONNX files, bundle.json, metrics.json, manifest.json; written once
    champion.json          the live model: a copy of the newest change
    history/               every change, with the champion that it made (`mtmd/registry/champions.py`)
    champion.lock          held by the kernel for whoever changes them

Order is by `as_of`, never by wall clock.
"""

import logging
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.registry.bundle import check_built
from mtmd.registry.champions import Champions, require_rollback, require_rollout
from mtmd.registry.records import (
    REASON_LENGTH,
    Champion,
    ChampionChange,
    KnownModel,
    ModelManifest,
    Promotion,
    Registered,
    check_sequence,
    refusal,
    require_id,
    require_reason,
    stood_on,
)
from mtmd.store.files import locked, read_json, write_json
from mtmd.store.stores import store_of
from mtmd.store.workspace import differing_file, file_digests

_MANIFEST = "manifest.json"
_REMEDY = "Restore it from a copy, or remove the model's directory and run its day again"
_log = logging.getLogger(__name__)


class Registry:
    """The registry below `root`, such as artifacts/<line>."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.models = root / "models"
        self._store = store_of(root)
        self._champions = Champions(root, self._store)
        self._lock = root / "champion.lock"

    def path(self, model_id: str) -> Path:
        """Directory of a model; `verify` it before loading. Raises RegistryError for what can't be a model's id."""
        return self.models / require_id(model_id)

    def add(self, build: Callable[[Path], None], manifest: ModelManifest) -> Registered:
        """Store the manifest's model once: `build` fills a directory with the bundle and metrics.json.

        A complete model is reused and `build` not called. One that was altered is made again, with a warning. Raises
        RegistryError when what was built does not fit the manifest.
        """
        model_id = manifest.model_id
        final, altered = self.path(model_id), False
        try:
            if self.has(model_id):
                self.verify(model_id)
                self._store.commit(final)  # somebody may have removed it from the bucket as damaged
                return Registered(model_id=model_id, path=str(final), reused=True)
        except BundleError as error:
            _log.warning("%s is made again: %s", final, error)
            altered = True
        with self._store.atomic_directory(final) as temporary:
            build(temporary)
            check_built(temporary, manifest)
            stored = manifest.model_copy(update={"files": file_digests(temporary)})
            write_json(temporary / _MANIFEST, stored.model_dump(mode="json"), seal=True)
            if altered:
                self._store.discard(final)
        return Registered(model_id=model_id, path=str(final), reused=False, repaired=altered)

    def manifest(self, model_id: str) -> ModelManifest:
        """A model's manifest; raises RegistryError when the model is not here, BundleError when it can't be told."""
        if not self.has(model_id):
            raise RegistryError(f"model {model_id!r} is not in {self.models}; register it with a run first")
        path = self.path(model_id) / _MANIFEST
        try:
            manifest = ModelManifest.model_validate(read_json(path))
        except (StorageError, ValidationError) as error:
            raise BundleError(f"manifest of model {model_id!r} cannot be read: {error}") from error
        if manifest.model_id != model_id:
            raise BundleError(f"{path} is of model {manifest.model_id!r}. {_REMEDY}")
        return manifest

    def has(self, model_id: str) -> bool:
        """Whether a model is here, or in the bucket of a line that has one, from which it is fetched then."""
        return self.path(model_id).is_dir() or self._store.fetch(self.path(model_id))

    def verify(self, model_id: str) -> Path:
        """A model's directory, after comparing each file with the manifest; raises as `manifest`.

        Files that are only in the bucket, or were damaged on the disk, are fetched. BundleError for one that differs.
        """
        directory = self.path(model_id)
        try:
            self._compare(model_id)
        except BundleError:
            if not self._store.fetch(directory):
                raise
            self._compare(model_id)
        return directory

    def champion(self) -> Champion | None:
        """The live model; None before the first promotion. Raises RegistryError where that can't be told."""
        return self._champions.newest()

    def require_champion(self) -> Champion:
        """The live model; raises RegistryError before the first promotion."""
        if (champion := self.champion()) is None:
            raise RegistryError(f"{self.root} has no champion; run a day first")
        return champion

    def promote(
        self, model_id: str, as_of: date, reason: str, expected_sequence: int, share: float = 1.0
    ) -> Promotion:
        """Make a model live, if the champion is still the one the decision was based on.

        It answers a `share` of the users, as `stood_on` says. A share that changed meanwhile is no other champion.

        `expected_sequence` is that champion's, 0 when there was none. Promoting the champion changes nothing.
        Refused, without an error: a model whose as_of is older than the champion's (a backfill displaces
        nothing), and one that was rolled back, also when it has another model id and the same content. Raises
        RegistryError when the champion moved meanwhile or the model is not here, BundleError when a file of it was
        altered.
        """
        with locked(self._lock):
            champion = self._mended()
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
            if champion is not None and (words := refusal(manifest, champion, self.promotion)):
                return Promotion(outcome="refused", champion=champion, words=words)
            later = [change.action for change in self.history() if change.sequence > expected_sequence]
            check_sequence(champion, expected_sequence + later.count("rollout"), model_id)
            new = KnownModel(model_id=model_id, bundle_id=manifest.bundle_id)
            standing, share = stood_on(champion, new, share)
            promoted = self._changed(champion, "promote", as_of, reason, standing, share=share)
            return Promotion(outcome="promoted", champion=promoted, words=f"{model_id} promoted")

    def roll_out(
        self, share: float, reason: str, check: Callable[[Path], object], only: str | None = None
    ) -> Champion:
        """Let the live model answer this share of the users, and the champion before it the others; 1 is all users.

        `check` gets the directory of the champion before, where that is to answer; what it raises changes nothing.
        With `only`, only if that model is live. Raises RegistryError where another one is, or the share can't be, or is
        so already, BundleError when a file of that model was altered.
        """
        with locked(self._lock):
            champion = require_rollout(self._mended(), share, only)
            if share < 1.0:
                check(self.verify(champion.below[-1].model_id))
            return self._changed(champion, "rollout", champion.as_of, reason, share=share)

    def rollback(
        self, reason: str, check: Callable[[Path], object], only: str | None = None, *, rollout: bool = False
    ) -> tuple[Champion, Champion]:
        """Make the previous champion live again; returns the champions before and after. Once more goes further back.

        Earlier champions that are the same model under other ids are taken down with the live one.
        `check` gets the target's directory, after its digests are compared; what it raises stops the rollback.
        `only` names the model to take down: a rollback that was sent twice goes back once. `rollout` says that it must
        still answer a share of the users. Raises RegistryError when another one is live, it answers all, or there is
        none to go back to, BundleError (changing nothing) when a file was altered.
        """
        require_reason("a rollback", reason)
        with locked(self._lock):
            champion = require_rollback(self._mended(), only, rollout=rollout)
            below = champion.below
            target = below[-1].model_id
            check(self.verify(target))
            as_of = self.manifest(target).as_of
            down = (*champion.taken_down, *champion.copies)
            return champion, self._changed(
                champion, "rollback", as_of, reason, below, taken_down=down, share=1.0
            )

    def reinstate(self, model_id: str, reason: str) -> Champion:
        """Let a model that was rolled back be promoted again, by the next run of its day; nothing else changes.

        The beginning of only one id does. Every model with the same content may come back with it. Raises RegistryError
        when it was not rolled back.
        """
        require_reason("a reinstatement", reason)
        with locked(self._lock):
            champion = self._mended()
            banned = () if champion is None else champion.taken_down
            names = [model.model_id for model in banned]
            fitting = {model_id} & set(names) or {
                name for name in names if model_id and name.startswith(model_id)
            }
            contents = {model.bundle_id for model in banned if {model.model_id} == fitting}
            left = tuple(model for model in banned if model.bundle_id not in contents)
            if champion is None or not contents:
                raise RegistryError(f"model {model_id!r} is not rolled back; these are: {names}")
            return self._changed(
                champion, "reinstate", champion.as_of, reason, taken_down=left, reinstated=fitting.pop()
            )

    def discard(self, model_id: str) -> bool:
        """Remove a model, unless it is live or a rollback can reach it; returns whether it was removed.

        Under the lock, so that nobody makes it live meanwhile.
        """
        with locked(self._lock):
            champion = self.champion()
            if champion is not None and model_id in {model.model_id for model in champion.standing}:
                return False
            self._store.discard(self.path(model_id))
            return True

    def standing(self) -> tuple[str, ...]:
        """The models that rollbacks can go back to, one after the other, oldest first; the champion is the last."""
        champion = self.champion()
        return () if champion is None else tuple(model.model_id for model in champion.standing)

    def one_rollback(self) -> tuple[str, ...]:
        """The models that one rollback is about: the one that it goes to, then those that it takes down."""
        if (champion := self.champion()) is None:
            return ()
        return tuple(model.model_id for model in (*champion.below[-1:], *champion.copies))

    def history(self) -> tuple[ChampionChange, ...]:
        """Every change of the champion, oldest first; one that was lost or damaged is left out, with a warning."""
        return tuple(self._champions.changes())

    def refresh(self) -> None:
        """Bring the records of a line in a bucket to its working folder, before many are read; elsewhere nothing."""
        self._store.refresh(self.root)

    def _compare(self, model_id: str) -> None:
        """Raise BundleError where a stored model is not, file by file, what its manifest says."""
        files, whose = self.manifest(model_id).files, f" of model {model_id!r}"
        if (differing := differing_file(self.path(model_id), files, whose)) is not None:
            raise BundleError(f"{differing}. {_REMEDY}")

    def promotion(self, model_id: str) -> ChampionChange | None:
        """The last promotion of a model; None for none."""
        return {one.model_id: one for one in self.history() if one.action == "promote"}.get(model_id)

    def _mended(self) -> Champion | None:
        """The champion before a change, with its record and its copy made whole; callers hold the lock."""
        champion = self.champion()
        if champion is not None:
            self._champions.mend(champion)
        return champion

    def _changed(
        self,
        before: Champion | None,
        action: Literal["promote", "rollback", "reinstate", "rollout"],
        as_of: date,
        reason: str,
        standing: tuple[KnownModel, ...] = (),
        *,
        reinstated: str | None = None,
        **changed: Any,
    ) -> Champion:
        """Let the last of the `standing` be live; its store must have it whole, as this machine may have a part.

        What is neither given nor `changed` stays as the champion before has it.
        """
        kept = before.model_dump(include={"taken_down", "share"}) if before else {}
        standing = standing or (before.standing if before else ())
        model_id, sequence = standing[-1].model_id, before.sequence + 1 if before else 1
        change = ChampionChange(
            sequence=sequence,
            action=action,
            model_id=model_id,
            as_of=as_of,
            previous=before.model_id if before else None,
            reason=reason[:REASON_LENGTH],
            at=datetime.now(UTC),
            reinstated=reinstated,
        )
        known = {"model_id": model_id, "as_of": as_of, "sequence": sequence, "standing": standing}
        champion = Champion(**known, change=change, **kept | changed)
        if action in {"promote", "rollback"}:
            self._store.commit(self.path(model_id))
        self._champions.make(champion)
        return champion
