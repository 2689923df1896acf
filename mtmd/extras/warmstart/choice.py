"""Choose what a day's training goes on from: the registry and the day decide, so a run that is repeated chooses alike.

The model is the newest one that was champion before the day, and still can be: it was not rolled back. It never saw the
held-out day or a later one. Where it can't be gone on from, the day makes a full retrain, and says why.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from mtmd.config import Declarations, Frozen, Preset
from mtmd.extract.stage import shard_declarations
from mtmd.extras.warmstart.carry import features_changed
from mtmd.extras.warmstart.settings import Settings
from mtmd.registry.incumbent import earlier_champions
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.run import RunPlan
from mtmd.store.outputs import is_complete, read_record
from mtmd.train.additions import MOMENTS, ChosenStart, Start
from mtmd.train.step import Precision, choose_precision
from mtmd.train.trainer import TRAINING_FORMAT

RESUMABLE = "resumable.json"
MOST_CHANGED = 0.25  # share of the features that may be new, changed or gone
_log = logging.getLogger(__name__)


class Resumable(Frozen):
    """What a training was made with, for one that wants to go on from it: `resumable.json` beside its moments."""

    format: int
    precision: Precision
    declarations: Declarations
    model: dict[str, Any]
    training: dict[str, Any]


def resumable(preset: Preset) -> Resumable:
    """What a training of MTMD by this preset is made with."""
    return Resumable(
        format=TRAINING_FORMAT,
        precision=choose_precision(preset.training),
        declarations=preset.declarations,
        model=preset.model.model_dump(mode="json"),
        training=preset.training.recipe | preset.extras.recipes(),
    )


def choose(plan: RunPlan, window: Mapping[date, str]) -> ChosenStart | None:
    """The start of the day's training; `window` has the fingerprint of each training day's shard.

    None where the preset retrains every day in full. A start that is damaged, or missing, is logged as a warning.
    """
    if not plan.preset.extra(Settings).on:
        return None
    champion = next(earlier_champions(Registry(plan.workspace.root), plan.as_of), None)
    if champion is None:
        return _full("no model of an earlier day is champion, or could become it again")
    why = _due(plan, champion) or _leak(plan, champion) or _damage(plan, champion)
    if why is None:
        made_with = read_record(_directory(plan, champion) / RESUMABLE, Resumable)
        why = "its record can't be read" if made_with is None else _other(plan, made_with, champion, window)
    if why is not None:
        return _full(f"{champion.model_id} is not gone on from, because {why}")
    return _warm(plan, champion, window)


def _full(why: str) -> ChosenStart:
    return ChosenStart(start=None, words=f"a full retrain: {why}")


def _warm(plan: RunPlan, champion: ModelManifest, window: Mapping[date, str]) -> ChosenStart:
    config, seen = plan.preset.extra(Settings), max(champion.window)
    full_model_id, full_as_of = champion.last_full
    days = min(len(window), max(config.days, sum(day > seen for day in window)))
    start = Start(
        model_id=champion.model_id,
        as_of=champion.as_of,
        training=champion.training or "",
        full_model_id=full_model_id,
        full_as_of=full_as_of,
        days=days,
        epochs=config.epochs,
        rate=config.rate,
    )
    age = (plan.as_of - start.full_as_of).days
    words = (
        f"goes on from {start.model_id} (as_of {start.as_of}) over the newest {days} days; the last full retrain is "
        f"{start.full_model_id}, {age} day{'' if age == 1 else 's'} before"
    )
    made_with = read_record(_directory(plan, champion) / RESUMABLE, Resumable)
    if made_with is not None and (
        new := features_changed(made_with.declarations, plan.preset.declarations)[0]
    ):
        words += f"; features that start anew: {', '.join(new)}"
    return ChosenStart(start=start, words=words)


def _directory(plan: RunPlan, champion: ModelManifest) -> Path:
    return plan.workspace.trained("mtmd", champion.training or "")


def _due(plan: RunPlan, champion: ModelManifest) -> str | None:
    _, full_as_of = champion.last_full
    age, most = (plan.as_of - full_as_of).days, plan.preset.extra(Settings).full_every_days
    old = f"{age} day{'' if age == 1 else 's'} old"
    return f"the last full retrain is {old} (full_every_days {most})" if age >= most else None


def _leak(plan: RunPlan, champion: ModelManifest) -> str | None:
    """A model that saw the held-out day, or a later one, must not be judged on it."""
    newest = max(champion.window, default=None)
    if newest is None:
        return "its manifest names no training days"
    return f"it was trained on {newest}, which is not before {plan.as_of}" if newest >= plan.as_of else None


def _damage(plan: RunPlan, champion: ModelManifest) -> str | None:
    """What its training lacks; a warning, because something is wrong with what is stored."""
    directory, why = _directory(plan, champion), None
    if champion.training is None:
        return "a version registered it that did not record its training"
    complete = is_complete(directory)
    if not directory.is_dir():
        why = f"its training {directory} is missing"
    elif not complete:
        why = f"its training {directory} is damaged: files are not as its manifest says"
    elif not (directory / MOMENTS).is_file():
        return "its training kept no moments: extras.warmstart.on was false then"
    if why is not None:
        _log.warning("a full retrain is made: %s, %s", champion.model_id, why)
    return why


def _other(
    plan: RunPlan, made_with: Resumable, champion: ModelManifest, window: Mapping[date, str]
) -> str | None:
    """How it was made otherwise than the preset says, by more than features that came or went."""
    present, declared = resumable(plan.preset), plan.preset.declarations
    differing: list[Callable[[], str | None]] = [
        lambda: _differs("the format of trainings", made_with.format, present.format),
        lambda: _differs("the precision", made_with.precision, present.precision),
        lambda: _keys("[model]", made_with.model, present.model),
        lambda: _keys("[training]", made_with.training, present.training),
        lambda: _meaning(made_with.declarations, declared),
        lambda: _features(made_with.declarations, declared),
        lambda: _delivered_anew(
            champion, window, same_columns=_same_columns(made_with.declarations, declared)
        ),
    ]
    return next((why for look in differing if (why := look()) is not None), None)


def _differs(what: str, then: object, now: object) -> str | None:
    return None if then == now else f"{what} was {then} and is {now}"


def _keys(section: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    names = sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))
    return f"{section} has changed: {', '.join(names)}" if names else None


def _meaning(then: Declarations, now: Declarations) -> str | None:
    same = (then.domains, then.hash_seed, then.ids) == (now.domains, now.hash_seed, now.ids)
    return None if same else "domains, tasks, the hash seed or types of ids have changed"


def _features(then: Declarations, now: Declarations) -> str | None:
    new, gone = features_changed(then, now)
    changed, most = max(len(new), len(gone)), MOST_CHANGED * len(now.features)
    if changed <= most:
        return None
    return f"{changed} of {len(now.features)} features are new, changed or gone (at most {MOST_CHANGED:.0%} may be)"


def _same_columns(then: Declarations, now: Declarations) -> bool:
    """Whether the same logs would give the same shards."""
    return shard_declarations(then) == shard_declarations(now)


def _delivered_anew(champion: ModelManifest, window: Mapping[date, str], *, same_columns: bool) -> str | None:
    """Days that it learned from, and that are not as they were; of other columns only which days are there is known."""
    oldest = min(window)
    other = sorted(
        day
        for day, shard in champion.window.items()
        if day >= oldest and (window.get(day) != shard if same_columns else day not in window)
    )
    return f"logs of {', '.join(map(str, other[:3]))} are not those it was trained on" if other else None
