"""A bundle worked out by hand: towers that are one matrix product, written with onnx alone, without torch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mtmd.config import Declarations, IdsConfig
from mtmd.features import feature
from mtmd.registry.bundle import BUNDLE_FORMAT, BundleInfo, TowerFile
from mtmd.store.files import sha256_file, write_json
from tests.extract.conftest import DECLARED

MakeBundle = Callable[..., Path]
A, B = "a" * 64, "b" * 64


@pytest.fixture(scope="session")
def declarations() -> Declarations:
    return Declarations(
        domains=DECLARED.domains,
        features=(
            feature(name="country", side="query", kind="categorical", buckets=50, shallow=True),
            feature(name="activity", side="query", kind="continuous"),
            feature(name="depth", side="query", kind="continuous"),
            feature(name="bid", side="item", kind="continuous"),
            feature(name="age", side="item", kind="continuous"),
            feature(name="goal", side="item", kind="categorical", buckets=8, shallow=True),
        ),
    )


@pytest.fixture(scope="session")
def make_bundle(declarations: Declarations, tmp_path_factory: pytest.TempPathFactory) -> MakeBundle:
    """Each tower's embedding is its continuous features for `ctr`, and `octr_scale` times them for `octr`.

    So logit ctr = activity · bid + depth · age, and logit octr the same times octr_scale² (2 × 2 by default).
    """

    def make(bundle_id: str = A, octr_scale: float = 2.0, ids: IdsConfig | None = None) -> Path:
        directory = tmp_path_factory.mktemp("bundle")
        files = []
        for side, names in (("query", ("home_feed", "search")), ("item", ("standard", "shopping"))):
            for name in names:
                path = directory / f"{side}_{name}.onnx"
                path.write_bytes(_tower(bundle_id, octr_scale).SerializeToString())
                files.append(TowerFile(side=side, domain=name, file=path.name, sha256=sha256_file(path)))
        info = BundleInfo(
            format=BUNDLE_FORMAT,
            bundle_id=bundle_id,
            weights="0" * 64,
            declarations=declarations.model_copy(update={"ids": ids or declarations.ids}),
            widths={"ctr": 2, "octr": 2},
            files=tuple(files),
        )
        write_json(directory / "bundle.json", info.model_dump(mode="json"))
        return directory

    return make


@pytest.fixture
def bundle(make_bundle: MakeBundle) -> Path:
    return make_bundle()


def _tower(bundle_id: str, octr_scale: float) -> onnx.ModelProto:
    numbers = helper.make_tensor_value_info("features.continuous", TensorProto.FLOAT, ["n", 2])
    ids = helper.make_tensor_value_info("features.categorical", TensorProto.INT64, ["n", 1])
    outputs = [
        helper.make_tensor_value_info(f"embedding.{task}", TensorProto.FLOAT, ["n", 2])
        for task in ("ctr", "octr")
    ]
    scale = numpy_helper.from_array(np.array(octr_scale, np.float32), "scale")
    zero = numpy_helper.from_array(np.array(0.0, np.float32), "zero")
    nodes = [
        helper.make_node("IsNaN", ["features.continuous"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "features.continuous"], ["embedding.ctr"]),
        helper.make_node("Mul", ["embedding.ctr", "scale"], ["embedding.octr"]),
    ]
    graph = helper.make_graph(nodes, "tower", [numbers, ids], outputs, [scale, zero])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {"bundle_id": bundle_id})
    return model
