"""All that is wrong with a preset is said at once, by name, and the rest of a check can go on."""

from pathlib import Path

import pytest

from mtmd.config.preset_files import PRESETS
from mtmd.errors import ConfigError
from mtmd.project.preset_check import PresetCheck, check_preset
from tests.project.conftest import said

TINY = (PRESETS / "tiny.toml").read_text()


def checked(tmp_path: Path, text: str) -> PresetCheck:
    path = tmp_path / "preset.toml"
    path.write_text(text)
    return check_preset(str(path))


def changed(*changes: tuple[str, str]) -> str:
    """The tiny preset with pieces of its text replaced."""
    text = TINY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def lines(found: PresetCheck) -> list[str]:
    return [said(finding).removeprefix("preset.toml: ") for finding in found.findings]


def test_nothing_is_wrong_with_a_shipped_preset() -> None:
    found = check_preset("demo")
    assert found.findings == ()
    assert found.preset is not None
    assert {"price", "ctr", "clicked"} <= found.names


def test_a_preset_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"preset 'dmeo' not found"):
        check_preset("dmeo")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("window_days = 20", "window_days = 90",
         "window_days (90) must be less than or equal to 60 → write another window_days: training days before as_of"),
        ("window_days = 20", "window_days = 9",
         "window_days (9) must be at least min_window_days (20) → lengthen the window, or lower min_window_days"),
        ("window_days = 20", "window_days = 30\nmin_window_days = 40",
         "window_days (30) must be at least min_window_days (40) → lengthen the window"),
        ("window_days = 20", "days_of_window = 20",
         "days_of_window: no such key → remove it, or write one of name, logs, sql"),
        ('name = "tiny"', 'name = "Tiny Preset"', "name ('Tiny Preset') must match pattern"),
        ('logs = "logs/tiny"\n', "", "logs: missing → add logs: where the three log tables are"),
        ("learning_rate = 0.01", "learning_rate = 0.0", "training.learning_rate (0.0) must be greater than 0"),
        ("epochs = 4", 'epochs = "four"', "training.epochs ('four') must be a valid integer"),
        ('precision = "float32"', 'precision = "float16"',
         "training.precision ('float16') must be 'auto', 'float32' or 'bfloat16'"),
        ("emb_deep = { ctr = 8, gctr = 4, octr = 4 }", "emb_deep = { ctr = 8, gctr = 4 }",
         "model.emb_deep has ['ctr', 'gctr'] → it must have exactly the tasks ['ctr', 'gctr', 'octr']"),
        ("emb_deep = { ctr = 8, gctr = 4, octr = 4 }", "emb_deep = 0.5",
         "model.emb_deep (0.5) must be a valid dictionary, or a valid integer"),
        ("loss_weights = { ctr = 2.0, gctr = 1.0, octr = 1.0 }", "loss_weights = { ctr = 0.0, gctr = 0.0, octr = 0.0 }",
         "loss weights {'ctr': 0.0, 'gctr': 0.0, 'octr': 0.0} must not all be 0: nothing would be learnt"),
        ('parent = "ctr" }', 'parent = "clk" }', "task 'gctr' has parent 'clk', which must be a task declared"),
        ('products = ["standard", "shopping"]', 'products = ["standard", "standard", "shopping"]',
         "product names ['standard', 'standard', 'shopping'] must be distinct"),
        ('label = "clicked" }', 'lable = "clicked" }', "task 'ctr', lable: no such key → write label, if"),
        ('label = "clicked" }', 'label = "position" }', "task 'ctr' has label 'position' → it must be one of"),
        ("buckets = 8192", "buckets = 0", "feature 'category', buckets (0) must be greater than or equal to 1"),
        ("buckets = 8192\n", "", "feature 'category' is categorical: `buckets` goes with categorical, and only there"),
        ('name = "category"\n', "", "feature no. 33, name: missing → add name"),
        ('domains = ["search"]', 'domains = ["serch"]', "feature 'query_term' names domains ['serch'] → declared: ["),
        ('name = "device"', 'name = "country"', "features [('query', 'country')] are declared more than once"),
        ('type = "BIGINT"\nbuckets = 2000\n', "buckets = 2000\n",
         "feature 'user_id' has type VARCHAR, and the contract's requests.user_id is BIGINT → set its type to BIGINT"),
        ("buckets = 8192\n", 'buckets = 8192\nmulti = true\n',
         "feature 'category' is categorical: `max_length` goes with multi, which needs it"),
        ("buckets = 8192\n", 'buckets = 8192\ntable = "catgeory"\n',
         "feature 'category' has table 'catgeory', which names 0 features that have a table of their own"),
        ("buckets = 8192\n", 'buckets = 8192\nmulti = true\nmax_length = 3\nweights = "price"\n',
         "feature 'category' has weights 'price', which is a feature itself → give the weights a column of their own"),
        ("[evaluation]", '[ids]\nuser = "UUID"\n[evaluation]',
         "feature 'user_id' has type BIGINT, and the contract's requests.user_id is UUID → set its type to UUID"),
        ("[evaluation]", '[ids]\nad = "TEXT"\n[evaluation]', "ids.ad ('TEXT') must be 'BIGINT', 'VARCHAR' or 'UUID'"),
        ("[evaluation]", '[ids]\nrequests = "UUID"\n[evaluation]',
         "ids.requests: no such key → write request, if that is meant"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_the_preset_can_be_gone_on_with(
    tmp_path: Path, old: str, new: str, line: str
) -> None:
    found = checked(tmp_path, changed((old, new)))
    assert len(found.findings) == 1
    assert lines(found)[0].startswith(line)
    assert found.preset is not None


def test_a_task_with_the_name_of_a_column_is_found_beside_what_is_said_of_the_old_name(
    tmp_path: Path,
) -> None:
    found = checked(tmp_path, changed(('name = "octr", label', 'name = "hidden", label')))
    assert lines(found) == [
        "model.emb_deep has ['ctr', 'gctr', 'octr'] → it must have exactly the tasks ['ctr', 'gctr', 'hidden']",
        "training.loss_weights has ['ctr', 'gctr', 'octr'] → it must have exactly the tasks ['ctr', 'gctr', 'hidden']",
        "tasks ['hidden'] have names that logs or their checks have already → rename the tasks",
    ]
    assert found.preset is not None


def test_a_parent_that_has_to_be_left_out_leaves_its_child_a_root(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        changed(
            ('name = "gctr", label', 'name = "hidden", label'),
            ('parent = "ctr", products', 'parent = "hidden", products'),
        ),
    )
    assert (
        lines(found)[-1]
        == "tasks ['hidden'] have names that logs or their checks have already → rename the tasks"
    )
    assert found.preset is not None
    assert found.preset.domains.parents == (None, None)


def test_a_side_without_a_shallow_feature_is_found(tmp_path: Path) -> None:
    found = checked(tmp_path, TINY.replace("shallow = true\n", ""))
    assert lines(found) == [
        f"the {side} side has no shallow feature → mark one categorical with shallow = true"
        for side in ("query", "item")
    ]
    assert found.preset is not None


def test_what_is_wrong_across_sections_is_found_beside_what_is_wrong_in_one(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        changed(
            ("buckets = 5\n", "bucket = 5\n"),
            ('parent = "ctr" }', 'parent = "clk" }'),
            ("gctr = 4, octr = 4 }", "gctr = 0 }"),
            ('name = "device"', 'name = "country"'),
        ),
    )
    assert [line.split(" → ")[0] for line in lines(found)] == [
        "task 'gctr' has parent 'clk', which must be a task declared before it",
        "model.emb_deep.gctr (0) must be greater than or equal to 1",
        "evaluation.bucket: no such key",
        "model.emb_deep has ['ctr', 'gctr']",
        "features [('query', 'country')] are declared more than once",
    ]
    assert found.preset is not None
    assert found.preset.evaluation.buckets == 5


def test_names_of_what_was_left_out_are_remembered(tmp_path: Path) -> None:
    found = checked(tmp_path, changed(("buckets = 8192\n", "")))
    assert found.preset is not None
    assert "category" not in {feature.name for feature in found.preset.features}
    assert "category" in found.names


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[domains]\ntasks = 3\n", "domains.tasks (3) must be a valid tuple"),
        ("[domains]\ntasks = [{ name = [], label = 3 }]\n", "task no. 1, name ([]) must be a valid string"),
        ("[model]\nemb_deep = []\n", "model.emb_deep ([]) must be a valid dictionary, or a valid integer"),
    ],
)
def test_values_of_any_type_are_taken(tmp_path: Path, text: str, line: str) -> None:
    assert lines(checked(tmp_path, f'base = "tiny"\nname = "mine"\n{text}'))[0].startswith(line)


