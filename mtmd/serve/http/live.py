"""The model that answers now, and the thread that follows the champion.

A request takes the whole of `Live.serving` once: a model with the ads that were published with it. A newer champion,
or newer ads, are loaded, verified and warmed up beside it, then take its place in one assignment; requests that are
being answered keep what they took. What can't be loaded changes nothing, and says why.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mtmd.errors import BundleError, RegistryError
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue, Current
from mtmd.serve.http.bodies import Bodies
from mtmd.serve.http.intake import Settings
from mtmd.serve.published import ADS_FILE, open_ads
from mtmd.serve.ranker import Ranker
from mtmd.serve.scorer import Scorer
from mtmd.serve.search import by_task

_LONGEST_PAUSE_S = 60.0  # between attempts at what can't be loaded
_START_PATIENCE_S, _STOP_PATIENCE_S = 20.0, 5.0  # with a disk or a bucket that gives no answer for minutes
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Serving:
    """A model, its ads, and the bodies that it understands."""

    ranker: Ranker
    bodies: Bodies
    publication: str
    day: date
    made: tuple[int, int] | None = None  # tells the publication from one that was made again under its name


class Live:
    """What answers below one line's directory."""

    def __init__(
        self,
        line: Path,
        settings: Settings,
        on_swap: Callable[[Serving], None] = lambda _: None,
        choose: Callable[[], str] | None = None,
    ) -> None:
        """`choose` gives the id of the model that should answer, or raises an error; by default the champion's."""
        self._registry, self._catalogue = Registry(line), Catalogue(line)
        self._choose = choose or self._champion
        self._settings, self._on_swap = settings, on_swap
        self._stop, self._looked = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="champion", daemon=True)
        self._failures, self._not_before = 0, 0.0
        self._failed: tuple[str, Current] | None = None  # what could not be loaded, so many times
        self.serving: Serving | None = None
        self.problem: str | None = "nothing is loaded yet"

    def start(self) -> None:
        """Follow the champion from now on; returns when it was looked at, or after a while without an answer."""
        self._thread.start()
        self._looked.wait(_START_PATIENCE_S)

    def stop(self) -> None:
        """End it; a look that gets no answer is left to end with the process."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_PATIENCE_S)

    def refresh(self) -> bool:
        """Look at the champion and its ads, and serve what is new; returns whether something was swapped.

        Never raises: `problem` says what is wrong, and what was served is served on.
        """
        wanted = None
        try:
            wanted = self._wanted()
            if wanted is None or (wanted == self._failed and time.monotonic() < self._not_before):
                return False
            serving = self._load(*wanted)
        except Exception as error:  # noqa: BLE001 - whatever a file makes a library say: the thread must go on
            self._note(f"{error}", wanted)
            return False
        self.serving, self.problem, self._failed = serving, None, None
        self._on_swap(serving)
        _log.info("serving %s with the ads of %s", serving.ranker.model_id, serving.day)
        return True

    def _champion(self) -> str:
        return self._registry.require_champion().model_id

    def _wanted(self) -> tuple[str, Current] | None:
        """The champion and its publication, unless these are what is served."""
        model_id = self._choose()
        current = self._catalogue.require_current(model_id)
        served = self.serving
        if served is None or (served.ranker.model_id, served.publication) != (model_id, current.name):
            return model_id, current
        # Damaged ads were made again: those that are mapped are the damaged ones.
        if _made(self._catalogue.path(model_id, current.name)) not in (None, served.made):
            return model_id, current
        self.problem = None
        return None

    def _load(self, model_id: str, current: Current) -> Serving:
        served = self.serving
        if served is not None and self._is_same(served.ranker, model_id):  # newer ads of the same model
            scorer, bodies = served.ranker.scorer, served.bodies
        else:
            scorer = Scorer.load(self._registry.verify(model_id))
            bodies = Bodies(scorer.info.declarations, self._settings)
        path = self._catalogue.path(model_id, current.name)
        there = _made(path)
        ads = open_ads(path, scorer.info)
        made = there or _made(path)  # in a bucket, it is fetched when it is opened
        ranker = Ranker(model_id, scorer, ads)
        _warm_up(ranker)
        return Serving(ranker, bodies, current.name, current.day, made)

    def _is_same(self, ranker: Ranker, model_id: str) -> bool:
        """Whether a model is the loaded one: its files may have been removed, and made again with other content.

        A model whose manifest can't be read by now counts as the loaded one, which was verified.
        """
        if ranker.model_id != model_id:
            return False
        try:
            return ranker.bundle_id == self._registry.manifest(model_id).bundle_id
        except (BundleError, RegistryError):
            return True

    def _note(self, words: str, wanted: tuple[str, Current] | None) -> None:
        """Say it once; what can't be loaded is tried again after a pause that grows, since each try reads it all."""
        if words != self.problem:
            _log.warning("%s", words)
        self.problem = words
        if wanted is not None:
            self._failures = self._failures + 1 if wanted == self._failed else 1
            self._failed = wanted
            pause = min(self._settings.poll_s * 2**self._failures, _LONGEST_PAUSE_S)
            self._not_before = time.monotonic() + pause

    def _follow(self) -> None:
        self.refresh()
        self._looked.set()
        while not self._stop.wait(self._settings.poll_s):
            self.refresh()


def _made(publication: Path) -> tuple[int, int] | None:
    """Of a publication that is there: it is written once."""
    try:
        found = (publication / ADS_FILE).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _warm_up(ranker: Ranker) -> None:
    """The first request of a session allocates, and the first of a mapping reads: not at a client's cost."""
    declarations = ranker.scorer.info.declarations
    numbers: dict[str, object] = {feature.name: 0 for feature in declarations.query.continuous}
    vectors = {feature.name: [0.0] * feature.width for feature in declarations.query.embedding}
    rows = [numbers | vectors | {"surface": surface} for surface in declarations.domains.surfaces]
    for task in declarations.domains.task_names:
        ranker.rank(rows, by_task(declarations.domains, task), 1)
    ranker.table.find([])
