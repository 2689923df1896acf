"""Write a bundle: one ONNX file per tower domain, and `bundle.json` (docs/architecture.md)."""

from pathlib import Path

from torch import nn

from mtmd.config import Preset
from mtmd.errors import BundleError
from mtmd.model.two_tower import MTMD
from mtmd.registry.bundle import BUNDLE_FILE, BUNDLE_FORMAT, MODEL_KIND, BundleInfo, TowerFile
from mtmd.store.files import digest, sha256_file, write_json
from mtmd.train.checkpoints import tensors_digest

EXPORT_FORMAT = 1  # raise it whenever the same trained model would be written as other files


def export_bundle(model: MTMD, preset: Preset, directory: Path, graphs: Path) -> BundleInfo:
    """Write the bundle of a trained model into a directory, such as one that `atomic_directory` yields.

    `graphs` is where traced graphs are kept for the next model of this configuration (see OnnxWriter).
    Raises BundleError when the model is in training mode, or a file too large.
    """
    from mtmd.export.onnx_files import OnnxWriter  # noqa: PLC0415 - a quarter of a second, which only an export needs

    if model.training:
        raise BundleError("the model is in training mode; call model.eval() before exporting it")
    domains = preset.domains
    identity = bundle_id(model, preset)
    towers = [
        ("query", domains.surfaces, preset.declarations.query, model.query_module),
        ("item", domains.products, preset.declarations.item, model.item_module),
    ]
    files = []
    for side, names, schema, module in towers:
        writer = OnnxWriter(schema, domains.task_names, graphs)
        for index, name in enumerate(names):
            path = directory / f"{side}_{name}.onnx"
            properties = {"bundle_id": identity, "kind": MODEL_KIND, "side": side, "domain": name}
            writer.write(path, module(index), properties)
            files.append(TowerFile(side=side, domain=name, file=path.name, sha256=sha256_file(path)))
    info = BundleInfo(
        format=BUNDLE_FORMAT,
        bundle_id=identity,
        weights=tensors_digest(model.state_dict()),
        declarations=preset.declarations,
        widths=dict(zip(domains.task_names, model.widths, strict=True)),
        files=tuple(files),
    )
    write_json(directory / BUNDLE_FILE, info.model_dump(mode="json"))
    return info


def bundle_id(model: nn.Module, preset: Preset) -> str:
    """Digest of weights, declarations, model configuration and format: one model has one id anywhere."""
    return digest(
        {
            "weights": tensors_digest(model.state_dict()),
            "declarations": preset.declarations.model_dump(mode="json"),
            "model": preset.model.model_dump(mode="json"),
            "format": BUNDLE_FORMAT,
        }
    )
