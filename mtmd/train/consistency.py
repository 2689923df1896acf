"""The order of candidates: a term of the loss that compares those of a request, or of a domain, with each other.

After COPR (Zhao et al., "COPR: Consistency-Oriented Pre-Ranking for Online Advertising", arXiv 2306.03516), which
weighs two ads of a request by what their exchange would cost the ranker's NDCG. Not in MTMD's paper. Deviations from
COPR: shards have no bids, so candidates are ordered by each task's score alone, as with equal bids. The student learns
how far apart the teacher puts two candidates, and not only which one is ahead, so that the term and the KL have the
same best student. A candidate is compared with those 1, 2, 4, 8, … places above it.

Shapes: P pairs (request, ad), T tasks, G groups of pairs (requests, or domains).
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F


def order_divergence(
    log_p: Tensor,
    teacher: Tensor,
    group: Tensor,
    weight: Tensor | None = None,
    total: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Mean over comparisons of KL(q ‖ q̂), weighted by ΔNDCG: (T,), 0 for a task without comparisons.

        q  = t_i / (t_i + t_j)                     the teacher's share of the upper one of two candidates
        q̂  = p̂_i / (p̂_i + p̂_j)                     the student's
        ΔNDCG = (t_i − t_j)(d_i − d_j) / Σ_k d_k t_k        with d = 1 / log2(2 + rank), ranks by t from 0

    A group without scores of a task has no comparison there, nor has a group of one; equal scores weigh nothing.

    log_p, teacher  (P, T), the teacher NaN where it has no score     group  (P,) int64, of each pair
    weight          (P,), how often a pair counts; None where each counts once. Both of a comparison weigh it
    total           of the divisors (T,) of all parts of a batch, where this is one; the results of all add up
    """
    if not len(group):
        return log_p.new_zeros(log_p.shape[1])
    known = ~teacher.isnan()
    dtype = torch.promote_types(log_p.dtype, torch.float32)
    # One sort orders by group, then by falling score: scores are in [0, 1], and unknown ones come last in their group.
    key = 2.0 * group.double()[:, None] - torch.where(known, teacher, -0.5).double()
    order = key.sort(dim=0, stable=True).indices  # (P, T)
    rank, row = _places(group.sort().values)  # of the sorted rows, so the same for all tasks
    t = torch.where(known, teacher, 0.0).to(dtype).gather(0, order)
    x = torch.where(known, log_p, 0.0).to(dtype).gather(0, order)
    known = known.gather(0, order)
    counted = None if weight is None else weight.to(dtype)[order]
    discount = (1.0 / torch.log2(2.0 + rank.to(dtype)))[:, None]
    gain = t / _group_sums(discount * t, row).clamp_min(torch.finfo(dtype).tiny)[row]
    sums, costs = (log_p.new_zeros(log_p.shape[1], dtype=dtype) for _ in range(2))
    for distance in _distances(int(rank.max())):
        upper, lower = slice(None, -distance), slice(distance, None)
        compared = known[lower] & (rank[lower] >= distance)[:, None]  # then the upper one is known too
        cost = (gain[upper] - gain[lower]) * (discount[upper] - discount[lower]) * compared  # ΔNDCG
        if counted is not None:
            cost = cost * counted[upper] * counted[lower]
        sums = sums + (cost * _share_kl(t[upper], t[lower], x[upper] - x[lower])).sum(dim=0)
        costs = costs + cost.sum(dim=0)
    costs = costs if total is None else total(costs)
    return sums / costs.where(costs > 0, 1.0)


def _share_kl(upper: Tensor, lower: Tensor, student: Tensor) -> Tensor:
    """KL between Bernoulli(upper / (upper + lower)) and Bernoulli(sigmoid(student)), nats, elementwise.

    −q ln σ(x) − (1 − q) ln σ(−x) = softplus(−x) + (1 − q) x, less the entropy of q.
    """
    total = upper + lower
    rest = torch.where(total > 0, lower / total.where(total > 0, 1.0), 0.5)  # 1 − q
    entropy = torch.xlogy(rest, rest) + torch.xlogy(1.0 - rest, 1.0 - rest)
    return F.softplus(-student) + rest * student + entropy


def _places(group: Tensor) -> tuple[Tensor, Tensor]:
    """Of ascending groups (P,): each row's rank in its group, from 0, and the group's number; (P,) int64 each."""
    counts = torch.unique_consecutive(group, return_counts=True)[1]
    row = torch.repeat_interleave(counts)
    return torch.arange(len(group), device=group.device) - (counts.cumsum(0) - counts)[row], row


def _distances(last: int) -> Iterator[int]:
    """Places between the two of a comparison, up to `last`: n candidates have about n log2(n) comparisons.

    So there are neighbours and candidates far apart, and all pairs of up to three.
    """
    distance = 1
    while distance <= last:
        yield distance
        distance *= 2


def _group_sums(values: Tensor, row: Tensor) -> Tensor:
    """Sum of (P, T) values of each group: (G, T)."""
    return values.new_zeros(int(row[-1]) + 1, values.shape[1]).index_add_(0, row, values)
