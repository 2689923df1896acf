"""Which days train a rival, and which stored one stands in for it on the others.

A rival with `every_days = n` is due on days whose number from FIRST is a multiple of n, so that every run of a day, a
backfill's too, agrees on it. On a day that is not due, the newest stored one since the last due day is compared as it
is; where there is none, it is trained as on a due day. A stored one counts where the present preset would give it the
same name over the window that it was trained on. It ends before the day that is held out, as every window does. None
counts that saw a day which the preset leaves out by now, or which was delivered again and is in the present window: it
would be easier to beat.
"""

import logging
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

from mtmd.config import TwoTowerConfig
from mtmd.model.build import ModelKind
from mtmd.run import RunPlan
from mtmd.store.outputs import is_complete
from mtmd.train.stage import Trained, read_fit, read_recipe, training_key

FIRST = date(2001, 1, 1)  # a Monday

_log = logging.getLogger(__name__)


def since_due(as_of: date, every_days: int) -> int:
    """Days since the last day that was due, 0 on such a day itself; `every_days` is at least 1."""
    return (as_of - FIRST).days % every_days


def is_due(as_of: date, every_days: int) -> bool:
    """Whether a run of that day trains what is trained every so many days; never where that is 0."""
    return every_days > 0 and since_due(as_of, every_days) == 0


def compared(plan: RunPlan, kinds: tuple[ModelKind, ...]) -> tuple[ModelKind, ...]:
    """The kinds of models that the plan's preset has, in their order."""
    return tuple(kind for kind in kinds if kind == "mtmd" or _rival(plan, kind).every_days)


def earlier(plan: RunPlan, kind: ModelKind, shards: Mapping[date, str]) -> Trained | None:
    """The stored rival that stands in for one of the plan's own window; None where the day has to train it.

    `shards` has the fingerprint of each training day's shard.
    Taking one counts as using it: the clean-up keeps trainings by when they were last written or taken.
    """
    if kind == "mtmd":
        return None
    age = since_due(plan.as_of, max(1, _rival(plan, kind).every_days))
    if not age:
        return None
    oldest = plan.as_of - timedelta(days=age + 1)
    while oldest in plan.preset.left_out:  # the due day's window ended before it
        oldest -= timedelta(days=1)
    found = [one for one in _stored(plan, kind) if oldest <= one[0] < plan.as_of]
    for last, key, path in sorted(found, reverse=True):
        if not is_complete(path):
            _log.warning("%s is not compared, because its files are not as its manifest says", path)
            continue
        if (why := _outdated(plan, path, shards)) is not None:
            _log.info("%s is not compared, because %s", path, why)
            continue
        plan.workspace.store.touch(path)
        return Trained(
            kind=kind,
            seed=plan.preset.training.seed,
            key=key,
            path=str(path),
            reused=True,
            fit=read_fit(path),
            last=last if last < plan.days[-1] else None,
        )
    return None


def _stored(plan: RunPlan, kind: ModelKind) -> Iterator[tuple[date, str, Path]]:
    """Trainings of a kind that the present preset would give the same name, over windows of the plan's length.

    Last day of the window, key, place. A window may lack days at its ends that the preset leaves out.
    """
    own, slack = (plan.days[-1] - plan.days[0]).days, len(plan.preset.left_out)
    for path in sorted((plan.workspace.root / "trained").glob(f"{kind}-*")):
        recipe = read_recipe(path)
        try:
            first, last = (date.fromisoformat(recipe[name]) for name in ("first", "last"))
            window = str(recipe["window"])
        except (KeyError, TypeError, ValueError):  # of a model that every day trained, or damaged
            continue
        key = training_key(kind, window, plan.preset)
        if plan.workspace.trained(kind, key) == path and abs((last - first).days - own) <= slack:
            yield last, key, path


def _outdated(plan: RunPlan, path: Path, shards: Mapping[date, str]) -> str | None:
    """Which day a rival was trained on that the plan has not, or has otherwise; None where all days are as they were.

    Older versions did not store a rival's days: such a rival counts.
    """
    for name, fingerprint in read_recipe(path).get("shards", {}).items():
        day = date.fromisoformat(name)
        if day in plan.preset.left_out:
            return f"it was trained on {day}, which is left out by now ({plan.preset.left_out[day]})"
        if shards.get(day, fingerprint) != fingerprint:
            return f"it was trained on {day} before that day was delivered again, or read otherwise"
    return None


def _rival(plan: RunPlan, kind: ModelKind) -> TwoTowerConfig:
    found: TwoTowerConfig = getattr(plan.preset.rivals, kind)
    return found