def test_a_mistake_of_the_base_is_said_of_the_bases_file(tmp_path: Path) -> None:
    (tmp_path / "below.toml").write_text(changed(("epochs = 4", "epochs = 0")))
    found = checked(tmp_path, 'base = "below.toml"\nname = "mine"\n[training]\npatience = 0\n')
    assert [said(finding).split(" → ")[0] for finding in found.findings] == [
        "below.toml: training.epochs (0) must be greater than or equal to 1",
        "preset.toml: training.patience (0) must be greater than or equal to 1",
    ]


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ('base = "tinyy"\nname = "mine"\n', "has base 'tinyy': preset 'tinyy' not found"),
        (
            'base = "tiny"\n',
            "has base 'tiny' and no name of its own → give it one, or its models would be tiny's",
        ),
    ],
)
def test_beside_a_wrong_base_the_rest_is_checked(tmp_path: Path, head: str, line: str) -> None:
    found = checked(tmp_path, f"{head}[training]\nepoch = 3\n")
    assert lines(found)[0].startswith(line)
    assert lines(found)[1:] == ["training.epoch: no such key → write epochs, if that is meant"]
    assert found.preset is not None


def test_the_base_that_is_meant_is_proposed(tmp_path: Path) -> None:
    assert lines(checked(tmp_path, 'base = "tinyy"\nname = "mine"\n'))[0].endswith(
        " → write base = 'tiny', if that is meant"
    )


