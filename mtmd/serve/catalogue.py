"""The publications of a line of models, and which one serves each model.

    ads/<model_id>/<day>-<digest>/   one publication, written once: the ads of that day's snapshot
    ads/<model_id>/current.json      which of them serves the model: the only thing that changes
    ads/publish.lock                 held by the kernel for whoever publishes

A directory is named by its snapshot, so publishing twice is publishing once. A reader takes the pointer, then maps the
directory that it names. A line in a bucket has its pointers there: whoever publishes replaces the one that was read, or
fails where another machine did meanwhile.
"""

from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path

from pydantic import Field, ValidationError

from mtmd.config import Frozen
from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.registry.records import require_id
from mtmd.store.files import locked
from mtmd.store.sealed import parsed_json, sealed_text
from mtmd.store.stores import store_of

POINTER = "current.json"
_PATIENCE_S = 3600.0  # another publication of a million ads takes minutes


class Current(Frozen):
    """Which publication serves a model."""

    name: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}-[0-9a-f]{16}$", description="its directory")
    day: date = Field(description="day of the snapshot of ads")
    ads: int = Field(ge=0)


class Catalogue:
    """The publications below a line's directory, such as artifacts/<line>."""

    def __init__(self, line: Path) -> None:
        self.root = line / "ads"
        self._store = store_of(self.root)
        self._seen: dict[str, bytes | None] = {}  # each model's pointer, as it was read first

    def path(self, model_id: str, name: str) -> Path:
        """A publication's directory; raises RegistryError for what can't be a model's id."""
        return self.root / require_id(model_id) / name

    def current(self, model_id: str) -> Current:
        """The publication that serves a model; raises BundleError where there is none, or that can't be told."""
        path = self._pointer(model_id)
        content, place = self._store.read(path), self._store.place(path)
        self._seen.setdefault(model_id, content)
        if content is None:
            raise BundleError(f"no ads are published for champion {model_id}; run `mtmd publish`")
        try:
            return Current.model_validate(parsed_json(content, place))
        except (StorageError, ValidationError) as error:
            raise BundleError(f"{place} cannot be read; remove it and publish again: {error}") from error

    def known(self, model_id: str) -> Current | None:
        """The same; None where there is none, or that can't be told."""
        try:
            return self.current(model_id)
        except (BundleError, RegistryError, OSError):
            return None

    def serve(self, model_id: str, current: Current) -> None:
        """Let a publication that is complete serve the model from now on; callers hold the lock.

        The one that served until now gets this moment's time: readers may have it open, so it goes a while later.
        Raises RegistryError where another machine let one serve since `current` was asked first.
        """
        before, path = self.known(model_id), self._pointer(model_id)
        text = sealed_text(current.model_dump(mode="json"))
        if not self._store.replace(path, text.encode(), self._seen.pop(model_id, None)):
            raise RegistryError(
                f"another machine published ads for {model_id} meanwhile, so those of {current.day} do not serve "
                "it; publish again"
            )
        if before is not None and before.name != current.name:
            self._store.touch(self.path(model_id, before.name))

    def superseded(self, model_id: str, path: Path) -> bool:
        """Whether another publication than `path` serves the model; its time of writing is then since when."""
        current = self.known(model_id)
        return current is not None and current.name != path.name

    def _pointer(self, model_id: str) -> Path:
        return self.root / require_id(model_id) / POINTER

    def publishing(self) -> AbstractContextManager[None]:
        """Hold the lock of whoever publishes; waits for another one."""
        return locked(self.root / "publish.lock", _PATIENCE_S)

    def models(self) -> list[str]:
        """The models that have ads."""
        names = self._store.names(self.root)
        return sorted(name for name in names if self._store.read(self.root / name / POINTER) is not None)
