"""Synthetic held-out days and shards on the tiny preset's domains, without logs or models."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch

from mtmd.config import Declarations, Preset, SideSchema
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.extract.shards import Shard
from mtmd.logs.encoding import EncodedSide

MakeDay = Callable[..., HeldOutDay]
MakeShard = Callable[..., Shard]


@pytest.fixture(scope="session")
def declarations(tiny_preset: Preset) -> Declarations:
    return tiny_preset.declarations


@pytest.fixture(scope="session")
def acting(declarations: Declarations) -> Declarations:
    """The same, but clicks and good clicks are learnt from actions."""
    tasks = [task.model_copy(update={"learn_from": "actions"}) for task in declarations.domains.tasks[:2]]
    domains = declarations.domains.model_copy(update={"tasks": (*tasks, declarations.domains.tasks[2])})
    return declarations.model_copy(update={"domains": domains})


@pytest.fixture(scope="session")
def make_day(declarations: Declarations) -> MakeDay:
    """Random teacher scores in the domains of `only`; a fifth is impressed, actions follow it."""

    def make(rows: int, seed: int = 0, only: tuple[int, ...] = tuple(range(6))) -> HeldOutDay:
        rng = np.random.default_rng(seed)
        domain = rng.choice(only, size=rows).astype(np.int64)
        exists = declarations.domains.task_mask[domain]
        teacher = np.where(exists, rng.uniform(0.01, 0.6, size=(rows, 3)), np.nan).astype(np.float32)
        impressed = rng.uniform(size=rows) < 0.2
        acted = rng.uniform(size=(rows, 3)) < teacher
        return HeldOutDay(
            teacher=teacher,
            labels=np.where(exists & impressed[:, None], acted, -1).astype(np.int8),
            impressed=impressed,
            domain=domain,
            request=np.sort(rng.integers(0, max(rows // 8, 1), size=rows)),
        )

    return make


@pytest.fixture(scope="session")
def make_shard(declarations: Declarations) -> MakeShard:
    """An in-memory day: random features, each request with 3 distinct ads of random products."""

    def make(requests: int = 40, ads: int = 30, seed: int = 0, day: int = 1) -> Shard:
        rng = np.random.default_rng(seed)
        surface = np.sort(rng.integers(0, 3, size=requests))
        product = np.sort(rng.integers(0, 2, size=ads))
        ad_row = np.concatenate([np.sort(rng.choice(ads, 3, replace=False)) for _ in range(requests)])
        request_row = np.repeat(np.arange(requests), 3)
        exists = declarations.domains.task_mask[surface[request_row] * 2 + product[ad_row]]
        teacher = np.where(exists, rng.beta(1.0, 20.0, size=exists.shape).clip(1e-6), np.nan)
        impressed = rng.uniform(size=len(ad_row)) < 0.3
        labels = np.where(exists & impressed[:, None], rng.uniform(size=exists.shape) < 0.3, -1)
        return Shard(
            day=date(2026, 1, day),
            fingerprint="0" * 64,
            path=Path("in-memory"),
            request_id=torch.arange(requests),
            ts=torch.zeros(requests, dtype=torch.int64),
            surface=torch.from_numpy(surface.astype(np.int8)),
            candidate_start=torch.arange(requests, dtype=torch.int32) * 3,
            candidate_count=torch.full((requests,), 3, dtype=torch.int32),
            query=_matrices(declarations.query, requests, rng),
            ad_id=torch.arange(ads),
            product=torch.from_numpy(product.astype(np.int8)),
            item=_matrices(declarations.item, ads, rng),
            request_row=torch.from_numpy(request_row.astype(np.int32)),
            ad_row=torch.from_numpy(ad_row.astype(np.int32)),
            teacher=torch.from_numpy(teacher.astype(np.float32)),
            labels=torch.from_numpy(labels.astype(np.int8)),
            impressed=torch.from_numpy(impressed.astype(np.int8)),
            position=torch.zeros(len(ad_row), dtype=torch.int32),
        )

    return make


def _matrices(schema: SideSchema, rows: int, rng: np.random.Generator) -> EncodedSide:
    buckets = [feature.buckets for feature in schema.categorical]
    categorical = rng.integers(0, [b + 1 for b in buckets], size=(rows, len(buckets)))
    return EncodedSide(
        continuous=rng.normal(size=(rows, len(schema.continuous))).astype(np.float32),
        categorical=categorical.astype(np.int32),
        embedding=rng.normal(size=(rows, schema.vector_width)).astype(np.float32),
    )