@pytest.mark.parametrize(
    "text", ["name = \n", 'base = "xyz"\nname = "mine"\n', 'base = "none.toml"\nname = "a"\n']
)
def test_where_nothing_can_be_read_the_check_ends_with_one_finding(tmp_path: Path, text: str) -> None:
    found = checked(tmp_path, text)
    assert (len(found.findings), found.preset) == (1, None)


def test_sections_that_are_missing_are_named_and_end_the_check(tmp_path: Path) -> None:
    found = checked(tmp_path, 'name = "mine"\nlogs = "logs"\nfeatures = [1]\n')
    assert [line.split(" → ")[0] for line in lines(found)] == [
        "domains: missing",
        "feature no. 1 (1) must be a valid dictionary or instance of Feature",
        "model: missing",
        "training: missing",
    ]
    assert found.preset is None


def test_a_wrong_label_says_nothing_of_a_small_window(tmp_path: Path) -> None:
    """The repair keeps `min_window_days`: without it, the window would be too short and hide the label's problem."""
    found = checked(
        tmp_path,
        changed(
            ('label = "clicked"', 'label = "position"'),
            ("window_days = 20", "window_days = 11\nmin_window_days = 11"),
        ),
    )
    assert found.preset is not None
    assert (found.preset.window_days, found.preset.min_window_days) == (11, 11)
    assert [line for line in lines(found) if "window_days" in line] == []
