"""Write a bundle: one ONNX file per tower domain, with a dynamic batch dimension, and `bundle.json`.

N rows of one domain, K_t embedding width of task t.
"""

import logging
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from mtmd.config import ModelSettings, Preset, SideSchema
from mtmd.errors import BundleError
from mtmd.model.ranker import TwoTower
from mtmd.registry import bundle
from mtmd.registry.bundle import BundleInfo, TowerFile
from mtmd.store.files import digest, sha256_file, write_json
from mtmd.train.results import tensors_digest

EXPORT_FORMAT = 1  # raise it whenever the same trained model would be written as other files
_MATRICES = ("continuous", "categorical", "embedding")
_TALKS = "torch.onnx._internal.exporter._registration"  # of operators that torchvision would have
_EXAMPLE_ROWS = 3  # torch.export takes 0 and 1 for constants
_LARGEST = 2**31 - 1  # bytes of one protobuf message
# That this process has traced, without weights, by what decides a graph.
_graphs: dict[str, onnx.ModelProto] = {}


def export_bundle(model: TwoTower, preset: Preset, directory: Path) -> BundleInfo:
    """Write the bundle of a trained model, in evaluation mode, into a directory, such as `atomic_directory` yields.

    Raises BundleError for a file that is too large.
    """
    domains, declarations = preset.domains, preset.declarations
    identity = bundle_id(model, preset)
    towers = [
        ("query", domains.surfaces, declarations.query, model.query_module),
        ("item", domains.products, declarations.item, model.item_module),
    ]
    files = []
    for side, names, schema, module in towers:
        for index, name in enumerate(names):
            path = directory / f"{side}_{name}.onnx"
            properties = {"bundle_id": identity, "kind": preset.candidate, "side": side, "domain": name}
            write_onnx(path, module(index), schema, domains.task_names, properties, preset.model)
            files.append(TowerFile(side=side, domain=name, file=path.name, sha256=sha256_file(path)))
    info = BundleInfo(
        format=bundle.BUNDLE_FORMAT,
        bundle_id=identity,
        weights=tensors_digest(model.state_dict()),
        declarations=declarations,
        widths=dict(zip(domains.task_names, model.widths, strict=True)),
        files=tuple(files),
    )
    write_json(directory / bundle.BUNDLE_FILE, info.model_dump(mode="json"))
    return info


def bundle_id(model: nn.Module, preset: Preset) -> str:
    """Digest of weights, declarations, model configuration and format: one model has one id anywhere."""
    return digest(
        {
            "weights": tensors_digest(model.state_dict()),
            "declarations": preset.declarations.model_dump(mode="json"),
            "model": preset.model.recipe(),
            "format": bundle.BUNDLE_FORMAT,
        }
    )


def write_onnx(
    path: Path,
    module: nn.Module,
    schema: SideSchema,
    tasks: tuple[str, ...],
    properties: dict[str, str],
    config: ModelSettings,
) -> None:
    """Export the module of one domain: (continuous, categorical, embedding, lists) → one (N, K_t) per task.

    Tracing costs seconds, and most domains of a tower compute the same with other weights. So a process traces a graph
    once for each structure: names, types and shapes of the module's tensors (tables may have any number of rows), its
    tasks, the model's configuration and the features. Whatever else two domains differ by must be in tensors, as
    TwoTower says; the parity proof runs every file.

    The bytes depend on the weights and the versions of torch and onnx only: file names and source lines that
    the exporter embeds are taken out. Raises BundleError when the module is too large for one file, or works for a
    fixed number of rows only.
    """
    size = sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
    if size > _LARGEST:
        raise BundleError(
            f"{path.name} would hold {size} bytes; one file takes {_LARGEST}. Declare fewer buckets"
        )
    example = _example(schema)
    wrapped = _PresentInputs(module, tuple(example)).eval()
    recipe = [schema.model_dump(mode="json"), config.model_dump(mode="json"), tasks, _structure(module)]
    if (key := digest(recipe)) not in _graphs:
        _graphs[key] = _trace(wrapped, example, tasks, path.name)
    proto = onnx.ModelProto()
    proto.CopyFrom(_graphs[key])
    _fill(proto, wrapped)
    proto = _optimised(proto)
    _strip_traces(proto)
    onnx.helper.set_model_props(proto, properties)
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString(deterministic=True))


