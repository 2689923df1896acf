"""MTMD once more, plainly: one expert after the other, one lookup per value, every pair through both towers.

Written from the paper and the docstrings, not from the fast code: nothing is fused, and nothing is shared between the
pairs of a request. It reads the parameters of a fast model, so the gradients of both are of the same tensors.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from mtmd.config import Declarations, ModelConfig, SideSchema
from mtmd.features import Feature
from mtmd.model.batch import Batch, ListInput, SideInput
from mtmd.model.layers import CLIP, EPSILON, LowRankCross, Stack
from mtmd.model.pooling import ListPooling
from mtmd.model.towers import DomainExpert, Tower
from mtmd.model.two_tower import MTMD


def moments(values: Sequence[float], min_rows: int) -> tuple[float, float]:
    """Mean and standard deviation; about 0 where there are few values."""
    n = len(values)
    if n == 0:
        return 0.0, math.sqrt(1.0 + EPSILON)
    mean = sum(values) / n
    about = 0.0 if n < min_rows else mean
    return mean, math.sqrt(sum((v - about) ** 2 for v in values) / n + EPSILON)


class PlainTower:
    """One tower; rows in any order, with the domain of each."""

    def __init__(
        self, fast: Tower, schema: SideSchema, tasks: Sequence[Sequence[int]], config: ModelConfig
    ) -> None:
        self.fast, self.schema, self.tasks, self.config = fast, schema, tasks, config
        # Of each feature, how often a value was seen; of each norm, all values of the window.
        self.seen: dict[str, Counter[int]] = defaultdict(Counter)
        self.values: dict[tuple[int, str, int], list[float]] = defaultdict(list)

    def observe(self, distinct: SideInput, times: Sequence[int]) -> None:
        """Rows of the window: a distinct row counts once for the norms, and `times` for its values."""
        for column, feature in enumerate(self.schema.categorical):
            for value, count in zip(distinct.categorical[:, column].tolist(), times, strict=True):
                self.seen[feature.name][value] += count
        for lists, feature in zip(distinct.lists, self.schema.lists, strict=True):
            repeated = torch.tensor(times).repeat_interleave(lists.lengths).tolist()
            for value, count in zip(lists.ids.tolist(), repeated, strict=True):
                self.seen[feature.name][value] += count
        for feature in (*self.schema.continuous, *self.schema.embedding):
            for d, row in zip(distinct.domain.tolist(), self.raw(distinct, feature).tolist(), strict=True):
                for place, value in enumerate(row if self.has(d, feature) else []):
                    self.values[self.norm(d), feature.name, place] += [] if math.isnan(value) else [value]

    def norm(self, domain: int) -> int:
        """Which norm numbers of a domain have."""
        return domain if self.config.adaptation == "domain" else 0

    def has(self, domain: int, feature: Feature) -> bool:
        return bool(self.schema.present[domain, self.schema.fields.index(feature)])

    def raw(self, rows: SideInput, feature: Feature) -> Tensor:
        """The values of a feature that is no list: (N, width) numbers or (N,) ids."""
        if feature.kind == "continuous":
            return rows.continuous[:, [self.schema.continuous.index(feature)]]
        if feature.kind == "embedding":
            place = self.schema.embedding.index(feature)
            return rows.embedding.split([f.width for f in self.schema.embedding], dim=1)[place]
        return rows.categorical[:, self.schema.categorical.index(feature)]

    def table(self, feature: Feature) -> tuple[Tensor, object]:
        """The rows that a feature reads, and how its lists are pooled."""
        tables = self.fast.adaptation.tables
        for place, (table, weight) in enumerate(zip(tables.layout, tables.read, strict=True)):
            if feature in table.features:
                start = table.offsets[table.features.index(feature)]
                pooling = tables.pooling[str(place)] if table.multi else None
                return weight[start : start + feature.buckets + 1], pooling
        raise AssertionError(feature.name)

    def admits(self, feature: Feature, value: int) -> bool:
        return self.seen[feature.name][value] >= (feature.min_count or 0)

    def field(self, rows: SideInput, domain: int, feature: Feature, start: int) -> tuple[Tensor, Tensor]:
        """(N, width) values of a field whose first column is `start`, and which rows have them (N, 1 or width)."""
        if feature.kind == "multivalued":
            return self.pooled(rows.lists[self.schema.lists.index(feature)], feature)
        raw = self.raw(rows, feature)
        if feature.kind == "categorical":
            admitted = [value > 0 and self.admits(feature, value) for value in raw.tolist()]
            return self.table(feature)[0][raw], torch.tensor(admitted, dtype=torch.bool).unsqueeze(1)
        own, columns = self.fast.adaptation.of(domain), slice(start, start + raw.shape[1])
        known = [self.values[self.norm(domain), feature.name, place] for place in range(raw.shape[1])]
        mean, std = torch.tensor(
            [moments(values, self.config.norm_min_rows) for values in known], dtype=torch.float64
        ).T
        z = ((raw.nan_to_num().double() - mean) / std).clamp(-CLIP, CLIP).float()
        return z * own.gain[columns] + own.shift[columns], ~raw.isnan()

    def pooled(self, lists: ListInput, feature: Feature) -> tuple[Tensor, Tensor]:
        """List by list and value by value: pooled embeddings (N, width), and which of them are known (N, 1)."""
        table, pooling = self.table(feature)
        assert isinstance(pooling, ListPooling)
        rows, known, values = [], [], iter(range(len(lists.ids)))
        for length in lists.lengths.tolist():
            places = [next(values) for _ in range(length)]
            places = [place for place in places if self.admits(feature, int(lists.ids[place]))]
            weights = [1.0 if lists.weights is None else float(lists.weights[place]) for place in places]
            vectors = []
            for place in places:
                vector = table[lists.ids[place]]
                for what, note in pooling.notes.items():
                    vector = vector + note[0][lists.values[what][place]]
                vectors.append(vector)
            known.append(sum(weights) > 0)
            shares: Sequence[Tensor | float] = weights
            if pooling.attention is not None and vectors:
                attention = pooling.attention
                scores = [torch.tanh(v @ attention.weight[0] + attention.bias[0, 0]) for v in vectors]
                shares = list(torch.softmax(torch.stack(scores) @ attention.query[0, :, 0], dim=0))
            elif feature.pooling in (None, "mean") and known[-1]:
                shares = [weight / sum(weights) for weight in weights]
            parts = [share * vector for share, vector in zip(shares, vectors, strict=True)]
            rows.append(sum(parts, torch.zeros(feature.width)))
        found = torch.stack(rows) if rows else torch.zeros(0, feature.width)
        return found, torch.tensor(known, dtype=torch.bool).unsqueeze(1)

    def adapted(self, rows: SideInput, domain: int) -> list[Tensor]:
        """The fields of rows of one domain, each (N, width): defaults for what is missing, then the SE block."""
        own, fields, start = self.fast.adaptation.of(domain), [], 0
        for feature in self.fast.adaptation.layout.fields:
            value, seen = self.field(rows, domain, feature, start)
            default = own.default[start : start + value.shape[1]]
            fields.append(torch.where(seen & self.has(domain, feature), value, default))
            start += value.shape[1]
        if self.config.adaptation != "domain":
            return fields
        squeezed = torch.stack([field.mean(dim=1) for field in fields], dim=1)
        gates = 2 * torch.sigmoid(own.excite(F.relu(own.squeeze(squeezed))))
        return [field * gates[:, [i]] for i, field in enumerate(fields)]

    def network(self, x: Tensor, stack: Stack, index: int, last_linear: bool = False) -> Tensor:
        """A feed-forward network; `last_linear` leaves the last layer without norm and LeakyReLU."""
        norm = self.config.norm
        for layer, (weight, bias) in enumerate(zip(stack.weights, stack.biases, strict=True)):
            x = F.layer_norm(x, x.shape[-1:]) if norm == "pre" else x
            x = x @ weight[index] + bias[index, 0]
            if last_linear and layer == len(stack.weights) - 1:
                continue
            if norm == "post":
                x = F.layer_norm(x, x.shape[-1:], stack.gains[layer][index, 0], stack.shifts[layer][index, 0])
            x = F.leaky_relu(x, self.config.leaky_slope)
        return x

    def embedding(self, t: int, own: DomainExpert, x: Tensor, shallow: Tensor) -> Tensor:
        """emb_deep and emb_shallow of one of a domain's tasks side by side."""
        config, outputs = self.config, [self.network(x, own.experts, t)]
        if config.task_shared_expert:
            outputs.append(self.network(x, own.experts, own.tasks))
        if config.domain_shared_expert:
            outputs.append(self.network(x, self.fast.shared, 0))
        weights = torch.full((len(x), len(outputs)), 1 / len(outputs))
        if config.routing and len(outputs) > 1:
            weights = torch.softmax(self.network(x, own.routers, t, last_linear=True), dim=1)
        routed = [weights[:, [e]] * output for e, output in enumerate(outputs)]
        c = torch.cat(routed, dim=1) if config.composition == "concat" else torch.stack(routed).sum(dim=0)
        if config.norm != "none":
            c = F.layer_norm(c, c.shape[-1:], own.gain[t, 0], own.shift[t, 0])
        embedding: Tensor = own.project[t](crossed(c, own.cross, t))
        if config.shallow_expert:
            embedding = torch.cat([embedding, self.network(shallow, own.shallow, t)], dim=1)
        return embedding

    def __call__(self, distinct: SideInput, pick: Tensor) -> list[list[Tensor | None]]:
        """Per row of `pick` and task its embedding, made for each occurrence anew; None where it lacks the task."""
        found: dict[int, list[Tensor | None]] = {}
        domain_of = distinct.domain[pick]
        for d, tasks in enumerate(self.tasks):
            mine = torch.nonzero(domain_of == d).squeeze(1)
            fields = self.adapted(distinct.take(pick[mine]), d)
            order = self.fast.adaptation.layout.fields
            shallow = [field for field, feature in zip(fields, order, strict=True) if feature.shallow]
            x, own = torch.cat(fields, dim=1), self.fast.experts[d]
            made = {
                task: self.embedding(t, own, x, torch.cat(shallow, dim=1)) for t, task in enumerate(tasks)
            }
            for place, row in enumerate(mine.tolist()):
                found[row] = [made[t][place] if t in made else None for t in range(len(self.fast.widths))]
        return [found[row] for row in range(len(pick))]


