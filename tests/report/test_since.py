"""What changed since the last champion, from stored records and metrics."""

from datetime import date
from pathlib import Path

from mtmd.report.stage import since
from tests.inspect.conftest import SECOND, Line, build, line, two_models

__all__ = ["build", "line", "two_models"]

CHAMPION = "20260125-a1"


def _rows(line: Line, run: Path, champion: str = CHAMPION) -> dict[str, tuple[str, str]]:
    table = since(line.workspace, champion, run, line.registry.manifest("20260126-b1"))
    return {str(what): (str(before), str(now)) for what, before, now in table.rows}


def test_days_preset_and_packages_that_differ_are_in_one_table(two_models: Line) -> None:
    two_models.decide(CHAMPION, date(2026, 1, 25), preset={"a": {"epochs": 4}, "same": [1]})
    features = {"features": [{"name": "price", "side": "item", "bins": 8}], "same": [1]}
    run = two_models.decide(
        "20260126-b1", SECOND, preset={"a": {"epochs": 12}, **features}, packages={"torch": "3"}
    )
    rows = _rows(two_models, run)
    assert rows["held-out day"] == ("2026-01-25", "2026-01-26")
    assert rows["training days"][1] == "2026-01-23 to 2026-01-25 (3)"
    assert rows["shared training days with other data or features"] == ("", "0 of 2")
    assert rows["preset.a.epochs"] == ("4", "12")
    assert rows["preset.features.item.price.bins"] == ("not there", "8")
    assert rows["packages.torch"] == ("2.13.0", "3")
    assert "preset.same" not in rows


def test_what_may_explain_a_failed_gate_stands_before_the_rest(two_models: Line) -> None:
    sections = ("ads", "data", "model", "training")
    made = [
        {
            "gates": {"calibration_low": n / 10, "champion_tolerance": n / 9},
            **{one: {"x": n} for one in sections},
        }
        for n in (1, 2)
    ]
    two_models.decide(CHAMPION, date(2026, 1, 25), preset=made[0])
    run = two_models.decide("20260126-b1", SECOND, preset=made[1])
    manifest = two_models.registry.manifest("20260126-b1")
    table = since(two_models.workspace, CHAMPION, run, manifest, ("calibration", "champion"))
    keys = [str(what) for what, *_ in table.rows if str(what).startswith("preset.")]
    assert keys[:4] == [
        "preset.gates.calibration_low",
        "preset.training.x",
        "preset.model.x",
        "preset.data.x",
    ]
    assert set(keys[4:]) == {"preset.gates.champion_tolerance", "preset.ads.x"}


def test_what_is_not_recorded_is_said(two_models: Line) -> None:
    """The champion's run is gone, and so is its model; or its manifest is damaged."""
    run = two_models.decide("20260126-b1", SECOND, preset={"a": 1})
    rows = _rows(two_models, run)
    assert rows["how it was made"] == ("not recorded", "")
    assert _rows(two_models, run, "20200101-gone")["held-out day"] == ("not recorded", "2026-01-26")
    (two_models.registry.path(CHAMPION) / "manifest.json").write_text("{")
    assert _rows(two_models, run)["held-out day"] == ("not recorded", "2026-01-26")
