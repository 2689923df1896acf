from pathlib import Path
from typing import Any

import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from mtmd.config import SideSchema
from mtmd.errors import BundleError
from mtmd.export.onnx_files import OnnxWriter, _check_dynamic
from mtmd.features import feature
from mtmd.registry.bundle import OUTPUT_PREFIX
from mtmd.serve.scorer import open_session

SCHEMA = SideSchema(
    side="query",
    domains=("search",),
    continuous=(),
    categorical=(feature(name="c", side="query", kind="categorical", buckets=4, shallow=True),),
    embedding=(),
)


class CountsRows(nn.Module):
    """Looks at the number of rows, so it works for that number only."""

    def forward(self, continuous: Tensor, categorical: Tensor, embedding: Tensor) -> tuple[Tensor, ...]:
        return (categorical.float() * torch.ones(3, 1),)


class Doubles(nn.Module):
    def forward(self, continuous: Tensor, categorical: Tensor, embedding: Tensor) -> tuple[Tensor, ...]:
        return (torch.cat([continuous, categorical.float() * 2], dim=1),)


class ForEach(Doubles):
    """The same for each of several tasks."""

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.tasks = tasks

    def forward(self, continuous: Tensor, categorical: Tensor, embedding: Tensor) -> tuple[Tensor, ...]:
        (doubled,) = super().forward(continuous, categorical, embedding)
        return tuple(doubled * (1 + task) for task in range(self.tasks))


def test_a_fixed_number_of_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BundleError,
        match=r"x\.onnx: the module cannot be exported for any number of rows: (.|\n)*static shape of 3",
    ):
        OnnxWriter(SCHEMA, ("ctr",), tmp_path).write(tmp_path / "x.onnx", CountsRows().eval(), {})
    assert not (tmp_path / "x.onnx").exists()


def test_an_exported_file_for_a_fixed_number_of_rows_is_noticed() -> None:
    value = helper.make_tensor_value_info("features.categorical", TensorProto.INT64, [3, 1])
    graph = helper.make_graph([], "tower", [value], [])
    with pytest.raises(BundleError, match=r"features\.categorical was exported for 3 rows only"):
        _check_dynamic(helper.make_model(graph), "x.onnx")


def test_a_module_in_training_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"x\.onnx: the module is in training mode"):
        OnnxWriter(SCHEMA, ("ctr",), tmp_path).write(tmp_path / "x.onnx", Doubles(), {})


def test_a_module_too_large_for_one_file_is_refused(tmp_path: Path) -> None:
    large = Doubles()
    large.table = nn.Parameter(torch.empty(2**29, device="meta"))  # 2 GiB that take no memory
    with pytest.raises(BundleError, match=r"would hold 2147483648 bytes"):
        OnnxWriter(SCHEMA, ("ctr",), tmp_path).write(tmp_path / "x.onnx", large.eval(), {})


def test_tasks_may_be_called_like_operators(tmp_path: Path) -> None:
    tasks = ("embedding", "cat", "mul")
    OnnxWriter(SCHEMA, tasks, tmp_path).write(tmp_path / "x.onnx", ForEach(3).eval(), {})
    outputs = [output.name for output in open_session(tmp_path / "x.onnx").get_outputs()]
    assert outputs == [OUTPUT_PREFIX + task for task in tasks]


def test_domains_that_compute_the_same_are_traced_once_and_get_their_own_weights(
    exported: Any, tmp_path: Path
) -> None:
    """The files of the bundle have the bytes that a writer of their own gives them."""
    model, declarations = exported.model, exported.preset.declarations

    def written(writer: OnnxWriter, side: str, name: str, module: nn.Module) -> bool:
        properties = {"bundle_id": exported.info.bundle_id, "kind": "mtmd", "side": side, "domain": name}
        writer.write(tmp_path / "again.onnx", module, properties)
        return (tmp_path / "again.onnx").read_bytes() == (
            exported.directory / f"{side}_{name}.onnx"
        ).read_bytes()

    # Surfaces have all tasks, the first one lacks vectors and one of the lists; shopping lacks octr, standard has it.
    kept = exported.directory.parent / "graphs"
    traced = sorted(path.name.partition("-")[0] for path in kept.iterdir() if path.is_dir())
    assert traced == ["item", "item", "query"]

    surfaces = OnnxWriter(declarations.query, ("ctr", "octr"), tmp_path)
    assert written(surfaces, "query", "home_feed", model.query_module(0))
    assert written(surfaces, "query", "search", model.query_module(1))
    assert surfaces.traced == 1

    products = OnnxWriter(declarations.item, ("ctr", "octr"), kept)
    assert written(products, "item", "standard", model.item_module(0))
    assert written(products, "item", "shopping", model.item_module(1))
    assert products.traced == 0


def test_a_kept_graph_that_was_damaged_is_traced_again(tmp_path: Path) -> None:
    OnnxWriter(SCHEMA, ("ctr",), tmp_path / "graphs").write(tmp_path / "x.onnx", Doubles().eval(), {})
    (graph,) = (tmp_path / "graphs").glob("*/*.onnx")
    whole = graph.read_bytes()
    graph.write_bytes(whole[: len(whole) // 2])
    writer = OnnxWriter(SCHEMA, ("ctr",), tmp_path / "graphs")
    writer.write(tmp_path / "y.onnx", Doubles().eval(), {})
    assert writer.traced == 1
    assert (tmp_path / "y.onnx").read_bytes() == (tmp_path / "x.onnx").read_bytes()
