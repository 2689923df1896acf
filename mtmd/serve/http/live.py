"""The model that answers now, and the thread that follows the champion.

A request takes the whole of `Live.serving` once: a model with the ads that were published with it. A newer champion,
or newer ads, are loaded, verified and warmed up beside it, then take its place in one assignment; requests that are
being answered keep what they took. What can't be loaded changes nothing, and says why. While the champion answers a
share of the users, the model of the others is part of the whole; where only one of the two can be loaded, it answers
all, unless two answer already.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from mtmd.registry.records import Champion
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue, Current
from mtmd.serve.http.intake import Bodies, Settings
from mtmd.serve.published import open_ads
from mtmd.serve.ranker import Ranker, ranking_by
from mtmd.serve.scorer import Scorer

_PAUSES = 10  # looks that are let pass before what can't be loaded is tried again: each try reads it all
_START_PATIENCE_S, _STOP_PATIENCE_S = 20.0, 5.0  # with a disk or a bucket that gives no answer for minutes
_log = logging.getLogger(__name__)
Wanted = dict[str, Current | None]  # models that should answer, with their ads


@dataclass(frozen=True, eq=False)
class Serving:
    """A model, its ads, and the bodies that it understands."""

    ranker: Ranker
    bodies: Bodies
    publication: str
    day: date
    others: "Serving | None" = None  # what answers the users whom this does not, and
    rollout: Champion | None = None  # who knows which users these are

    def of(self, user: object) -> "Serving":
        """What answers a user, whose id is as a body has it."""
        if self.others is None or self.rollout is None or self.rollout.has_live(self.bodies.user(user)):
            return self
        return self.others

    @property
    def every(self) -> "dict[tuple[str, str], Serving]":
        """Each model that answers, alone, by its id and its publication."""
        found = (replace(self, others=None, rollout=None), self.others) if self.others else (self,)
        return {(one.ranker.model_id, one.publication): one for one in found}


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
        self._choose = choose
        self._settings, self._on_swap = settings, on_swap
        self._stop, self._looked = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="champion", daemon=True)
        self._failed: Wanted | None = None  # what could not be loaded
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
        wanted, serving = None, None
        try:
            rollout, models = self._chosen()
            wanted = {model: self._catalogue.known(model) for model in models}
            if wanted == self._failed and time.monotonic() < self._not_before:
                return False
            serving, problem = self._whole(wanted, rollout)
        except Exception as error:  # noqa: BLE001 - whatever a file makes a library say: the thread must go on
            problem = str(error)
        if problem is not None:
            if problem != self.problem:
                _log.warning("%s", problem)
            self._not_before = time.monotonic() + _PAUSES * self._settings.poll_s
        self.problem, self._failed = problem, None if problem is None else wanted
        if serving is None or serving is self.serving:
            return False
        self.serving = serving
        self._on_swap(serving)
        _log.info("serving %s with the ads of %s", serving.ranker.model_id, serving.day)
        return True

    def _chosen(self) -> tuple[Champion | None, list[str]]:
        """The champion of a rollout, and the models that answer: the live one, then that of the other users."""
        if self._choose is not None:
            return None, [self._choose()]
        champion = self._registry.require_champion()
        if champion.partner is None:
            return None, [champion.model_id]
        return champion, [champion.model_id, champion.partner]

    def _whole(self, wanted: Wanted, rollout: Champion | None) -> tuple[Serving, str | None]:
        """All that is wanted as one, or what of it answers all, and why; what answers already is not loaded again."""
        there = self.serving.every if self.serving else {}
        loaded, failed = list[Serving](), list[Exception]()
        for model, known in wanted.items():
            try:
                current = known or self._catalogue.current(model)
                loaded.append(there.get((model, current.name)) or self._load(model, current))
            except Exception as error:  # noqa: BLE001 - as above
                failed.append(error)
        if self.serving and (loaded, rollout) == ([*there.values()], self.serving.rollout) and not failed:
            return self.serving, None
        if not failed:
            return replace(loaded[0], others=loaded[-1] if rollout else None, rollout=rollout), None
        if not loaded or len(there) > 1:
            raise failed[0]
        return loaded[0], f"{failed[0]}; {loaded[0].ranker.model_id} answers all users"

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
