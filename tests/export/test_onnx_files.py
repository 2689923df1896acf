from pathlib import Path
from typing import Any

import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from mtmd.config import Feature, SideSchema
from mtmd.errors import BundleError
from mtmd.export.onnx_files import _check_dynamic, write_onnx

SCHEMA = SideSchema(
    side="query",
    domains=("search",),
    continuous=(),
    categorical=(Feature(name="c", side="query", kind="categorical", buckets=4, shallow=True),),
    embedding=(),
)


class CountsRows(nn.Module):
    """Looks at the number of rows, so it works for that number only."""

    def forward(self, continuous: Tensor, categorical: Tensor, embedding: Tensor) -> tuple[Tensor, ...]:
        return (categorical.float() * torch.ones(3, 1),)


class Doubles(nn.Module):
    def forward(self, continuous: Tensor, categorical: Tensor, embedding: Tensor) -> tuple[Tensor, ...]:
        return (torch.cat([continuous, categorical.float() * 2], dim=1),)


def test_a_fixed_number_of_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BundleError,
        match=r"x\.onnx: the module cannot be exported for any number of rows: (.|\n)*static shape of 3",
    ):
        write_onnx(tmp_path / "x.onnx", CountsRows().eval(), SCHEMA, ("ctr",), {})
    assert not (tmp_path / "x.onnx").exists()


def test_an_exported_file_for_a_fixed_number_of_rows_is_noticed() -> None:
    value = helper.make_tensor_value_info("features.categorical", TensorProto.INT64, [3, 1])
    graph = helper.make_graph([], "tower", [value], [])
    with pytest.raises(BundleError, match=r"features\.categorical was exported for 3 rows only"):
        _check_dynamic(helper.make_model(graph), "x.onnx")


def test_a_module_in_training_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"x\.onnx: the module is in training mode"):
        write_onnx(tmp_path / "x.onnx", Doubles(), SCHEMA, ("ctr",), {})


def test_a_module_too_large_for_one_file_is_refused(tmp_path: Path) -> None:
    large = Doubles()
    large.table = nn.Parameter(torch.empty(2**29, device="meta"))  # 2 GiB that take no memory
    with pytest.raises(BundleError, match=r"would hold 2147483648 bytes"):
        write_onnx(tmp_path / "x.onnx", large.eval(), SCHEMA, ("ctr",), {})


@pytest.mark.parametrize("task", ["embedding", "cat", "mul"])
def test_a_task_may_be_called_like_an_operator(tmp_path: Path, task: str) -> None:
    write_onnx(tmp_path / "x.onnx", Doubles().eval(), SCHEMA, (task,), {})


def test_the_same_module_gives_the_same_bytes(exported: Any, tmp_path: Path) -> None:
    info = exported.info
    properties = {"bundle_id": info.bundle_id, "kind": "mtmd", "side": "item", "domain": "shopping"}
    write_onnx(
        tmp_path / "again.onnx",
        exported.model.item_module(1),
        exported.preset.declarations.item,
        ("ctr", "octr"),
        properties,
    )
    assert (tmp_path / "again.onnx").read_bytes() == (exported.directory / "item_shopping.onnx").read_bytes()
