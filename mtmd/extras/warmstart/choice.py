"""Choose what a day's training goes on from: the registry and the day decide, so a run that is repeated chooses alike.

The model is the newest one that was champion before the day, and still can be: it was not rolled back. It never saw the
held-out day or a later one. Where it can't be gone on from, the day makes a full retrain, and says why.
"""

import logging
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from mtmd.extras.warmstart.settings import Settings
from mtmd.registry.incumbent import earlier_champions
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.run import RunPlan
from mtmd.store.outputs import is_complete
from mtmd.train.results import MOMENTS, ChosenStart, Start
from mtmd.train.stage import read_made
from mtmd.train.trainer import recipe_of

_log = logging.getLogger(__name__)


def choose(plan: RunPlan, window: Mapping[date, str]) -> ChosenStart | None:
    """The start of the day's training; `window` has the fingerprint of each training day's shard.

    None where the preset retrains every day in full. A start that is damaged, or missing, is logged as a warning.
    """
    if not plan.preset.extra(Settings).on:
        return None
    champion = next(earlier_champions(Registry(plan.workspace.root), plan.as_of), None)
    if champion is None:
        return _full("no model of an earlier day is champion, or could become it again")
    reasons = (_due(plan, champion), _leak(plan, champion), _other_days(champion, window))
    why = next(filter(None, reasons), None) or _damage(plan, champion)
    if why is not None:
        return _full(f"{champion.model_id} is not gone on from, because {why}")
    return _warm(plan, champion, window)


def _full(why: str) -> ChosenStart:
    return ChosenStart(start=None, words=f"a full retrain: {why}")


def _warm(plan: RunPlan, champion: ModelManifest, window: Mapping[date, str]) -> ChosenStart:
    config, seen = plan.preset.extra(Settings), max(champion.window)
    full_model_id, full_as_of = champion.last_full
    start = Start(
        model_id=champion.model_id,
        as_of=champion.as_of,
        training=champion.training or "",
        full_model_id=full_model_id,
        full_as_of=full_as_of,
        days=min(len(window), max(config.days, sum(day > seen for day in window))),
        epochs=config.epochs,
        rate=config.rate,
    )
    words = (
        f"goes on from {start.model_id} (as_of {start.as_of}) over the newest {start.days} days; the last full retrain "
        f"is {full_model_id} of {full_as_of}"
    )
    return ChosenStart(start=start, words=words)


def _due(plan: RunPlan, champion: ModelManifest) -> str | None:
    _, full_as_of = champion.last_full
    age, most = (plan.as_of - full_as_of).days, plan.preset.extra(Settings).full_every_days
    return f"the last full retrain is of {full_as_of} (full_every_days {most})" if age >= most else None


def _leak(plan: RunPlan, champion: ModelManifest) -> str | None:
    """A model that saw the held-out day, or a later one, must not be judged on it."""
    newest = max(champion.window, default=None)
    if newest is None:
        return "its manifest names no training days"
    return f"it was trained on {newest}, which is not before {plan.as_of}" if newest >= plan.as_of else None


def _other_days(champion: ModelManifest, window: Mapping[date, str]) -> str | None:
    """Days of the window that it learned from, and that are not as they were."""
    oldest = min(window)
    other = sorted(
        day for day, shard in champion.window.items() if day >= oldest and window.get(day) != shard
    )
    return f"logs of {', '.join(map(str, other[:3]))} are not those it was trained on" if other else None


def _damage(plan: RunPlan, champion: ModelManifest) -> str | None:
    """What its training lacks, or how it was made otherwise; a warning where what is stored is damaged."""
    directory = plan.workspace.trained("mtmd", champion.training or "")
    if not is_complete(directory):
        _log.warning("a full retrain is made: training %s of %s is damaged", directory, champion.model_id)
        return f"its training {directory} is missing, or its files are not as its manifest says"
    if not Path(directory / MOMENTS).is_file():
        return "its training kept no moments: extras.warmstart.on was false then"
    made = read_made(directory)
    then, now = {} if made is None else made.recipe, recipe_of("mtmd", plan.preset)
    changed = sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))
    return f"the preset or the code has changed: {', '.join(changed)}" if changed else None
