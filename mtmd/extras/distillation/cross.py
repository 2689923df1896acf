"""The cross model: a network that reads the features of a request and of an ad together, for distillation only.

Not in MTMD's paper. It can learn what no dot product of two towers can, and can't be served, because each pair of a
request and an ad has to be computed. With LN a LayerNorm, x_q and x_i the fields of either side (embedded, with
defaults for what is missing, and the side's domain one-hot), and f_q, f_i hidden layers of one side:

    a = W_q f_q(x_q) + W_i f_i(x_i)       the first layer of both sides side by side, computed once per request and ad
    m = (V_q f_q(x_q)) ⊙ (V_i f_i(x_i))   a product, which layers that add find hard to learn
    logits = MLP(LN([LeakyReLU(a), m])) + bias of the domain

One head per task on shared layers, MTMD's task tree, the rivals' field encoding and norm of numbers.
Shapes: R requests, A ads, P pairs, T tasks, H the meeting width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtmd.config import Declarations, ModelConfig, SideSchema
from mtmd.extras.distillation.settings import Settings
from mtmd.model.baseline import NORM, SLOPE, PlainTower
from mtmd.model.batch import Batch
from mtmd.model.fields import FieldLayout, Owned
from mtmd.model.layers import Stack, normalise, pad_rows
from mtmd.model.pooled import AllRows
from mtmd.model.scores import tree_log_probability

LOGIT_GAIN = 0.1  # predictions start at the base rate


class CrossRanker(AllRows):
    """All tasks of all domains from the features of both sides."""

    def __init__(self, declarations: Declarations, config: Settings, model: ModelConfig) -> None:
        super().__init__()
        domains = declarations.domains
        self.parents = domains.parents
        self.levels = len(domains.domains)
        owned: Owned = {}
        self.query = _side(declarations.query, config, model, owned)
        self.item = _side(declarations.item, config, model, owned)
        self.pair = Stack(
            1,
            2 * config.meeting_width,
            (*config.pair_widths, len(domains.tasks)),
            NORM,
            SLOPE,
            activate_last=False,
            last_gain=LOGIT_GAIN,
        )
        self.bias = nn.Parameter(torch.zeros(len(domains.domains), len(domains.tasks)))

    def forward(self, batch: Batch) -> Tensor:
        query, item = (
            tower(side, side.one_hot).squeeze(0)  # (R, 2 H) and (A, 2 H)
            for tower, side in ((self.query, batch.query), (self.item, batch.item))
        )
        q, i = (rows.index_select(0, of) for rows, of in ((query, batch.pair_query), (item, batch.pair_item)))
        (add_q, times_q), (add_i, times_i) = q.chunk(2, dim=1), i.chunk(2, dim=1)  # (P, H) each
        met = torch.cat([F.leaky_relu(add_q + add_i, SLOPE), times_q * times_i], dim=1)  # (P, 2 H)
        logits = self.pair(pad_rows(normalise(met))).squeeze(0)[: len(met)].float()  # (P, T)
        return tree_log_probability(logits + F.embedding(batch.pair_domain, self.bias), self.parents)


def _side(schema: SideSchema, config: Settings, model: ModelConfig, owned: Owned) -> PlainTower:
    tower = PlainTower(
        FieldLayout(schema),
        1,
        2 * config.meeting_width,
        config.tower_widths,
        model,
        owned=owned,
        extra=len(schema.domains),
    )
    tower.always_padded = True  # it scores batches of every size while others train
    return tower
