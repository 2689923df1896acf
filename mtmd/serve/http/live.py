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

from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue, Current
from mtmd.serve.http.intake import Bodies, Settings
from mtmd.serve.published import open_ads
from mtmd.serve.ranker import Ranker, ranking_by
from mtmd.serve.scorer import Scorer

_PAUSES = 10  # looks that are let pass before what can't be loaded is tried again: each try reads it all
_START_PATIENCE_S, _STOP_PATIENCE_S = 20.0, 5.0  # with a disk or a bucket that gives no answer for minutes
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Serving:
    """A model, its ads, and the bodies that it understands."""

    ranker: Ranker
    bodies: Bodies
    publication: str
    day: date


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
        self._failed: tuple[str, Current] | None = None  # what could not be loaded
        self._not_before = 0.0
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
            model_id = self._choose()
            wanted = model_id, self._catalogue.current(model_id)
            if self._is_served(*wanted):
                self.problem = None
                return False
            if wanted == self._failed and time.monotonic() < self._not_before:
                return False
            serving = self._load(*wanted)
        except Exception as error:  # noqa: BLE001 - whatever a file makes a library say: the thread must go on
            if str(error) != self.problem:
                _log.warning("%s", error)
            self.problem, self._failed = str(error), wanted
            self._not_before = time.monotonic() + _PAUSES * self._settings.poll_s
            return False
        self.serving, self.problem, self._failed = serving, None, None
        self._on_swap(serving)
        _log.info("serving %s with the ads of %s", serving.ranker.model_id, serving.day)
        return True

    def _champion(self) -> str:
        return self._registry.require_champion().model_id

    def _is_served(self, model_id: str, current: Current) -> bool:
        served = self.serving
        return served is not None and (served.ranker.model_id, served.publication) == (model_id, current.name)

    def _load(self, model_id: str, current: Current) -> Serving:
        scorer = Scorer.load(self._registry.verify(model_id))
        ads = open_ads(self._catalogue.path(model_id, current.name), scorer.info)
        bodies = Bodies(scorer.info.declarations, self._settings)
        ranker = Ranker(model_id, scorer, ads)
        _warm_up(ranker)
        return Serving(ranker, bodies, current.name, current.day)

    def _follow(self) -> None:
        self.refresh()
        self._looked.set()
        while not self._stop.wait(self._settings.poll_s):
            self.refresh()


def _warm_up(ranker: Ranker) -> None:
    """The first request of a session allocates, and the first of a mapping reads: not at a client's cost."""
    declarations = ranker.scorer.info.declarations
    rows = [{"surface": surface} for surface in declarations.domains.surfaces]
    for task in declarations.domains.task_names:
        ranker.rank(rows, ranking_by(declarations.domains, task), 1, None)
    ranker.rank(rows, ranking_by(declarations.domains, declarations.domains.task_names[0]), 1, [])
