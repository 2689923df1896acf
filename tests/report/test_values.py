"""Values of two windows, where the whole run of tests/report/test_stage.py has no such features."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mtmd.config import Declarations
from mtmd.extract.shards import Days, ShardRef
from mtmd.report import values
from mtmd.report.values import ValueChange, value_changes
from tests.inspect.conftest import Line, build, line, two_models

__all__ = ["build", "line", "two_models"]


def test_of_a_name_that_both_sides_have_each_feature_is_counted(
    two_models: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, declared = two_models.workspace, two_models.preset.declarations
    own = next(
        one for one in declared.features if one.shallow and one.side == "query" and one.domains is None
    )
    both = (own, own.model_copy(update={"side": "item"}))
    declarations = Declarations(domains=declared.domains, features=both)
    model = "20260125-a1"
    window = two_models.registry.manifest(model).window
    for day, fingerprint in window.items():
        (workspace.shards / f"date={day}" / fingerprint[:16]).mkdir(parents=True)

    def shard(place: Path) -> SimpleNamespace:
        now = place.name == "now"
        requests, ads = ([1, 2, 3] if now else [1, 4]), [7, 8]
        sides = (np.array([requests]).T, np.array([ads]).T)
        query, item = (SimpleNamespace(categorical=side) for side in sides)
        return SimpleNamespace(query=query, item=item)

    monkeypatch.setattr(values, "load_bundle", lambda _: SimpleNamespace(declarations=declarations))
    monkeypatch.setattr(values, "open_shard", shard)
    ref = ShardRef(
        day=date(2026, 1, 26),
        fingerprint="f",
        path="now",
        sources="s",
        requests=3,
        ads=2,
        candidates=3,
        reused=False,
    )
    found, why = value_changes(workspace, Days(window=(ref,), held_out=ref), declarations, model)
    assert why == ""
    assert found == (
        ValueChange(f"query.{own.name}", 2, 1, 1),
        ValueChange(f"item.{own.name}", 0, 0, 2),
    )
