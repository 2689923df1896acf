"""Logs that name who answered, with people who act as a model says; and a model whose odds are twice another's."""

import shutil
from datetime import date
from math import log
from pathlib import Path

import duckdb
import numpy as np
import onnx
from onnx import helper, numpy_helper

from mtmd.registry.bundle import load_bundle
from mtmd.registry.registry import Registry
from mtmd.store.files import sha256_file

COPIES = 8  # of each request, by other users: a tiny day has too few to judge


def answered(logs: Path, days: dict[date, str]) -> Path:
    """Let each day's candidates all be shown and acted on as the teacher says; SQL of `user_id` says who answered."""
    for day, served_by in days.items():
        (requests,), (candidates,) = (
            (logs / table / f"date={day}").glob("*.parquet") for table in ("requests", "candidates")
        )
        more = f"cross join range({COPIES}) as copies (n)"
        luck = "hash(request_id, ad_id, n) / 18446744073709551615.0"
        keys = f"request_id * {COPIES} + n as request_id"
        replaced(
            requests,
            f"select * exclude n replace ({keys}, user_id * {COPIES} + n as user_id) from '{{}}' {more}",
        )
        labels = {"clicked": "ctr", "good_clicked": "gctr", "outbound_clicked": "octr"}
        acts = ", ".join(f"{luck} < {task} as {label}" for label, task in labels.items())
        rows = f"select * exclude n replace ({keys}, true as impressed, {acts}) from '{{}}' {more}"
        users = f"(select request_id, user_id from '{requests}')"
        replaced(
            candidates,
            f"select c.*, {served_by} as served_by from ({rows}) as c join {users} using (request_id)",
        )
    return logs


def replaced(file: Path, statement: str) -> None:
    made = file.with_name("made")
    duckdb.sql(f"copy ({statement.format(file)}) to '{made}' (format parquet)")
    shutil.move(made, file)


def promoted(registry: Registry, as_of: date, name: str, odds: float = 1.0, bid: str = "bid") -> str:
    """A champion like the live one but for its odds of a click, or for the column of bids that it reads; its id."""
    live = registry.require_champion()
    there, model_id, bundle_id = registry.path(live.model_id), f"{as_of:%Y%m%d}-{name}", f"{odds:064.0f}"
    changed = {"model_id": model_id, "as_of": as_of, "bundle_id": bundle_id, "files": {}}

    def build(directory: Path) -> None:
        shutil.copytree(there, directory, ignore=shutil.ignore_patterns("manifest.json"), dirs_exist_ok=True)
        if (info := load_bundle(directory)).bundle_id == bundle_id:
            return
        for tower in info.files:
            _with_one_more(directory / tower.file, log(odds) if tower.side == "query" else 1.0)
        files = [one.model_copy(update={"sha256": sha256_file(directory / one.file)}) for one in info.files]
        widths = info.widths | {"ctr": info.widths["ctr"] + 1}
        made = info.model_copy(update={"files": tuple(files), "widths": widths, "bundle_id": bundle_id})
        (directory / "bundle.json").write_text(made.model_dump_json().replace('"bid"', f'"{bid}"'))

    registry.add(build, registry.manifest(live.model_id).model_copy(update=changed))
    return registry.promote(model_id, as_of, "a test", live.sequence).champion.model_id


def _with_one_more(path: Path, value: float) -> None:
    """A tower whose embedding of ctr has this number behind it: the logit grows by the product of both sides'."""
    graph = (model := onnx.load(path)).graph
    for names in (names for node in graph.node for names in (node.input, node.output)):
        names[:] = ["shorter" if name == "embedding.ctr" else name for name in names]
    constants = {"first": np.array([0]), "more": np.array(value, np.float32)}
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    graph.node.append(helper.make_node("Gather", ["shorter", "first"], ["one"], axis=1))
    graph.node.append(helper.make_node("Clip", ["one", "more", "more"], ["last"]))
    graph.node.append(helper.make_node("Concat", ["shorter", "last"], ["embedding.ctr"], axis=1))
    (output,) = (output for output in graph.output if output.name == "embedding.ctr")
    output.type.tensor_type.shape.dim[1].dim_value += 1
    onnx.save(model, path)
