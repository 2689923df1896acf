"""deepctr-torch's MMOE and PLE.

Their `fit` wants the whole window in memory and scores by metrics of hard labels, so the training loop is ours. Task
type "regression" is the logit, of which "binary" would be the sigmoid. PLE makes as many shared experts as a task has
of its own and then reads `shared_expert_num` of them: more raise an IndexError, fewer are dead weights.

By default every weight starts at a standard deviation of 1e-4, without BatchNorm, and little is learnt in so few steps
(validation KL 0.0162 on the demo's last 8 days after 4 epochs, 0.0080 as here): `OPTIONS` are its own other choices.

The inputs are one float matrix (P, D), ids included, which float32 holds exactly below 2**24.
"""

from collections.abc import Sequence
from threading import Thread
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers.features import PairColumns, Peer, mean_logits
from benchmarks.peers.sizes import Sizes
from mtmd.errors import ConfigError
from mtmd.model.batch import Batch

with patch.object(Thread, "start"):  # its import asks the package index for newer versions, in a thread
    from deepctr_torch.inputs import DenseFeat, SparseFeat
    from deepctr_torch.models import MMOE, PLE

EXACT_FLOAT = 2**24
OPTIONS = {"init_std": 0.05, "dnn_use_bn": True}


class DeepctrPeer(Peer):
    """One of its networks over flat pairs."""

    def __init__(self, columns: PairColumns, network: nn.Module, order: Sequence[str]) -> None:
        super().__init__()
        self.columns, self.network, self.order = columns, network, tuple(order)

    def forward(self, batch: Batch) -> Tensor:
        columns = self.columns(batch)
        parts = [columns[name].float().view(len(batch.candidate), -1) for name in self.order]
        logits: Tensor = self.network(torch.cat(parts, dim=1))  # (P, T)
        return F.logsigmoid(logits.float())

    @torch.no_grad()
    def initialise_bias(self, base_rates: Tensor) -> None:
        outputs = list(self.network.get_submodule("out").children())
        for output, logit in zip(outputs, mean_logits(base_rates), strict=True):
            output.get_parameter("bias").fill_(logit)


def mmoe(columns: PairColumns, tasks: Sequence[str], sizes: Sizes, seed: int) -> Peer:
    """`sizes.experts` experts, a gate and a tower per task."""
    features = _features(columns)
    network = MMOE(
        features,
        num_experts=sizes.experts,
        expert_dnn_hidden_units=sizes.widths,
        gate_dnn_hidden_units=(),
        tower_dnn_hidden_units=sizes.head,
        task_types=["regression"] * len(tasks),
        task_names=tasks,
        seed=seed,
        **OPTIONS,
    )
    return DeepctrPeer(columns, network, [feature.name for feature in features])


def ple(columns: PairColumns, tasks: Sequence[str], sizes: Sizes, seed: int) -> Peer:
    """`sizes.levels` levels of `sizes.specific` experts per task and `sizes.shared` for all."""
    if sizes.shared > sizes.specific:
        raise ConfigError(
            f"shared experts ({sizes.shared}) must not be more than a task's own ({sizes.specific}): "
            "deepctr-torch's PLE makes only so many; use fewer"
        )
    features = _features(columns)
    network = PLE(
        features,
        shared_expert_num=sizes.shared,
        specific_expert_num=sizes.specific,
        num_levels=sizes.levels,
        expert_dnn_hidden_units=sizes.widths,
        gate_dnn_hidden_units=(),
        tower_dnn_hidden_units=sizes.head,
        task_types=["regression"] * len(tasks),
        task_names=tasks,
        seed=seed,
        **OPTIONS,
    )
    return DeepctrPeer(columns, network, [feature.name for feature in features])


def _features(columns: PairColumns) -> list[SparseFeat | DenseFeat]:
    """In the order of the matrix's columns."""
    found: list[SparseFeat | DenseFeat] = []
    for side in columns.sides:
        for name, size in side.sizes.items():
            if size > EXACT_FLOAT:
                raise ConfigError(
                    f"column {name!r} has {size} ids; deepctr-torch takes at most {EXACT_FLOAT}: it reads them as "
                    "float32. Declare fewer buckets"
                )
            found.append(SparseFeat(name, size, embedding_dim=columns.embedding))
        if side.width:
            found.append(DenseFeat(side.numbers, side.width))
    return found
