from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor, nn

from mtmd.config import Preset, SideSchema
from mtmd.errors import BundleError
from mtmd.export import bundle
from mtmd.export.bundle import bundle_id, write_onnx
from mtmd.features import feature
from mtmd.model.mtmd import Settings
from mtmd.model.ranker import build_model
from mtmd.registry.bundle import OUTPUT_PREFIX, load_bundle
from mtmd.serve.scorer import Scorer, open_session

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


def write(path: Path, module: nn.Module, tasks: tuple[str, ...] = ("ctr",)) -> None:
    write_onnx(path, module.eval(), SCHEMA, tasks, {}, Settings(emb_deep=8))


def test_what_was_written_loads(exported: Any) -> None:
    assert load_bundle(exported.directory) == exported.info
    assert Scorer.load(exported.directory).info.widths == {"ctr": 8 + 4 + 1, "octr": 4 + 4 + 1}


def test_files_hold_no_path_of_this_machine(exported: Any) -> None:
    for path in exported.directory.glob("*.onnx"):
        assert str(Path(__file__).parents[2]).encode() not in path.read_bytes()
        assert not any(node.metadata_props for node in onnx.load(path).graph.node)


def test_the_id_follows_weights_and_declarations(exported: Any) -> None:
    same = build_model("mtmd", exported.preset)
    assert bundle_id(same, exported.preset) == bundle_id(
        build_model("mtmd", exported.preset), exported.preset
    )
    assert bundle_id(same, exported.preset) != exported.info.bundle_id
    same.load_state_dict(exported.model.state_dict())
    assert bundle_id(same, exported.preset) == exported.info.bundle_id
    for change in (
        {"features": exported.preset.features[::-1]},
        {"model": exported.preset.model.model_copy(update={"norm_min_rows": 33})},
    ):
        other = Preset.model_validate(exported.preset.model_copy(update=change).model_dump())
        assert bundle_id(same, other) != exported.info.bundle_id


def test_a_fixed_number_of_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BundleError,
        match=r"x\.onnx: the module cannot be exported for any number of rows: (.|\n)*static shape of 3",
    ):
        write(tmp_path / "x.onnx", CountsRows())
    assert not (tmp_path / "x.onnx").exists()


def test_a_module_too_large_for_one_file_is_refused(tmp_path: Path) -> None:
    large = Doubles()
    large.table = nn.Parameter(torch.empty(2**29, device="meta"))  # 2 GiB that take no memory
    with pytest.raises(BundleError, match=r"would hold 2147483648 bytes"):
        write(tmp_path / "x.onnx", large)


def test_tasks_may_be_called_like_operators(tmp_path: Path) -> None:
    tasks = ("embedding", "cat", "mul")
    write(tmp_path / "x.onnx", ForEach(3), tasks)
    outputs = [output.name for output in open_session(tmp_path / "x.onnx").get_outputs()]
    assert outputs == [OUTPUT_PREFIX + task for task in tasks]


def test_domains_that_compute_the_same_are_traced_once_and_get_their_own_weights(
    exported: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files of the bundle have the bytes that a process which traces anew gives them.

    Surfaces have all tasks, the first one lacks vectors and one of the lists; shopping lacks octr, standard has it.
    """
    declarations, tasks = exported.preset.declarations, exported.preset.domains.task_names

    def traced(side: str, index: int, graphs: dict[str, onnx.ModelProto]) -> int:
        schema, module = {
            "query": (declarations.query, exported.model.query_module),
            "item": (declarations.item, exported.model.item_module),
        }[side]
        name = schema.domains[index]
        properties = {"bundle_id": exported.info.bundle_id, "kind": "mtmd", "side": side, "domain": name}
        monkeypatch.setattr(bundle, "_graphs", graphs)
        write_onnx(tmp_path / "x.onnx", module(index), schema, tasks, properties, exported.preset.model)
        assert (tmp_path / "x.onnx").read_bytes() == (exported.directory / f"{side}_{name}.onnx").read_bytes()
        return len(graphs)

    shared: dict[str, onnx.ModelProto] = {}
    assert [traced("query", index, shared) for index in (0, 1)] == [1, 1]
    assert [traced("item", index, shared) for index in (0, 1)] == [2, 3]
