"""The registry of one line of models: written once, promoted and rolled back by one pointer (design §9).

    models/<model_id>/     ONNX files, bundle.json, metrics.json, manifest.json; written once
    champion.json          the live model: the only thing that changes
    history.jsonl          every change, oldest first
    champion.lock          held by the kernel for whoever changes or reads the two above together

Order is by `as_of`, never by wall clock.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import ValidationError

from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.registry.checks import check_built, check_sequence, require_reason
from mtmd.registry.history import champion_of, read_history, reconcile, standing, taken_down
from mtmd.registry.records import (
    REASON_LENGTH,
    Champion,
    Change,
    ModelManifest,
    Promotion,
    Registered,
    RegistryStatus,
)
from mtmd.storage import atomic_directory, locked, read_json, sha256_file, write_json

_MANIFEST = "manifest.json"


class Registry:
    """The registry below `root`, such as artifacts/<line>."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.models = root / "models"
        self._champion = root / "champion.json"
        self._history = root / "history.jsonl"
        self._lock = root / "champion.lock"

    def path(self, model_id: str) -> Path:
        """Directory of a model; `verify` it before loading."""
        return self.models / model_id

    def add(self, model_id: str, build: Callable[[Path], None], manifest: ModelManifest) -> Registered:
        """Store a model once: `build` fills a directory with the bundle and metrics.json.

        A complete model is reused and `build` not called. Raises RegistryError when the manifest or what was
        built does not fit, BundleError when a stored model was altered.
        """
        if manifest.model_id != model_id:
            raise RegistryError(f"the manifest is of model {manifest.model_id!r}; it must be {model_id!r}'s")
        final = self.path(model_id)
        if reused := final.exists():
            self.verify(model_id)
        else:
            with atomic_directory(final) as temporary:
                build(temporary)
                check_built(temporary, manifest)
                files = {
                    str(path.relative_to(temporary)): sha256_file(path)
                    for path in sorted(temporary.rglob("*"))
                    if path.is_file()
                }
                stored = manifest.model_copy(update={"files": files})
                write_json(temporary / _MANIFEST, stored.model_dump(mode="json"))
        return Registered(model_id=model_id, path=str(final), reused=reused)

    def manifest(self, model_id: str) -> ModelManifest:
        """A model's manifest; raises RegistryError when the model is not here."""
        directory = self.path(model_id)
        if not directory.is_dir():
            raise RegistryError(f"model {model_id!r} is not in {self.models}; register it with a run first")
        try:
            return ModelManifest.model_validate(read_json(directory / _MANIFEST))
        except (StorageError, ValidationError) as error:
            raise BundleError(f"manifest of model {model_id!r} cannot be read: {error}") from error

    def verify(self, model_id: str) -> Path:
        """A model's directory, after comparing every file with the manifest.

        Raises BundleError naming a file that is missing or altered, RegistryError when the model is not here.
        """
        for name, expected in self.manifest(model_id).files.items():
            path = self.path(model_id) / name
            found = sha256_file(path) if path.is_file() else "nothing"
            if found != expected:
                raise BundleError(
                    f"{path} of model {model_id!r} is {found}; its manifest says sha256 {expected}. Restore "
                    "the file from a copy, or remove the model's directory and run its day again"
                )
        return self.path(model_id)

    def champion(self) -> Champion | None:
        """The live model; None before the first promotion. Where the pointer is lost, the history says what it was."""
        if not self._champion.is_file():
            history = read_history(self._history)
            return champion_of(history) if history else None
        try:
            return Champion.model_validate(read_json(self._champion))
        except (StorageError, ValidationError) as error:
            raise RegistryError(
                f"{self._champion} cannot be read; restore it from a copy: {error}"
            ) from error

    def promote(self, model_id: str, as_of: date, reason: str, expected_sequence: int) -> Promotion:
        """Make a model live, if the champion is still the one the decision was based on.

        `expected_sequence` is that champion's, 0 when there was none. Promoting the champion changes nothing.
        Refused, without an error: a model whose as_of is older than the champion's (a backfill displaces
        nothing), and one that was rolled back. Raises RegistryError when the champion moved meanwhile or the
        model is not here, BundleError when a file of it was altered.
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
            if champion is not None and (refusal := self._refusal(manifest, champion)):
                return Promotion(outcome="refused", champion=champion, words=refusal)
            check_sequence(champion, expected_sequence, model_id)
            promoted = self._swap(
                champion,
                "promote",
                manifest,
                reason,
                previous=champion.model_id if champion else None,
                rolled_back=champion.rolled_back if champion else (),
            )
            return Promotion(outcome="promoted", champion=promoted, words=f"{model_id} promoted")

    def rollback(
        self, reason: str, check: Callable[[Path], object], only: str | None = None
    ) -> tuple[Champion, Champion]:
        """Make the previous champion live again; once more goes one further back. Returns the champions before and
        after.

        `check` gets the target's directory, after its digests are compared; what it raises stops the rollback.
        `only` names the model to take down: a rollback that was sent twice goes back once. Raises RegistryError when
        another one is live or there is none to go back to, BundleError (changing nothing) when a file was altered.
        """
        require_reason("a rollback", reason)
        with locked(self._lock):
            champion = self._reconciled()
            if only is not None and (champion is None or champion.model_id != only):
                live = champion.model_id if champion else "none"
                raise RegistryError(
                    f"model {only!r} is not live ({live} is), so there is nothing to roll back"
                )
            if champion is None or champion.previous is None:
                live = champion.model_id if champion else "none"
                raise RegistryError(
                    f"there is no champion before the live one ({live}); promote another model"
                )
            rolled_back = (*champion.rolled_back, champion.model_id)
            check(self.verify(champion.previous))
            manifest = self.manifest(champion.previous)
            below = standing(read_history(self._history), rolled_back)[:-1]
            previous = below[-1][0] if below else None
            back = self._swap(
                champion, "rollback", manifest, reason, previous=previous, rolled_back=rolled_back
            )
            return champion, back

    def reinstate(self, model_id: str, reason: str) -> Champion:
        """Let a model that was rolled back be promoted again, by the next run of its day; nothing else changes.

        Raises RegistryError when it was not rolled back.
        """
        require_reason("a reinstatement", reason)
        with locked(self._lock):
            champion = self._reconciled()
            banned = champion.rolled_back if champion else ()
            if champion is None or model_id not in banned:
                raise RegistryError(f"model {model_id!r} is not rolled back; these are: {list(banned)}")
            rolled_back = tuple(one for one in banned if one != model_id)
            below = standing(read_history(self._history), rolled_back)[:-1]
            return self._swap(
                champion,
                "reinstate",
                self.manifest(champion.model_id),
                reason,
                previous=below[-1][0] if below else None,
                rolled_back=rolled_back,
                reinstated=model_id,
            )

    def standing(self) -> tuple[str, ...]:
        """The models that rollbacks can go back to, one after the other, oldest first; the champion is the last."""
        champion = self.champion()
        if champion is None:
            return ()
        return tuple(name for name, _ in standing(self.history(), champion.rolled_back))

    def history(self) -> tuple[Change, ...]:
        """Every change of the champion, oldest first."""
        if self.champion() is None:
            return ()
        with locked(self._lock):
            self._reconciled()
            return read_history(self._history)

    def status(self, latest: int = 10) -> RegistryStatus:
        """The champion, how many models there are, and the latest changes."""
        history = self.history()
        stored = [path for path in self.models.glob("*") if (path / _MANIFEST).is_file()]
        return RegistryStatus(
            champion=self.champion(),
            candidates=sum(not path.name.startswith(".") for path in stored),
            history=history[-latest:],
        )

    def _refusal(self, manifest: ModelManifest, champion: Champion) -> str | None:
        """Why a model may not displace the champion."""
        if manifest.as_of < champion.as_of:
            return (
                f"its as_of {manifest.as_of} is older than the champion's {champion.as_of}; it stays registered, "
                "and displaces nothing"
            )
        if manifest.model_id in champion.rolled_back:
            change = taken_down(read_history(self._history), manifest.model_id)
            why = f" ({change.at:%Y-%m-%d %H:%M} UTC: {change.reason})" if change else ""
            return (
                f"{manifest.model_id} was rolled back before{why}; another window, preset or code gives a model with "
                f"another id, which can be promoted. `mtmd reinstate {manifest.model_id}` lets this one come back"
            )
        return None

    def _reconciled(self) -> Champion | None:
        champion = self.champion()
        reconcile(self._history, champion)
        if champion is not None and not self._champion.is_file():
            write_json(self._champion, champion.model_dump(mode="json"))
        return champion

    def _swap(
        self,
        old: Champion | None,
        action: str,
        manifest: ModelManifest,
        reason: str,
        *,
        previous: str | None,
        rolled_back: tuple[str, ...],
        reinstated: str | None = None,
    ) -> Champion:
        """Pointer first, history second: `reconcile` mends what a crash in between leaves."""
        sequence = (old.sequence if old else 0) + 1
        change = Change.model_validate(
            {
                "sequence": sequence,
                "action": action,
                "model_id": manifest.model_id,
                "as_of": manifest.as_of,
                "previous": old.model_id if old else None,
                "reason": reason[:REASON_LENGTH],
                "at": datetime.now(UTC),
                "reinstated": reinstated,
            }
        )
        champion = Champion(
            model_id=manifest.model_id,
            as_of=manifest.as_of,
            sequence=sequence,
            previous=previous,
            rolled_back=rolled_back,
            change=change,
        )
        write_json(self._champion, champion.model_dump(mode="json"))
        reconcile(self._history, champion)
        return champion