class _PresentInputs(nn.Module):
    """A tower's module without the inputs of width 0, which onnxruntime cannot be given."""

    def __init__(self, module: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.module = module
        self.names = names

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The matrices called `names`, in that order → the module's outputs."""
        given = dict(zip(self.names, inputs, strict=True))
        empty = inputs[0].new_zeros((inputs[0].shape[0], 0), dtype=torch.float32)
        matrices = [given.pop(name, empty) for name in _MATRICES]
        outputs: tuple[Tensor, ...] = self.module(*matrices, *given.values())
        return outputs


def _optimised(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Without this onnxruntime needs a tenth more time for a query."""
    from onnxscript import optimizer  # noqa: PLC0415 - a second that only an export needs

    optimised: onnx.ModelProto = optimizer.optimize(proto)
    return optimised


def _structure(module: nn.Module) -> str:
    tensors = [
        (name, str(tensor.dtype), tuple(tensor.shape[".tables." in f".{name}" :]))
        for name, tensor in _tensors(module).items()
    ]
    return digest([type(module).__qualname__, getattr(module, "tasks", None), tensors])


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _fill(proto: onnx.ModelProto, module: nn.Module) -> None:
    """Put the module's own tensors into a graph that may have been traced with another's."""
    tensors = _tensors(module)
    for initializer in proto.graph.initializer:
        if initializer.name in tensors:
            values = tensors[initializer.name].detach().cpu().numpy()
            initializer.CopyFrom(onnx.numpy_helper.from_array(values, initializer.name))


def _trace(
    module: nn.Module, example: dict[str, Tensor], tasks: tuple[str, ...], name: str
) -> onnx.ModelProto:
    """The module's graph, without its tensors' values."""
    logging.getLogger(_TALKS).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():  # of a deprecated form that torch itself uses
            warnings.filterwarnings("ignore", r".*isinstance\(treespec, LeafSpec\)", FutureWarning)
            program = torch.onnx.export(
                module,
                tuple(example.values()),
                input_names=[bundle.INPUT_PREFIX + matrix for matrix in example],
                output_names=[bundle.OUTPUT_PREFIX + task for task in tasks],
                dynamic_shapes={"inputs": tuple(_dynamic(matrix) for matrix in example)},
                dynamo=True,
                optimize=False,  # it looks at values: tensors that are equal here, and not in the next domain
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise BundleError(
            f"{name}: the module cannot be exported for any number of rows: {error.__cause__ or error}"
        ) from error
    assert program is not None, "dynamo=True returns a program"
    proto: onnx.ModelProto = program.model_proto
    for initializer in proto.graph.initializer:
        if initializer.name in _tensors(module):
            initializer.ClearField("raw_data")
    return proto


def _dynamic(matrix: str) -> dict[int, Any]:
    """Rows, and the longest list of a batch."""
    is_list = matrix not in _MATRICES
    return dict.fromkeys(range(1 + is_list), torch.export.Dim.DYNAMIC)


def _example(schema: SideSchema) -> dict[str, Tensor]:
    """Inputs that are not of width 0, by name: the matrices, then each list."""
    matrices = {
        "continuous": torch.zeros(_EXAMPLE_ROWS, len(schema.continuous)),
        "categorical": torch.zeros(_EXAMPLE_ROWS, len(schema.categorical), dtype=torch.int64),
        "embedding": torch.zeros(_EXAMPLE_ROWS, schema.vector_width),
    }
    for length, feature in enumerate(schema.lists, start=_EXAMPLE_ROWS + 1):  # no two sizes are the same
        matrices[bundle.LIST_INPUT + feature.name] = torch.zeros(_EXAMPLE_ROWS, length, dtype=torch.int64)
    return {name: matrix for name, matrix in matrices.items() if matrix.shape[1]}


def _strip_traces(proto: onnx.ModelProto) -> None:
    """Drop the exporter's notes (source lines, paths of this machine) from the graph and its functions."""
    for graph in (proto.graph, *proto.functions):
        del graph.metadata_props[:]
        graph.doc_string = ""
        values = [*graph.input, *graph.output] if graph is proto.graph else []
        for item in (*graph.node, *graph.value_info, *values):
            del item.metadata_props[:]
            item.doc_string = ""
