"""The cost model, against numbers computed by hand and against what was measured."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.scale_cost import cost, inputs_of, main
from mtmd.config import load_preset
from mtmd.registry.bundle import BundleInfo, TowerFile
from mtmd.serve.published import AdBlock, tasks_of, write_ads

ROUND = """
[volume]
rows_per_day = 3_600_000
candidates_per_request = 10
ads = 36_000
window_days = 10
epochs = 2
full_every_days = 5
warm_days = 4
warm_epochs = 1
rivals_every_days = 2
keep_days = 30
machines = 2
[log_bytes]
candidate = 10
request = 100
ad = 1000
[shard_bytes]
candidate = 20
request = 200
ad = 2000
[published_bytes]
ad = 3000
[rates]
read = 1000
mtmd = 100
per_slice = 200
pooled = 400
evaluate = 500
publish = 10
[fixed_seconds]
day = 400
export = 3600
[prices]
core_hour = 0.1
gb_month = 0.5
network_gb = 2.0
"""


@pytest.fixture
def round_numbers(tmp_path: Path) -> Path:
    (tmp_path / "mine.toml").write_text(ROUND)
    return tmp_path / "mine.toml"


def test_bytes_hours_and_money_are_those_computed_by_hand(round_numbers: Path) -> None:
    found = cost(inputs_of(round_numbers, {}))
    # 3.6 M candidates, 360 k requests and 36 k ads a day: each is as many bytes as the others
    assert found.log_day == 3 * 36e6
    assert found.shard_day == 3 * 72e6
    assert found.kept == 30 * 324e6
    assert found.window_shards == 11 * 216e6
    assert found.network_day == 324e6 + 2 * 108e6
    assert found.row_numbers == 4 * 360_000 * 10
    assert found.steps == pytest.approx(3_600_000 / 1024)
    first = {name: seconds / 3600 for name, seconds in found.first_seconds.items()}
    assert first == pytest.approx(
        {
            "validation and shards": 11 * (1 + 400 / 3600),
            "training, MTMD": 20 * 10,
            "training, per-slice baselines": 20 * 5,
            "training, pooled two-tower": 20 * 2.5,
            "evaluation": 2,
            "export and ads": 1 + 1,
        }
    )
    mean = {name: seconds / 3600 for name, seconds in found.seconds.items()}
    assert mean["validation and shards"] == pytest.approx(1 + 400 / 3600)
    assert mean["training, MTMD"] == pytest.approx((200 + 4 * 40) / 5)  # one full, four warm
    assert mean["training, per-slice baselines"] == pytest.approx(50)
    assert mean["training, pooled two-tower"] == pytest.approx(25)
    assert found.money["cores"] == pytest.approx(30 * sum(mean.values()) * 0.1)
    assert found.money["storage"] == pytest.approx(9.72 * 0.5)
    assert found.money["network"] == pytest.approx(0.54 * 30 * 2.0)


def test_options_take_the_place_of_a_files_numbers(
    round_numbers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["--inputs", str(round_numbers), "--rows-per-day", "7.2e6", "--days", "5", "--epochs", "1"]) == 0
    )
    printed = capsys.readouterr().out
    assert "7,200,000 rows a day, 5 days, 1 pass(es)" in printed
    assert "| training, MTMD | 100 |" in printed


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ("[volume]\nads = 0", "volume.ads (0)"),
        ("[rates]\nread = 'fast'", "rates.read (fast)"),
        ("[rates]\nspeed = 1", "rates.speed (1)"),
        ("[volume", "must be a readable TOML file"),
    ],
)
def test_a_number_that_cannot_be_names_its_key(
    own: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.toml").write_text(own)
    assert main(["--inputs", str(tmp_path / "mine.toml")]) == 1
    assert words in capsys.readouterr().out.replace("\n", " ")


DEMO = {"rows_per_day": 386_591 / 24, "ads": 2400, "window_days": 24, "epochs": 10}


@pytest.mark.parametrize(
    ("volume", "stages", "measured_s"),
    [  # docs/scale.md has the table
        (DEMO, ("training, MTMD",), 204),
        (DEMO, ("training, per-slice baselines",), 174),
        (DEMO, ("training, pooled two-tower",), 82),
        (DEMO, ("validation and shards",), 11),
        (DEMO, ("training",), 478),
        (DEMO | {"rows_per_day": 641_495 / 40, "window_days": 40}, ("training",), 738),
    ],
)
def test_seconds_are_near_those_that_were_measured(
    volume: dict[str, float], stages: tuple[str, ...], measured_s: float
) -> None:
    found = cost(inputs_of(None, volume)).first_seconds
    model = sum(seconds for stage, seconds in found.items() if stage.startswith(stages))
    assert model == pytest.approx(measured_s, rel=0.05)


@pytest.mark.parametrize(("requests", "rows", "measured_mb"), [(60_000, 960_537, 47), (15_000, 944_156, 32)])
def test_bytes_of_a_shard_are_near_those_that_were_measured(
    requests: int, rows: int, measured_mb: float
) -> None:
    volume = {"rows_per_day": rows, "candidates_per_request": rows / requests, "ads": 2400}
    assert cost(inputs_of(None, volume)).shard_day / 1e6 == pytest.approx(measured_mb, rel=0.05)


def test_bytes_of_a_published_ad_are_those_of_the_demos_widths(tmp_path: Path) -> None:
    """As many ads of each product."""
    preset, ads = load_preset("demo"), 3000
    tasks, model = preset.domains.task_names, preset.model
    deep = dict(zip(tasks, model.deep_widths(tasks), strict=True))
    info = BundleInfo(
        format=1,
        bundle_id="a" * 64,
        weights="0" * 64,
        declarations=preset.declarations,
        widths={task: width + model.shallow_width + 1 for task, width in deep.items()},  # and the bias
        files=tuple(
            TowerFile(side="item", domain=name, file=f"item_{name}.onnx", sha256="0" * 64)
            for name in preset.domains.products
        ),
    )
    blocks = [
        AdBlock(
            product=product,
            ad_id=np.arange(ads),
            tasks={task: np.zeros((ads, info.widths[task]), np.float32) for task in tasks_of(info, product)},
            bid=np.ones(ads, np.float32),
            features=np.zeros((ads, 2), np.int64),
        )
        for product in preset.domains.products
    ]
    write_ads(info, blocks, tmp_path / "ads")
    written = sum(path.stat().st_size for path in (tmp_path / "ads").iterdir())
    assert inputs_of(None, {}).published_bytes["ad"] == pytest.approx(written / (2 * ads), rel=0.01)
