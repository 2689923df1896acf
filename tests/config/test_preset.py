"""Presets: those that ship load, and a wrong one says what is wrong."""

from pathlib import Path

import pytest

from mtmd.config import Preset, load_preset, preset_names
from mtmd.config.preset_files import PRESETS
from mtmd.config.sources import Files
from mtmd.errors import ConfigError
from tests.train.windows import with_rival

TINY = PRESETS / "tiny.toml"


def changed(tmp_path: Path, old: str, new: str) -> str:
    """The tiny preset with one piece of text replaced; its path."""
    text = TINY.read_text()
    assert old in text
    path = tmp_path / "changed.toml"
    path.write_text(text.replace(old, new, 1))
    return str(path)


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_preset_loads_under_its_own_name(name: str) -> None:
    preset = load_preset(name)
    assert preset.name == name
    assert preset.min_window_days <= preset.window_days <= 60
    assert preset.declarations.features == preset.features


def test_values_that_have_no_json_are_refused_together(tmp_path: Path) -> None:
    """Outputs are named by them: a run would have ended after its training."""
    path = tmp_path / "endless.toml"
    text = (
        'base = "tiny"\nname = "endless"\n[gates]\nchampion_tolerance = inf\n[monitor]\nlogmae_rise = inf\n'
    )
    path.write_text(text)
    with pytest.raises(
        ConfigError,
        match=r"gates\.champion_tolerance \(inf\) must be a finite number\n +monitor\.logmae_rise \(inf\) must be a",
    ):
        load_preset(str(path))


