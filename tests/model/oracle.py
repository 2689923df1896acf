"""MTMD once more, plainly: one module per expert, one lookup per value, every pair through both towers.

Written from the paper and the docstrings, not from the fast code: fields stay in declaration order, networks
are chains of torch.nn layers, domains are a loop, nothing is fused or shared between the pairs of a request.
`paired_parameters` lines up the two models' weights, to copy them over and to compare gradients.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtmd.config import Declarations, SideSchema
from mtmd.features import Feature
from mtmd.features.multivalued import MultiValued
from mtmd.model.adaptation import SE_REDUCTION, DomainFields
from mtmd.model.batch import Batch, ListInput, SideInput
from mtmd.model.domain_tower import DomainTower, DomainTowers
from mtmd.model.layers import CLIP, EPSILON, Stack
from mtmd.model.mtmd import Settings
from mtmd.model.mtmd.network import DomainExpert, Tower


class PlainNetwork(nn.Module):
    """A feed-forward network; `last_linear` leaves the last layer without norm and LeakyReLU."""

    def __init__(
        self, inputs: int, widths: Sequence[int], config: Settings, last_linear: bool = False
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, width in enumerate(widths):
            if config.norm == "pre":
                layers.append(nn.LayerNorm(inputs, elementwise_affine=False))
            layers.append(nn.Linear(inputs, width))
            if not (last_linear and index == len(widths) - 1):
                if config.norm == "post":
                    layers.append(nn.LayerNorm(width))
                layers.append(nn.LeakyReLU(config.leaky_slope))
            inputs = width
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(x)
        return result


class PlainCross(nn.Module):
    """DCN v2: x_{l+1} = x_0 ⊙ (U Vᵀ x_l + b) + x_l."""

    def __init__(self, width: int, config: Settings) -> None:
        super().__init__()
        rank = min(config.cross_rank, width)
        self.down = nn.ModuleList(nn.Linear(width, rank, bias=False) for _ in range(config.cross_layers))
        self.up = nn.ModuleList(nn.Linear(rank, width) for _ in range(config.cross_layers))

    def forward(self, x0: Tensor) -> Tensor:
        x = x0
        for down, up in zip(self.down, self.up, strict=True):
            x = x0 * up(down(x)) + x
        return x


class PlainNorm:
    """One number column of one domain, normalised with plain Python numbers.

    moments  mean and standard deviation to normalise with, over all values of the window
    """

    def __init__(self, config: Settings) -> None:
        self.min_rows = config.norm_min_rows
        self.values: list[float] = []
        self.moments = plain_moments([], self.min_rows)

    def observe(self, values: Sequence[float]) -> None:
        self.values += values
        self.moments = plain_moments(self.values, self.min_rows)


def plain_moments(values: Sequence[float], min_rows: int) -> tuple[float, float]:
    """Mean and standard deviation; about 0 where there are few values."""
    n = len(values)
    if n == 0:
        return 0.0, math.sqrt(1.0 + EPSILON)
    mean = sum(values) / n
    about = 0.0 if n < min_rows else mean
    return mean, math.sqrt(sum((v - about) ** 2 for v in values) / n + EPSILON)


def is_shallow(feature: Feature) -> bool:
    """A kind of numbers has no such setting."""
    return getattr(feature, "shallow", False)


def field_width(feature: Feature) -> int:
    """Columns of a field in a tower's input: one for a number."""
    return 1 if feature.kind == "continuous" else feature.width


