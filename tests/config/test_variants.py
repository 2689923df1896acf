"""Ablation variants: each changes what it says and nothing else, and fits any preset."""

from typing import Any

import pytest

from mtmd.config import Preset, load_preset, variant, variants
from mtmd.config.base import merged
from mtmd.errors import ConfigError

CHANGED = {
    "no_domain_adaptation": {"model.adaptation"},
    "no_dcn": {"model.cross_layers"},
    "no_normalisation": {"model.norm"},
    "downsampling": {"training.sample_fraction", "training.epochs"},
    "downsampling_fewer_steps": {"training.sample_fraction"},
    "ctr_weight_1": {"training.loss_weights"},
    "post_norm": {"model.norm"},
    "emb_64": {"model.emb_deep"},
    "emb_48": {"model.emb_deep"},
    "emb_32": {"model.emb_deep"},
    "unconstrained": {"domains.constrained", "model.emb_deep"},
    "no_routing": {"model.routing"},
    "no_task_shared": {"model.task_shared_expert"},
    "no_domain_shared": {"model.domain_shared_expert"},
    "no_shallow": {"model.shallow_expert"},
    "experts_256_128_64": {"model.expert_widths"},
}


def differences(a: dict[str, Any], b: dict[str, Any]) -> set[str]:
    return {
        f"{section}.{key}"
        for section in a
        if isinstance(a[section], dict)
        for key in a[section] | b[section]
        if a[section].get(key) != b[section].get(key)
    } | {key for key in a if not isinstance(a[key], dict) and a[key] != b[key]}


@pytest.mark.parametrize("preset", ["demo", "scale"])
@pytest.mark.parametrize("name", list(variants("mtmd")))
def test_a_variant_changes_its_factor_alone(preset: str, name: str) -> None:
    full = load_preset(preset)
    changed = variant(name, "mtmd").of(full)
    expected = CHANGED[name] if name != "experts_256_128_64" else set()  # both have it already
    assert differences(full.model_dump(), changed.model_dump()) == expected


def test_half_the_window_is_gone_through_twice_as_often(tiny_preset: Preset) -> None:
    training = variant("downsampling", "mtmd").of(tiny_preset).training
    assert (training.sample_fraction, training.epochs) == (0.5, 2 * tiny_preset.training.epochs)
    training = variant("downsampling_fewer_steps", "mtmd").of(tiny_preset).training
    assert (training.sample_fraction, training.epochs) == (0.5, tiny_preset.training.epochs)


def test_unconstrained_tasks_have_no_parents(tiny_preset: Preset) -> None:
    assert tiny_preset.domains.parents == (None, 0, 0)
    changed = variant("unconstrained", "mtmd").of(tiny_preset)
    assert changed.domains.parents == (None, None, None)
    assert changed.model.deep_widths(changed.domains.task_names) == (64, 64, 64)


ROOTS = [task.model_dump() | {"parent": None} for task in load_preset("tiny").domains.tasks]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("post_norm", {"model": {"norm": "post"}}),
        ("emb_64", {"model": {"emb_deep": 64}}),
        # What less downsampling is worth would pass for what more of it is worth.
        ("downsampling", {"training": {"sample_fraction": 0.25}}),
        ("downsampling_fewer_steps", {"training": {"sample_fraction": 0.25}}),
        # The variant has other widths too: what these are worth would pass for what the task tree is worth.
        ("unconstrained", {"domains": {"tasks": ROOTS}}),
    ],
)
def test_a_variant_that_the_preset_has_already_changes_nothing(
    tiny_preset: Preset, name: str, changes: dict[str, Any]
) -> None:
    assert variant(name, "mtmd").changes(tiny_preset)
    assert not variant(name, "mtmd").changes(Preset.model_validate(merged(tiny_preset.model_dump(), changes)))


def test_an_unknown_variant_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(
        ConfigError, match=r"ablation variant 'no_luck' is not known; architecture 'mtmd' has \['no_domain"
    ):
        variant("no_luck", "mtmd")