def crossed(x0: Tensor, cross: LowRankCross, index: int) -> Tensor:
    """DCN v2: x_{l+1} = x_0 ⊙ (U Vᵀ x_l + b) + x_l."""
    x = x0
    for down, up, bias in zip(cross.down, cross.up, cross.biases, strict=True):
        x = x0 * (x @ down[index] @ up[index] + bias[index, 0]) + x
    return x


class Oracle:
    """log P(task | impression) of every pair, one pair at a time as far as the mathematics goes."""

    def __init__(self, fast: MTMD, declarations: Declarations, config: ModelConfig) -> None:
        domains = declarations.domains
        self.parents, self.products, self.bias = domains.parents, len(domains.products), fast.query.bias
        every = list(range(len(domains.tasks)))
        of_product = [[t for t in every if domains.has_task(p, domains.tasks[t])] for p in domains.products]
        of_surface = [[t for t in every if any(t in own for own in of_product)] for _ in domains.surfaces]
        self.query = PlainTower(fast.query, declarations.query, of_surface, config)
        self.item = PlainTower(fast.item, declarations.item, of_product, config)

    def observe(self, batch: Batch) -> None:
        pairs = Counter(batch.pair_item.tolist())
        self.query.observe(batch.query, [1] * sum(batch.query.counts))
        self.item.observe(batch.item, [pairs[ad] for ad in range(sum(batch.item.counts))])

    def __call__(self, batch: Batch) -> Tensor:
        """(P, T); a task that the pair lacks has the surface's bias as its logit."""
        queries = self.query(batch.query, batch.pair_query)
        items = self.item(batch.item, batch.pair_item)
        rows = []
        for query, item, domain in zip(queries, items, batch.pair_domain.tolist(), strict=True):
            logs: list[Tensor] = []
            for t, (q, i, parent) in enumerate(zip(query, item, self.parents, strict=True)):
                logit = self.bias[domain // self.products, t]
                if q is not None and i is not None:
                    logit = logit + q @ i
                own = F.logsigmoid(logit)
                logs.append(own if parent is None else logs[parent] + own)
            rows.append(torch.stack(logs))
        return torch.stack(rows)