@pytest.mark.parametrize("content", [b"name = ", b"name = '\xff'", b"name = " + b"[" * 100_000])
def test_a_file_that_is_not_toml_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.toml is not valid TOML"):
        load_preset(str(path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("window_days = 20", "window_days = 90", r"window_days \(90\) must be less than or equal to 60"),
        ("window_days = 20", "window_days = 19", r"window_days \(19\) must be at least min_window_days \(20\)"),
        ('label = "clicked" }', 'label = "clicked", learn_from = "actions", maturity = 21 }',
         r"maturity of \['ctr'\] must be at most window_days \(20\)"),
        ('name = "tiny"', 'name = "Tiny Preset"', r"name \('Tiny Preset'\) must match pattern"),
        ("emb_deep = { ctr = 8, gctr = 4, octr = 4 }", "emb_deep = { ctr = 8, gctr = 4 }",
         r"model\.emb_deep has \['ctr', 'gctr'\]; it must have exactly the tasks \['ctr', 'gctr', 'octr'\]"),
        ('name = "tiny"\n', "", r"\n  name: missing; add it: names the line"),
        ("buckets = 8192", "buckets = 8192\nlog1p = true",
         r"feature 'category', log1p: a table of this kind has no such key; remove it"),
        ('kind = "continuous"', 'kind = "number"', r"feature '\w+', kind \('number'\) must be one of 'continuous'"),
        ('name = "category"\n', "", r"feature no\. 33, name: missing; add it"),
        ('label = "clicked" }', 'lable = "clicked" }', r"task 'ctr', lable: no such key; write label, if"),
        ('parent = "ctr" }', 'parent = "clk" }', r"domains: task 'gctr' has parent 'clk', which must be a"),
        ("window_days = 20", "days_of_window = 20", r"days_of_window: no such key; correct its name, or remove it"),
        ("window_days = 20", "surfaces = ['a']", r"surfaces: no such key; move it to \[domains\]"),
        ("emb_deep = { ctr = 8, gctr = 4, octr = 4 }", "emb_deep = []",
         r"model\.emb_deep \(\[\]\) must be a valid dictionary, or a valid integer"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_an_error_that_names_the_key(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=rf"(?s)changed\.toml is wrong:.*{message}"):
        load_preset(changed(tmp_path, old, new))


def derived(tmp_path: Path, *lines: str, base: str = str(TINY), name: str = "derived") -> str:
    """A preset on a base, in a folder of its own; its path."""
    path = tmp_path / f"{name}.toml"
    path.write_text("\n".join((f'base = "{base}"', f'name = "{name}"', *lines)))
    return str(path)


def race(names: str) -> tuple[str, ...]:
    return "[promotion]", f"contestants = [{names}]"


def test_a_preset_is_its_base_with_what_it_says_laid_over(tmp_path: Path, tiny_preset: Preset) -> None:
    """Tables key by key, down to the last; a section that the base lacks is added."""
    path = derived(tmp_path, "[training]", "epochs = 7", "[rivals.pooled]", "embedding = 3", "[monitor]")
    preset = load_preset(path)
    training = tiny_preset.training.model_copy(update={"epochs": 7})
    changed = with_rival(tiny_preset, "pooled", embedding=3)
    assert preset == changed.model_copy(update={"name": "derived", "training": training})


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("[model]", 'architecture = "mtm"'), r"model: architecture \('mtm'\) must be one of \['mtmd', 'plain', "),
        (("[model]", 'architecture = "per_slice"'), r"model\.architecture \('per_slice'\) can only be a rival's, .*'p"),
        (("[model]", 'architecture = "plain"', "widhts = [8]"), r"model\.widhts: no such key; write widths, if"),
        (("[model]", "expert_width = [8]"), r"model\.expert_width: no such key; write expert_widths"),
        (("[rivals.wide]", "widths = [8]"), r"rivals\.wide: architecture \('wide'\) must be one of \['mtmd', "),
        (("[rivals.pooled]", "embeding = 8"), r"rivals\.pooled\.embeding: no such key; write embedding"),
        (("[rivals.two]", 'architecture = "mtmd"'), r"rivals\.two\.emb_deep: missing; add it: width of emb_deep"),
        (("[rivals.two]", 'architecture = "mtmd"', "emb_deep = { ctr = 8 }"), r"rivals\.two\.emb_deep has \['ctr'\]"),
        (("[rivals.mtmd]", "emb_deep = 8"), r"rivals\.mtmd has the name of the candidate's architecture, or"),
        (("[rivals.constant]", 'architecture = "plain"'), r"rivals\.constant has the name of the candidate's archit"),
        (("[rivals.'a/b']", 'architecture = "plain"'), r"rivals\.a/b.* must match pattern"),
        (("[training]", 'learn_from = "actions"', "forecast_step = 0.5"), r"step \(0\.5\) moves scores, .*; set it"),
        (race("'two'"), r"contestants has 'two', which is no rival of the preset; use some of .*, or add \[r"),
        (race("'mtmd'"), r"contestants has 'mtmd', which is the preset's own model and always takes part; take it"),
        (race("'per_slice'"), r"'per_slice', whose architecture \('per_slice'\) has no towers to serve; take it out"),
        (race("'pooled', 'pooled'"), r"contestants has 'pooled', twice; take one out"),
        ((*race("'pooled'"), "[rivals.pooled]", "every_days = 7"), r"set rivals\.pooled\.every_days \(7\) to 1, or"),
    ],
)  # fmt: skip
def test_a_network_or_a_setting_that_there_is_not_is_an_error(
    tmp_path: Path, lines: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_preset(derived(tmp_path, *lines))


def test_the_model_of_each_part_is_no_setting_of_tasks(tmp_path: Path) -> None:
    each = ("[model.each]", 'architecture = "plain"', "widths = [8]")
    base = derived(tmp_path, "[model]", 'architecture = "split"', *each)
    tasks = 'domains.tasks = [{ name = "ctr", label = "clicked" }]'
    assert load_preset(derived(tmp_path, tasks, base=base, name="narrow")).model.each.widths == (8,)  # type: ignore[attr-defined]


def test_another_architecture_takes_the_place_of_the_bases_with_all_its_settings(tmp_path: Path) -> None:
    """But for what all have; rivals take the rows of a norm from the candidate, unless they say otherwise."""
    lines = (
        "[model]",
        'architecture = "plain"',
        "widths = [8]",
        "[rivals.mine]",
        'architecture = "mtmd"',
        "emb_deep = 4",
    )
    preset = load_preset(derived(tmp_path, *lines, "[rivals.pooled]", "norm_min_rows = 7"))
    assert (preset.candidate, preset.model.widths, preset.model.norm_min_rows) == ("plain", (8,), 4)
    found = {name: rival.model.norm_min_rows for name, rival in preset.rivals.items()}
    assert found == {"per_slice": 4, "pooled": 7, "mine": 4}
    assert preset.model_of("mine").emb_deep == 4
    assert Preset.model_validate_json(preset.model_dump_json()) == preset
    derived_again = derived(
        tmp_path, "[rivals.mine]", 'architecture = "plain"', base=derived(tmp_path, *lines), name="b"
    )
    assert load_preset(derived_again).model_of("mine").architecture == "plain"


def test_a_rival_trains_as_the_preset_says_but_at_rates_of_its_own(tmp_path: Path) -> None:
    lines = ("[training]", "learning_rate = 0.5", "weight_decay = 0.25", "epochs = 7", "[rivals]")
    lines += (
        "per_slice = { learning_rate = 0.125 }",
        "pooled = { learning_rate = 0.0625, weight_decay = 0.0 }",
    )
    preset = load_preset(derived(tmp_path, *lines))
    found = {kind: preset.training_of(kind) for kind in ("mtmd", "per_slice", "pooled")}
    assert found["mtmd"] == preset.training
    given = {kind: (one.learning_rate, one.weight_decay) for kind, one in found.items()}
    assert given == {"mtmd": (0.5, 0.25), "per_slice": (0.125, 0.25), "pooled": (0.0625, 0.0)}
    assert {one.epochs for one in found.values()} == {7}


def test_a_source_takes_the_place_of_the_bases(tmp_path: Path) -> None:
    """The keys of files mean nothing to another kind, and the derived preset could not take them away."""
    files = 'files = "logs/{day}.parquet"'
    derived(tmp_path, "[sources.requests]", files, "[sources.ads]", files, name="files")
    sources = load_preset(derived(tmp_path, "[sources.ads]", 'kind = "files"', base="files.toml")).sources
    assert (sources.requests.files, sources.ads) == ("logs/{day}.parquet", Files())


def test_what_tasks_learn_from_is_said_for_all_and_a_task_may_differ(tmp_path: Path) -> None:
    tasks = '[domains]\ntasks = [{ name = "ctr", label = "clicked" }, { name = "gctr", label = "g", learn_from = "scores" }]'  # noqa: E501
    preset = load_preset(derived(tmp_path, tasks, "[training]", 'learn_from = "actions"'))
    assert (preset.domains.action_tasks, preset.domains.score_tasks) == ({"ctr": 0}, ("gctr",))
    assert Preset.model_validate_json(preset.model_dump_json()) == preset


def test_a_base_is_a_shipped_preset_or_a_path_from_the_files_folder_and_may_have_a_base(
    tmp_path: Path,
) -> None:
    derived(tmp_path, "window_days = 21", base="demo", name="first")
    second = load_preset(derived(tmp_path, 'logs = "logs/mine"', base="first.toml", name="second"))
    demo = load_preset("demo")
    assert second == demo.model_copy(update={"name": "second", "window_days": 21, "logs": "logs/mine"})


def test_settings_of_the_bases_tasks_go_with_the_tasks(tmp_path: Path) -> None:
    """A preset with other tasks says what is its own, and need not know what its base has."""
    tasks = '[domains]\ntasks = [{ name = "ctr", label = "clicked" }, { name = "cvr", label = "converted" }]'
    model, training = "[model]\nemb_deep = { cvr = 16 }", "[training]\nloss_weights = { cvr = 1.0 }"
    preset = load_preset(derived(tmp_path, tasks, model, training))
    assert preset.model.emb_deep == {"ctr": 8, "cvr": 16}
    assert preset.training.loss_weights == {"ctr": 2.0, "cvr": 1.0}
    with pytest.raises(ConfigError, match=r"model\.emb_deep has \['ctr'\]; it must have exactly the tasks"):
        load_preset(derived(tmp_path, tasks, training))
    with pytest.raises(ConfigError, match=r"loss_weights has \['ctr', 'cvr', 'gctr'\]; it must have exactly"):
        load_preset(derived(tmp_path, tasks, model, "[training]\nloss_weights = { cvr = 1.0, gctr = 1.0 }"))


def test_statements_are_in_a_folder_seen_from_the_file_that_names_it(tmp_path: Path) -> None:
    derived(tmp_path, 'sql = "sql"', name="first")
    (tmp_path / "below").mkdir()
    second = derived(tmp_path / "below", base="../first.toml", name="second")
    assert load_preset(second).sql == str(tmp_path / "below" / ".." / "sql")


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ('"dmeo"', r"derived\.toml has base 'dmeo': preset 'dmeo' not found; use one of \[.*'demo'"),
        ('"none.toml"', r"derived\.toml has base 'none\.toml': preset 'none\.toml' not found"),
        ("3", r"derived\.toml has base 3; it must be a preset's name or a path to a \.toml"),
        ('"derived.toml"', r"leads back: derived\.toml → derived\.toml; let one stand alone"),
        ('"back.toml"', r"back\.toml has base 'derived\.toml', which leads back: derived\.toml → back\.toml → derived"),
    ],
)  # fmt: skip
def test_a_base_that_cannot_be_one_is_an_error(tmp_path: Path, base: str, message: str) -> None:
    (tmp_path / "back.toml").write_text('base = "derived.toml"\nname = "back"\n')
    (tmp_path / "derived.toml").write_text(f'base = {base}\nname = "derived"\n')
    with pytest.raises(ConfigError, match=message):
        load_preset(str(tmp_path / "derived.toml"))
    (tmp_path / "derived.toml").write_text('base = "demo"\n')
    with pytest.raises(
        ConfigError, match=r"derived\.toml has base 'demo' and no name of its own; give it one"
    ):
        load_preset(str(tmp_path / "derived.toml"))
