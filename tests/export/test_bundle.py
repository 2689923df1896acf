from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort
import pytest

from mtmd.config import Preset
from mtmd.errors import BundleError
from mtmd.export.bundle import bundle_id, export_bundle
from mtmd.model.build import build_model
from mtmd.registry.bundle import load_bundle
from mtmd.serve.scorer import Scorer
from mtmd.train.checkpoints import tensors_digest


def test_there_is_one_file_per_tower_domain_and_it_loads(exported: Any) -> None:
    names = sorted(path.name for path in exported.directory.iterdir())
    assert names == [
        "bundle.json",
        "item_shopping.onnx",
        "item_standard.onnx",
        "query_home_feed.onnx",
        "query_search.onnx",
    ]
    assert load_bundle(exported.directory) == exported.info
    assert Scorer.load(exported.directory).info.widths == {"ctr": 8 + 4 + 1, "octr": 4 + 4 + 1}


@pytest.mark.parametrize("name", ["query_search.onnx", "item_standard.onnx"])
def test_every_file_says_which_bundle_and_domain_it_is(exported: Any, name: str) -> None:
    meta = ort.InferenceSession(exported.directory / name).get_modelmeta().custom_metadata_map
    side, _, domain = name.removesuffix(".onnx").partition("_")
    assert meta == {"bundle_id": exported.info.bundle_id, "kind": "mtmd", "side": side, "domain": domain}


def test_inputs_of_width_0_are_left_out(exported: Any) -> None:
    def inputs(name: str) -> list[tuple[str, list[Any], str]]:
        session = ort.InferenceSession(exported.directory / name)
        return [
            (one.name, [size if isinstance(size, int) else "any" for size in one.shape], one.type)
            for one in session.get_inputs()
        ]

    assert inputs("item_standard.onnx") == [
        ("features.continuous", ["any", 2], "tensor(float)"),
        ("features.categorical", ["any", 2], "tensor(int64)"),
        ("features.list.labels", ["any", "any"], "tensor(int64)"),
    ]
    assert [name for name, _, _ in inputs("query_search.onnx")] == [
        "features.continuous",
        "features.categorical",
        "features.embedding",
        "features.list.words",
        "features.weights.words",
        "features.actions.words",
        "features.list.recent_topics",
        "features.ages.recent_topics",
    ]


def test_files_hold_no_path_of_this_machine(exported: Any) -> None:
    for path in exported.directory.glob("*.onnx"):
        assert str(Path(__file__).parents[2]).encode() not in path.read_bytes()
        assert not any(node.metadata_props for node in onnx.load(path).graph.node)


def test_the_id_follows_weights_and_declarations(exported: Any) -> None:
    same = build_model("mtmd", exported.preset)
    assert tensors_digest(same.state_dict()) == tensors_digest(
        build_model("mtmd", exported.preset).state_dict()
    )
    assert tensors_digest(same.state_dict()) != exported.info.weights
    same.load_state_dict(exported.model.state_dict())
    assert tensors_digest(same.state_dict()) == exported.info.weights
    assert bundle_id(same, exported.preset) == exported.info.bundle_id
    for change in (
        {"features": exported.preset.features[::-1]},
        {"model": exported.preset.model.model_copy(update={"norm_min_rows": 33})},
    ):
        other = Preset.model_validate(exported.preset.model_copy(update=change).model_dump())
        assert bundle_id(same, other) != exported.info.bundle_id


def test_a_model_in_training_mode_is_refused(exported: Any, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="the model is in training mode"):
        export_bundle(build_model("mtmd", exported.preset).train(), exported.preset, tmp_path, tmp_path)
    assert list(tmp_path.iterdir()) == []
