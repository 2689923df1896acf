"""All that is wrong with a preset is said at once, by name and file."""

from pathlib import Path

import pytest

from mtmd.config.preset_files import PRESETS
from mtmd.project.check import check_preset
from tests.project.conftest import said as in_a_line

TINY = (PRESETS / "tiny.toml").read_text()


def lines(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "preset.toml"
    path.write_text(text)
    return [in_a_line(finding).removeprefix("preset.toml: ") for finding in check_preset(str(path))[1]]


def changed(*changes: tuple[str, str]) -> str:
    """The tiny preset with pieces of its text replaced."""
    text = TINY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("window_days = 20", "window_days = 90",
         "window_days (90) must be less than or equal to 60"),
        ("window_days = 20", "window_days = 9",
         "window_days (9) must be at least min_window_days (20); lengthen the window, or lower min_window_days"),
        ("window_days = 20", "window_days = 30\nmin_window_days = 40",
         "window_days (30) must be at least min_window_days (40); lengthen the window"),
        ("window_days = 20", "days_of_window = 20",
         "days_of_window: no such key → correct its name, or remove it"),
        ('logs = "logs/tiny"\n', "", "logs: missing → add it: where the three log tables are"),
        ("learning_rate = 0.01", "learning_rate = 0.0", "training.learning_rate (0.0) must be greater than 0"),
        ('precision = "float32"', 'precision = "float16"',
         "training.precision ('float16') must be 'auto', 'float32' or 'bfloat16'"),
        ("emb_deep = { ctr = 8, gctr = 4, octr = 4 }", "emb_deep = { ctr = 8, gctr = 4 }",
         "model.emb_deep has ['ctr', 'gctr']; it must have exactly the tasks ['ctr', 'gctr', 'octr']"),
        ("loss_weights = { ctr = 2.0, gctr = 1.0, octr = 1.0 }", "loss_weights = { ctr = 0.0, gctr = 0.0, octr = 0.0 }",
         "training: loss weights {'ctr': 0.0, 'gctr': 0.0, 'octr': 0.0} must not all be 0: nothing would be learnt"),
        ('parent = "ctr" }', 'parent = "clk" }', "domains: task 'gctr' has parent 'clk', which must be a"),
        ('label = "clicked" }', 'lable = "clicked" }', "task 'ctr', lable: no such key → write label, if"),
        ('label = "clicked" }', 'label = "position" }', "task 'ctr' has label 'position'; it must be one of"),
        ("buckets = 8192\n", "", "feature 'category', buckets: missing → add it: hash buckets"),
        ('name = "category"\n', "", "feature no. 33, name: missing → add it"),
        ('domains = ["search"]', 'domains = ["serch"]', "feature 'query_term' names domains ['serch']; declared: ["),
        ('type = "BIGINT"\nbuckets = 2000\n', "buckets = 2000\n",
         "feature 'user_id' has type VARCHAR, and the contract's requests.user_id is BIGINT; set its type to BIGINT"),
        ("buckets = 8192\n", 'buckets = 8192\nmax_length = 3\n', "feature 'category', max_length: no such key → "),
        ("buckets = 8192\n", 'buckets = 8192\ntable = "catgeory"\n',
         "feature 'category' has table 'catgeory', which names 0 features that have a table of their own"),
        ('name = "category"\nside = "item"\nkind = "categorical"\n',
         'name = "category"\nside = "item"\nkind = "multivalued"\nmax_length = 3\nweights = "price"\n',
         "feature 'category' reads 'price' too, which is a feature itself; give it its own column"),
        ("[evaluation]", '[ids]\nrequests = "VARCHAR"\n[evaluation]',
         "ids.requests: no such key → write request, if that is meant"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(tmp_path: Path, old: str, new: str, line: str) -> None:
    found = lines(tmp_path, changed((old, new)))
    assert any(said.startswith(line) for said in found)
    assert len(found) == 1 + any("lable" in said for said in found)  # the key that was meant is missing


def test_all_mistakes_of_sections_are_found_together(tmp_path: Path) -> None:
    (tmp_path / "below.toml").write_text(
        changed(("epochs = 4", "epochs = 0"), ("buckets = 5\n", "bucket = 5\n"))
    )
    (tmp_path / "preset.toml").write_text('base = "below.toml"\nname = "mine"\n[training]\nseed = -1\n')
    found = check_preset(str(tmp_path / "preset.toml"))[1]
    assert [in_a_line(finding).split(" → ")[0] for finding in found] == [
        "below.toml: training.epochs (0) must be greater than or equal to 1",
        "preset.toml: training.seed (-1) must be greater than or equal to 0",
        "below.toml: evaluation.bucket: no such key",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('base = "tiny"\nname = "mine"\n[domains]\ntasks = 3\n', "domains.tasks (3) must be a valid tuple"),
        ('base = "tiny"\nname = "mine"\n[model]\nemb_deep = []\n',
         "model.emb_deep ([]) must be a valid dictionary, or a valid integer"),
        ("name = \n", "preset "),
        ('base = "tinyy"\nname = "mine"\n', "preset "),
        ('base = "tiny"\n', "preset "),
        ('name = "mine"\nlogs = "logs"\nfeatures = [1]\n', "domains: missing → add it"),
    ],
)  # fmt: skip
def test_files_of_any_content_are_read(tmp_path: Path, text: str, line: str) -> None:
    assert lines(tmp_path, text)[0].startswith(line)
