"""Which days train a rival, and which stored one stands in for it on the others.

A rival with `every_days = n` is due on days whose number from FIRST is a multiple of n. On the other days the newest
stored one since the last due day is compared as it is, if the present preset would train it alike on its own window;
where there is none, it is trained as on a due day. One that saw a day which the preset leaves out by now, or which was
delivered again, does not count: it would be easier to beat.
"""

import logging
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from operator import itemgetter
from pathlib import Path

from mtmd.extract.window import days_fingerprint
from mtmd.run import RunPlan
from mtmd.store.workspace import is_complete
from mtmd.train.stage import Made, Trained, read_fit, read_made, training_key

FIRST = date(2001, 1, 1)  # a Monday

_log = logging.getLogger(__name__)


def is_due(as_of: date, every_days: int, *, is_first: bool = False) -> bool:
    """Whether a run of that day, a line's first one perhaps, trains what is trained every so many days; never for 0."""
    return every_days > 0 and (is_first or (as_of - FIRST).days % every_days == 0)


def compared(plan: RunPlan) -> tuple[str, ...]:
    """The kinds of models that a day trains: the candidate's first, then the preset's own model and its rivals."""
    rivals = (kind for kind, rival in plan.preset.rivals.items() if rival.every_days)
    return tuple(dict.fromkeys((plan.candidate, plan.preset.candidate, *rivals)))


def earlier(plan: RunPlan, kind: str, shards: Mapping[date, str]) -> Trained | None:
    """The stored rival that stands in for one of the plan's own window; None where the day has to train it.

    `shards` has the fingerprint of each training day's shard.
    Taking one counts as using it: the clean-up keeps trainings by when they were last written or taken.
    """
    every = 1 if kind == plan.preset.candidate else plan.preset.rivals[kind].every_days
    age = (plan.as_of - FIRST).days % max(1, every)
    if not age:
        return None
    oldest = plan.as_of - timedelta(days=age + 1)
    while oldest in plan.preset.left_out:  # the due day's window ended before it
        oldest -= timedelta(days=1)
    found = [(max(made.shards), path, made) for path, made in _stored(plan, kind)]
    for last, path, made in sorted(found, key=itemgetter(0), reverse=True):
        if not oldest <= last < plan.as_of:
            continue
        if (why := _unfit(plan, path, made, shards)) is not None:
            _log.warning("%s is not compared, because %s", path, why)
            continue
        plan.workspace.store.touch(path)
        return Trained(
            kind=kind,
            seed=plan.preset.training.seed,
            key=training_key(kind, days_fingerprint(made.shards), plan.preset),
            path=str(path),
            reused=True,
            fit=read_fit(path),
            last=last if last < plan.days[-1] else None,
        )
    return None


def _stored(plan: RunPlan, kind: str) -> Iterator[tuple[Path, Made]]:
    """Trainings of a kind that the present preset would give the same name, over windows of the plan's length.

    A window may lack days at its ends that the preset leaves out.
    """
    length, slack = (plan.days[-1] - plan.days[0]).days, len(plan.preset.left_out)
    for path in sorted((plan.workspace.root / "trained").glob(f"{kind}-*")):
        if (made := read_made(path)) is None or not made.shards:
            continue
        key = training_key(kind, days_fingerprint(made.shards), plan.preset)
        spans = (max(made.shards) - min(made.shards)).days
        if plan.workspace.trained(kind, key) == path and abs(spans - length) <= slack:
            yield path, made


def _unfit(plan: RunPlan, path: Path, made: Made, shards: Mapping[date, str]) -> str | None:
    """What is wrong with a rival: its files, or a day that the plan lacks or has otherwise; None where nothing is."""
    if not is_complete(path):
        return "its files are not as its manifest says"
    for day, fingerprint in made.shards.items():
        if day in plan.preset.left_out:
            return f"it was trained on {day}, which is left out by now ({plan.preset.left_out[day]})"
        if shards.get(day, fingerprint) != fingerprint:
            return f"it was trained on {day} before that day was delivered again, or read otherwise"
    return None