class PlainAdaptation(nn.Module):
    """Fields of one domain, or of all: norm, defaults, SE. The embeddings come from the tower."""

    def __init__(self, schema: SideSchema, config: Settings) -> None:
        super().__init__()
        self.schema = schema
        self.has = torch.from_numpy(schema.present)  # (|domains|, fields)
        self.widths = [field_width(f) for f in schema.fields]
        numeric = {
            i: w
            for i, (f, w) in enumerate(zip(schema.fields, self.widths, strict=True))
            if f.kind in {"continuous", "embedding"}
        }
        self.norms = {i: [PlainNorm(config) for _ in range(w)] for i, w in numeric.items()}
        self.gain = nn.ParameterDict({str(i): nn.Parameter(torch.empty(w)) for i, w in numeric.items()})
        self.shift = nn.ParameterDict({str(i): nn.Parameter(torch.empty(w)) for i, w in numeric.items()})
        self.default = nn.ParameterList(nn.Parameter(torch.empty(w)) for w in self.widths)
        fields = len(self.widths)
        self.gated = config.adaptation == "domain"
        if self.gated:
            self.squeeze = nn.Linear(fields, max(1, fields // SE_REDUCTION))
            self.excite = nn.Linear(max(1, fields // SE_REDUCTION), fields)

    def columns(self, rows: SideInput) -> list[Tensor]:
        """Per field that is no list, the raw values: (N, width) numbers or (N,) ids."""
        c, k = len(self.schema.continuous), len(self.schema.categorical)
        vectors = iter(rows.embedding.split([f.width for f in self.schema.embedding], dim=1))
        return [
            rows.continuous[:, [i]] if i < c else rows.categorical[:, i - c] if i < c + k else next(vectors)
            for i in range(len(self.widths) - len(self.schema.lists))
        ]

    def observe(self, distinct: SideInput, domain: Tensor) -> None:
        """Take in rows of the window: a distinct row counts once, however many pairs it has."""
        for i, raw in enumerate(self.columns(distinct)):
            for j, norm in enumerate(self.norms.get(i, ())):
                norm.observe([v for v in raw[self.has[domain, i], j].tolist() if not math.isnan(v)])

    def forward(self, rows: SideInput, domain: Tensor, tables: "dict[str, PlainTable]") -> list[Tensor]:
        """Adapted fields, each (N, width)."""
        fields = []
        for i, raw in enumerate(self.columns(rows)):
            if i in self.norms:
                seen = ~raw.isnan() & self.has[domain, i].unsqueeze(1)
                mean, std = torch.tensor([norm.moments for norm in self.norms[i]], dtype=torch.float64).T
                z = ((raw.nan_to_num().double() - mean) / std).clamp(-CLIP, CLIP).float()
                value = z * self.gain[str(i)] + self.shift[str(i)]
            else:
                table = tables[self.schema.fields[i].name]
                admitted = torch.tensor([table.admits(value) for value in raw], dtype=torch.bool)
                seen = ((raw > 0) & admitted & self.has[domain, i]).unsqueeze(1)
                value = table.embedding(raw)
            fields.append(torch.where(seen, value, self.default[i]))
        for i, (feature, lists) in enumerate(
            zip(self.schema.lists, rows.lists, strict=True), start=len(fields)
        ):
            value, known = plain_pooling(tables[feature.name], lists, feature)
            fields.append(torch.where((known & self.has[domain, i]).unsqueeze(1), value, self.default[i]))
        if not self.gated:
            return fields
        squeezed = torch.stack([field.mean(dim=1) for field in fields], dim=1)
        gates = 2 * torch.sigmoid(self.excite(F.relu(self.squeeze(squeezed))))
        return [field * gates[:, [i]] for i, field in enumerate(fields)]


@dataclass(frozen=True)
class PlainTable:
    """The table that a feature reads; of a list also q · tanh(W e + b) for attention."""

    embedding: nn.Embedding
    attention: nn.Sequential | None
    least: int
    seen: Counter[int]

    def admits(self, value: Tensor | int) -> bool:
        return self.seen[int(value)] >= self.least


def plain_pooling(table: PlainTable, lists: ListInput, feature: Feature) -> tuple[Tensor, Tensor]:
    """List by list and value by value: pooled embeddings (N, width), and which of them are known (N,)."""
    rows, known, values = [], [], iter(range(len(lists.ids)))
    for length in lists.lengths.tolist():
        places = [next(values) for _ in range(length)]
        places = [place for place in places if table.admits(lists.ids[place])]
        vectors = [table.embedding.weight[lists.ids[place]] for place in places]
        known.append(len(vectors) > 0)
        shares = torch.full((len(vectors),), 1.0 / max(len(vectors), 1))
        if table.attention is not None and vectors:
            shares = torch.softmax(torch.cat([table.attention(vector) for vector in vectors]), dim=0)
        total = torch.zeros(feature.width)
        for share, vector in zip(shares, vectors, strict=True):
            total = total + share * vector
        rows.append(total)
    return torch.stack(rows) if rows else torch.zeros(0, feature.width), torch.tensor(known, dtype=torch.bool)


class PlainDomainExpert(nn.Module):
    """One domain's experts and composition, one module each."""

    def __init__(self, width: int, shallow_width: int, deep_widths: Sequence[int], config: Settings) -> None:
        super().__init__()
        self.config = config
        h = config.expert_widths[-1]
        count = 1 + config.task_shared_expert + config.domain_shared_expert
        composed = count * h if config.composition == "concat" else h
        tasks = range(len(deep_widths))
        self.deep = nn.ModuleList(PlainNetwork(width, config.expert_widths, config) for _ in tasks)
        self.task_shared = nn.ModuleList(
            PlainNetwork(width, config.expert_widths, config) for _ in range(config.task_shared_expert)
        )
        self.shallow = nn.ModuleList(
            PlainNetwork(shallow_width, config.shallow_widths, config) for _ in tasks if config.shallow_expert
        )
        self.router = nn.ModuleList(
            PlainNetwork(width, (*config.router_widths, count), config, last_linear=True)
            for _ in tasks
            if config.routing and count > 1
        )
        self.norm = nn.ModuleList(
            nn.Identity() if config.norm == "none" else nn.LayerNorm(composed) for _ in tasks
        )
        self.cross = nn.ModuleList(PlainCross(composed, config) for _ in tasks)
        self.project = nn.ModuleList(nn.Linear(composed, deep) for deep in deep_widths)

    def forward(self, x: Tensor, shallow: Tensor, domain_shared: Tensor) -> list[Tensor]:
        """Per task, emb_deep and emb_shallow side by side."""
        embeddings = []
        for t, deep in enumerate(self.deep):
            outputs = [deep(x), *(expert(x) for expert in self.task_shared)]
            if self.config.domain_shared_expert:
                outputs.append(domain_shared)
            weights = torch.full((len(x), len(outputs)), 1 / len(outputs))
            if len(self.router):
                weights = torch.softmax(self.router[t](x), dim=1)
            routed = [weights[:, [e]] * output for e, output in enumerate(outputs)]
            c = (
                torch.cat(routed, dim=1)
                if self.config.composition == "concat"
                else sum(routed, torch.zeros(()))
            )
            embedding = self.project[t](self.cross[t](self.norm[t](c)))
            if len(self.shallow):
                embedding = torch.cat([embedding, self.shallow[t](shallow)], dim=1)
            embeddings.append(embedding)
        return embeddings


class PlainTowerOracle(nn.Module):
    def __init__(
        self,
        schema: SideSchema,
        deep_widths: Sequence[int],
        tasks: Sequence[Sequence[int]],
        config: Settings,
        tables: nn.ModuleDict,
    ) -> None:
        """`tables` has those of both towers, by the feature that owns each."""
        super().__init__()
        self.schema = schema
        self.tasks = tasks
        self.widths = [
            deep + (config.shallow_widths[-1] if config.shallow_expert else 0) for deep in deep_widths
        ]
        self.attention = nn.ModuleDict()
        self.tables: dict[str, PlainTable] = {}
        for f in (*schema.categorical, *schema.lists):
            owner = f.hashed_as if f.hashed_as in schema.shared else f"{schema.side}.{f.name}"
            key = owner.replace(".", "_of_")
            if key not in tables:
                tables[key] = nn.Embedding(f.buckets + 1, f.width)
            if isinstance(f, MultiValued) and f.pooling == "attention":
                layers = nn.Linear(f.width, f.width), nn.Tanh(), nn.Linear(f.width, 1, bias=False)
                self.attention[f.name] = nn.Sequential(*layers)
            attention = dict(self.attention.items()).get(f.name)
            self.tables[f.name] = PlainTable(tables[key], attention, f.min_count or 0, Counter())
        adaptations = len(schema.domains) if config.adaptation == "domain" else 1
        self.adaptations = nn.ModuleList(PlainAdaptation(schema, config) for _ in range(adaptations))
        width = sum(field_width(f) for f in schema.fields)
        shallow_width = sum(f.width for f in schema.fields if is_shallow(f))
        self.make_networks(width, shallow_width, deep_widths, config)

    def make_networks(
        self, width: int, shallow_width: int, deep_widths: Sequence[int], config: Settings
    ) -> None:
        """What adapted rows pass: `shared` of all domains, where there is one, and `experts` of each domain."""
        self.shared = nn.ModuleList(
            PlainNetwork(width, config.expert_widths, config) for _ in range(config.domain_shared_expert)
        )
        self.experts = nn.ModuleList(
            PlainDomainExpert(width, shallow_width, [deep_widths[t] for t in own], config)
            for own in self.tasks
        )

    def observe(self, distinct: SideInput, times: Sequence[int]) -> None:
        """Rows of the window, for the norms of their domains, and for how often values are seen: `times` a row."""
        for column, feature in enumerate(self.schema.categorical):
            for value, count in zip(distinct.categorical[:, column].tolist(), times, strict=True):
                self.tables[feature.name].seen[value] += count
        for lists, feature in zip(distinct.lists, self.schema.lists, strict=True):
            repeated = [
                count for count, n in zip(times, lists.lengths.tolist(), strict=True) for _ in range(n)
            ]
            for value, count in zip(lists.ids.tolist(), repeated, strict=True):
                self.tables[feature.name].seen[value] += count
        domain_of = torch.repeat_interleave(torch.tensor(distinct.counts))
        for d in range(len(self.experts)):
            own = torch.nonzero(domain_of == d).squeeze(1)
            self.adaptations[d % len(self.adaptations)].observe(_take(distinct, own), domain_of[own])  # type: ignore[operator]

    def forward(self, distinct: SideInput, pick: Tensor) -> list[Tensor]:
        """Embeddings of the rows `pick` of `distinct`, per task, computed for each occurrence anew."""
        domain_of = torch.repeat_interleave(torch.tensor(distinct.counts))
        order: list[Tensor] = []
        found: list[list[Tensor]] = []
        for d, expert in enumerate(self.experts):
            adaptation = self.adaptations[d % len(self.adaptations)]
            mine = torch.nonzero(domain_of[pick] == d).squeeze(1)
            fields = adaptation(_take(distinct, pick[mine]), domain_of[pick[mine]], self.tables)
            x = torch.cat(fields, dim=1)
            domain_shared = self.shared[0](x) if len(self.shared) else x
            shallow = torch.cat(
                [f for f, feature in zip(fields, self.schema.fields, strict=True) if is_shallow(feature)],
                dim=1,
            )
            own = dict(zip(self.tasks[d], expert(x, shallow, domain_shared), strict=True))
            found.append([own.get(t, torch.zeros(len(mine), w)) for t, w in enumerate(self.widths)])
            order.append(mine)
        back = torch.argsort(torch.cat(order))
        return [torch.cat([domain[t] for domain in found])[back] for t in range(len(found[0]))]


class Oracle(nn.Module):
    """log P(task | impression) of every pair, one pair at a time as far as the mathematics goes."""

    def __init__(
        self, declarations: Declarations, config: Settings, tower: type[PlainTowerOracle] = PlainTowerOracle
    ) -> None:
        super().__init__()
        domains = declarations.domains
        widths = config.emb_deep
        deep_widths = [widths if isinstance(widths, int) else widths[task] for task in domains.task_names]
        self.parents = domains.parents
        self.products = len(domains.products)
        every = list(range(len(domains.tasks)))
        of_product = [[t for t in every if domains.has_task(p, domains.tasks[t])] for p in domains.products]
        of_surface = [[t for t in every if any(t in own for own in of_product)] for _ in domains.surfaces]
        self.tables = nn.ModuleDict()
        self.query = tower(declarations.query, deep_widths, of_surface, config, self.tables)
        self.item = tower(declarations.item, deep_widths, of_product, config, self.tables)
        self.bias = nn.Parameter(torch.empty(len(domains.surfaces), len(domains.tasks)))

    def observe(self, batch: Batch) -> None:
        pairs = Counter(batch.pair_item.tolist())
        self.query.observe(batch.query, [1] * sum(batch.query.counts))
        self.item.observe(batch.item, [pairs[ad] for ad in range(sum(batch.item.counts))])

    def forward(self, batch: Batch) -> Tensor:
        queries = self.query(batch.query, batch.pair_query)
        items = self.item(batch.item, batch.pair_item)
        logs: list[Tensor] = []
        for t, parent in enumerate(self.parents):
            logit = (queries[t] * items[t]).sum(dim=1) + self.bias[batch.pair_domain // self.products, t]
            own = F.logsigmoid(logit)
            logs.append(own if parent is None else logs[parent] + own)
        return torch.stack(logs, dim=1)


def _take(side: SideInput, rows: Tensor) -> SideInput:
    lists = tuple(one.take(rows) for one in side.lists)
    return SideInput(side.continuous[rows], side.categorical[rows], side.embedding[rows], (len(rows),), lists)


# ---- the same weights in both ----------------------------------------------------------------------

Read = Callable[[nn.Parameter], Tensor]
Pairs = Iterator[tuple[Tensor, nn.Parameter]]
# Of two towers, the fast one's place of each of the oracle's columns, and of each of its shallow columns.
Networks = Callable[[Any, Any, Tensor, Tensor, Read], Pairs]


def paired_parameters(
    fast: DomainTowers, plain: Oracle, read: Read, networks: Networks | None = None
) -> Pairs:
    """Each parameter of the oracle with `read` of its counterpart: its values, or its gradient.

    `networks` pairs those of what adapted rows pass, where that is not MTMD's.
    """
    yield read(fast.query.bias), plain.bias
    shared = set()
    for tower, other in ((fast.query, plain.query), (fast.item, plain.item)):
        for own, parameter in _tower_pairs(tower, other, read, networks or _mtmd_pairs):
            if id(parameter) not in shared:
                yield own, parameter
            shared.add(id(parameter))


@torch.no_grad()
def copy_weights(fast: DomainTowers, plain: Oracle, networks: Networks | None = None) -> None:
    """Give the oracle the weights of the fast model, but not its statistics."""
    for source, target in paired_parameters(fast, plain, lambda parameter: parameter.detach(), networks):
        target.copy_(source)


def _table_pairs(fast: DomainTower, plain: PlainTowerOracle, read: Read) -> Pairs:
    tables = fast.adaptation.tables
    for place, (table, weight) in enumerate(zip(tables.layout, tables.read, strict=True)):
        for offset, feature in zip(table.offsets, table.features, strict=True):
            own = plain.tables[feature.name]
            yield read(weight)[offset : offset + feature.buckets + 1], own.embedding.weight
            if not table.multi:
                continue
            pooling = tables.pooling[str(place)]
            if own.attention is not None:
                attention = pooling.attention
                yield read(attention.weight)[0].T, own.attention[0].weight
                yield read(attention.bias)[0, 0], own.attention[0].bias
                yield read(attention.query)[0].T, own.attention[2].weight


def _tower_pairs(fast: DomainTower, plain: PlainTowerOracle, read: Read, networks: Networks) -> Pairs:
    layout = fast.adaptation.layout
    yield from _table_pairs(fast, plain, read)
    # The fast model's column order: where each declared field starts, and which columns are its.
    starts = dict(zip(layout.fields, torch.tensor((0, *layout.widths)).cumsum(0).tolist(), strict=False))
    spans = [list(range(starts[f], starts[f] + w)) for f, w in _declared(plain.schema)]
    columns = torch.tensor([c for span in spans for c in span])
    fields = torch.tensor([layout.fields.index(f) for f in plain.schema.fields])
    for own, other in zip(fast.adaptation.domains, plain.adaptations, strict=True):
        yield from _adaptation_pairs(own, other, spans, fields, read)
    shallow = [c for f, span in zip(plain.schema.fields, spans, strict=True) if is_shallow(f) for c in span]
    first = len(columns) - len(shallow)  # shallow fields come last
    yield from networks(fast, plain, columns, torch.tensor(shallow) - first, read)


def _mtmd_pairs(fast: Tower, plain: PlainTowerOracle, columns: Tensor, shallow: Tensor, read: Read) -> Pairs:
    if fast.shared is not None:
        yield from network_pairs(fast.shared, 0, plain.shared[0], columns, read)
    for own, other in zip(fast.experts, plain.experts, strict=True):
        yield from _expert_pairs(own, other, columns, shallow, read)


def _declared(schema: SideSchema) -> list[tuple[object, int]]:
    return [(f, field_width(f)) for f in schema.fields]


def _adaptation_pairs(
    fast: DomainFields, plain: PlainAdaptation, spans: list[list[int]], fields: Tensor, read: Read
) -> Pairs:
    for i, span in enumerate(spans):
        yield read(fast.default)[span], plain.default[i]
        if str(i) in plain.gain:
            yield read(fast.gain)[span], plain.gain[str(i)]
            yield read(fast.shift)[span], plain.shift[str(i)]
    if not plain.gated:
        return
    yield read(fast.squeeze.weight)[:, fields], plain.squeeze.weight
    yield read(fast.squeeze.bias), plain.squeeze.bias
    yield read(fast.excite.weight)[fields], plain.excite.weight
    yield read(fast.excite.bias)[fields], plain.excite.bias


def network_pairs(fast: Stack, network: int, plain: PlainNetwork, columns: Tensor, read: Read) -> Pairs:
    linears = [layer for layer in plain.layers if isinstance(layer, nn.Linear)]
    norms = [layer for layer in plain.layers if isinstance(layer, nn.LayerNorm) and layer.elementwise_affine]
    for layer, linear in enumerate(linears):
        weight = read(fast.weights[layer])[network]  # (in, out)
        yield (weight[columns] if layer == 0 else weight).T, linear.weight
        yield read(fast.biases[layer])[network, 0], linear.bias
    for layer, norm in enumerate(norms):
        yield read(fast.gains[layer])[network, 0], norm.weight
        yield read(fast.shifts[layer])[network, 0], norm.bias


def _expert_pairs(
    fast: DomainExpert, plain: PlainDomainExpert, columns: Tensor, shallow_columns: Tensor, read: Read
) -> Pairs:
    tasks = len(plain.deep)
    for e, network in enumerate((*plain.deep, *plain.task_shared)):
        yield from network_pairs(fast.experts, e, network, columns, read)
    for t in range(tasks):
        if fast.routers is not None:
            yield from network_pairs(fast.routers, t, plain.router[t], columns, read)
        if fast.shallow is not None:
            yield from network_pairs(fast.shallow, t, plain.shallow[t], shallow_columns, read)
        if isinstance(norm := plain.norm[t], nn.LayerNorm):
            yield read(fast.gain)[t, 0], norm.weight
            yield read(fast.shift)[t, 0], norm.bias
        for layer, (down, up) in enumerate(zip(plain.cross[t].down, plain.cross[t].up, strict=True)):
            yield read(fast.cross.down[layer])[t].T, down.weight
            yield read(fast.cross.up[layer])[t].T, up.weight
            yield read(fast.cross.biases[layer])[t, 0], up.bias
        yield read(fast.project[t].weight), plain.project[t].weight
        yield read(fast.project[t].bias), plain.project[t].bias
