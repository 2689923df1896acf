"""Who takes part in a backtest and on which days; what can't be compared is refused in words."""

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from mtmd.errors import ConfigError, LogsError
from mtmd.extras.backtest.contestants import Contestant, plan_backtest, read_change
from tests.conftest import FIRST_DAY
from tests.flows.runs import AS_OF, NEXT, TINY

LAST = NEXT + timedelta(days=1)  # of the tiny logs


def planned(logs: Path, place: Path, preset: str = TINY, **asked: Any) -> tuple[Contestant, ...]:
    return plan_backtest(preset, logs=str(logs), artifacts=str(place / "artifacts"), **asked)


def test_presets_changes_and_rivals_take_part(tiny_logs: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('base = "tiny"\nname = "other"\n[training]\nseed = 5\n')
    entered = planned(
        tiny_logs,
        tmp_path,
        days=2,
        against=[str(other)],
        changes=[
            "small:model.expert_widths = [8, 4]",
            "small:training.precision=bfloat16",
            "b:training.seed=1",
            "net:model.architecture=plain",
            "net:model.widths=[8]",
        ],
        rivals=["pooled"],
    )
    assert [one.name for one in entered] == ["tiny", "other", "small", "b", "net", "pooled"]
    assert [one.kind for one in entered] == [*["mtmd"] * 4, "plain", "pooled"]
    assert [one.seeds for one in entered] == [(0,), (5,), (0,), (1,), (0,), (0,)]
    small = entered[2].plans[0].preset
    assert (small.model.expert_widths, small.training.precision) == ((8, 4), "bfloat16")
    assert entered[2].words == "preset tiny with model.expert_widths = [8, 4] training.precision=bfloat16"
    assert {plan.as_of for plan in entered[5].plans} == {NEXT, LAST}
    assert entered[0].plans[0].days == tuple(NEXT - timedelta(days=n) for n in range(20, 0, -1))
    seeded = planned(tiny_logs, tmp_path, days=1, changes=["b:training.seed=9"], seeds=[2, 1, 2])
    assert [one.seeds for one in seeded] == [(2, 1), (2, 1)]
    # all but the other preset, which has a line of its own, share their shards
    assert len({one.reading(0) for one in entered}) == 2


@pytest.mark.parametrize(
    ("asked", "days"),
    [
        ({"days": 2}, [NEXT, LAST]),
        ({"days": 1, "last": NEXT}, [NEXT]),
        ({"first": AS_OF, "last": NEXT}, [AS_OF, NEXT]),
        ({"first": NEXT}, [NEXT, LAST]),
    ],
)
def test_days_are_the_newest_or_those_that_were_asked_for(
    tiny_logs: Path, tmp_path: Path, asked: dict[str, Any], days: list[date]
) -> None:
    (entered,) = planned(tiny_logs, tmp_path, **asked)
    assert [plan.as_of for plan in entered.plans] == days


def test_days_that_the_preset_leaves_out_are_not_held_out(tiny_logs: Path, tmp_path: Path) -> None:
    preset = tmp_path / "some.toml"
    preset.write_text(f'base = "tiny"\nname = "some"\n[left_out]\n{NEXT} = "lost"\n')
    for asked in ({"days": 2}, {"first": AS_OF}):
        (entered,) = planned(tiny_logs, tmp_path, str(preset), **asked)
        assert [plan.as_of for plan in entered.plans] == [AS_OF, LAST]
    with pytest.raises(ConfigError, match="leaves out all days from"):
        planned(tiny_logs, tmp_path, str(preset), first=NEXT, last=NEXT)


def test_a_day_that_the_logs_lack_is_named_with_its_table(tiny_logs: Path, tmp_path: Path) -> None:
    logs = shutil.copytree(tiny_logs, tmp_path / "logs")
    shutil.rmtree(logs / "ads" / f"date={AS_OF}")
    with pytest.raises(LogsError, match=rf"lack 1 of the 21 days .*: {AS_OF} \(ads\); days there: "):
        planned(logs, tmp_path, days=2)
    with pytest.raises(LogsError, match=rf"lack 1 of the 21 days .*: {FIRST_DAY - timedelta(days=1)}; "):
        planned(tiny_logs, tmp_path, last=AS_OF - timedelta(days=1), days=1)
    with pytest.raises(LogsError, match="no day of which there are all three tables; deliver one"):
        planned(tmp_path / "nothing", tmp_path)


def preset_with(folder: Path, text: str) -> str:
    path = folder / "other.toml"
    path.write_text(f'base = "tiny"\nname = "other"\n{text}')
    return str(path)


TASKS = """[domains]
tasks = [{ name = "ctr", label = "clicked" }, { name = "gctr", label = "good_clicked" },
  { name = "octr", label = "outbound_clicked", parent = "ctr", products = ["standard"] }]
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TASKS, r"contestant 'other' has other tasks \(.*\) than 'tiny' \(.*'parent': 'ctr'"),
        (
            '[domains]\nsurfaces = ["search", "home_feed", "related_pin"]\n',
            r"other surfaces \(\('search'.* than 'tiny'",
        ),
        ('[ids]\nad = "VARCHAR"\n', r"other ids of requests and ads \(.*VARCHAR.*BIGINT"),
    ],
)
def test_a_preset_of_other_rows_or_tasks_is_refused(
    tiny_logs: Path, tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        planned(tiny_logs, tmp_path, days=1, against=[preset_with(tmp_path, text)])


def test_a_preset_of_other_logs_is_refused_unless_logs_are_given(tiny_logs: Path, tmp_path: Path) -> None:
    other = preset_with(tmp_path, 'logs = "logs/mine"\n')
    with pytest.raises(ConfigError, match=r"other logs \(logs/mine\) than 'tiny' \(logs/tiny\)"):
        plan_backtest(TINY, against=[other], artifacts=str(tmp_path))
    assert len(planned(tiny_logs, tmp_path, days=1, against=[other])) == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"changes": ["a:model.cross_layer=0"]},
            r"(?s)'a': preset .*model.cross_layer: no such key; write cross_",
        ),
        ({"changes": ["a:training.epochs=many"]}, r"training.epochs \('many'\) must be a valid integer"),
        ({"changes": ["a:model=3"]}, r"model \(3\) must be a valid dict"),
        ({"changes": ["a:name=b"]}, "changes the preset's name"),
        ({"changes": ["a:training.epochs=4"]}, "'tiny' and 'a' train the same model"),
        ({"changes": ["a:evaluation.kept=5"]}, "'tiny' and 'a' train the same model"),
        ({"changes": ["tiny:training.epochs=1"]}, "two contestants are named 'tiny'"),
        ({"rivals": ["poled"]}, "preset 'tiny' has no rival 'poled'; write pooled"),
        ({"rivals": ["x"]}, r"no rival 'x'; use one of \['per_slice', 'pooled'\]"),
        ({"against": ["nothing"]}, "preset 'nothing' not found"),
        ({"days": 2, "first": AS_OF}, f"--first {AS_OF} and --days 2 both say"),
        ({"first": NEXT, "last": AS_OF}, r"last \(2026-01-21\) must not be before first \(2026-01-22\)"),
        ({"window_days": 5}, r"window_days \(5\) must be between 20"),
    ],
)
def test_what_is_wrong_is_named(tiny_logs: Path, tmp_path: Path, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        planned(tiny_logs, tmp_path, **{"days": 1, "last": None} | asked if "first" not in asked else asked)


@pytest.mark.parametrize("text", ["", "a", "a:b", "a=b", ":b=1", "a:=1", "a:b..c=1"])
def test_a_change_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"must be name:key=value, such as small:model\.expert_widths"):
        read_change(text)


@pytest.mark.parametrize(
    ("value", "read"), [("1e-3", 0.001), ("[8, 4]", [8, 4]), ("plain", "plain"), ('"1"', "1")]
)
def test_a_value_is_toml_or_a_text(value: str, read: object) -> None:
    assert read_change(f"a:b.c={value}") == ("a", {"b": {"c": read}})
