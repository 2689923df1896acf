"""Ablation variants: a preset with one factor changed (paper §3.4)."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

from mtmd.config.base import Frozen, merged
from mtmd.config.preset import Preset
from mtmd.errors import ConfigError

_FILE = Path(__file__).with_name("variants.toml")


class Variant(Frozen):
    """One factor, and the change of the configuration that takes it away."""

    name: str
    factor: str = Field(description="what the difference to the candidate is the contribution of")
    added: bool = Field(False, description="the variant has the factor and the candidate lacks it")
    daily: bool = Field(False, description="a row of the paper's Table 6")
    fewer_steps: bool = Field(
        False,
        description="with a share of the window's requests, keep the number of epochs, and so have fewer steps",
    )
    patch: dict[str, Any] = Field(description="sections and keys of a preset, with other values")

    def of(self, preset: Preset) -> Preset:
        """The preset with this variant's values; everything else is the same, the number of steps included.

        A window of which only a share is trained on is gone through more often, unless the variant has fewer steps.
        """
        changed = Preset.model_validate(merged(preset.model_dump(), self.patch))
        if self.fewer_steps:
            return changed
        training = changed.training
        epochs = max(1, round(training.epochs * preset.training.sample_fraction / training.sample_fraction))
        return changed.model_copy(update={"training": training.model_copy(update={"epochs": epochs})})

    def changes(self, preset: Preset) -> bool:
        """Whether the preset lacks this variant's values: one that has them already has nothing to compare.

        A preset that trains on a smaller share has downsampling already: the variant would have less of it, not more.
        A preset whose tasks have no parents is unconstrained already, whatever its other sizes.
        """
        changed = self.of(preset)
        if changed.training.sample_fraction > preset.training.sample_fraction:
            return False
        if "domains" in self.patch and changed.domains.parents == preset.domains.parents:
            return False
        return _effective(changed) != _effective(preset)


@cache
def variants() -> dict[str, Variant]:
    """Every variant by its name, in the order of the tables."""
    declared = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {name: Variant(name=name, **values) for name, values in declared.items()}


def variant(name: str) -> Variant:
    """A variant by its name; raises ConfigError that lists the names there are."""
    try:
        return variants()[name]
    except KeyError:
        raise ConfigError(f"ablation variant {name!r} is not known; use one of {list(variants())}") from None


def _effective(preset: Preset) -> Preset:
    """One width for all tasks, and the same width for each of them, are one model; so are loss weights of one ratio,
    and routing of a single expert or none.
    """
    tasks = preset.domains.task_names
    widths = dict(zip(tasks, preset.model.deep_widths(tasks), strict=True))
    weights = preset.training.task_weights(tasks)
    shares = {task: weight / sum(weights) for task, weight in zip(tasks, weights, strict=True)}
    routing = preset.model.routing and len(preset.model.routed) > 1
    model = preset.model.model_copy(update={"emb_deep": widths, "routing": routing})
    training = preset.training.model_copy(update={"loss_weights": shares})
    return preset.model_copy(update={"model": model, "training": training})
