import torch
from torch import nn

from mtmd.train.table_block import blocks_of


def tables() -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(rows, width)) for rows, width in ((5, 4), (3, 2), (37, 4))]


def test_tables_of_a_width_lie_in_one_block_until_they_are_released() -> None:
    own = tables()
    before = [table.detach().clone() for table in own]
    wide, narrow = blocks_of(own)
    assert list(wide.first.values()) == [0, 5]
    assert list(narrow.first) == [own[1]]
    assert own[0].untyped_storage().data_ptr() == own[2].untyped_storage().data_ptr()
    wide.release()
    assert own[0].untyped_storage().data_ptr() != own[2].untyped_storage().data_ptr()
    assert all(torch.equal(table, old) for table, old in zip(own, before, strict=True))


@torch.no_grad()
def test_a_block_gives_each_table_the_bits_that_it_has_by_itself() -> None:
    """Steps in a block of two tables, and in a block each; rows rest for long, where powers are rounded."""
    together, alone = tables()[::2], tables()[::2]
    blocks = [blocks_of(together), [block for table in alone for block in blocks_of([table])]]
    states: list[dict[torch.Tensor, dict[str, torch.Tensor]]] = [
        {t: {} for t in own} for own in (together, alone)
    ]
    random = torch.Generator().manual_seed(1)
    for step in range(240):
        rows = [torch.randint(len(t) if step % 40 == 0 else 4, (6,), generator=random) for t in together]
        values = torch.randn(6, 4, generator=random)
        for own, state, its in zip((together, alone), states, blocks, strict=True):
            for block in its:
                block.catch_up(state, [(t, r) for t, r in zip(own, rows, strict=True) if t in block.first])
            for table, read in zip(own, rows, strict=True):
                table.grad = torch.sparse_coo_tensor(read[None], values, table.shape, check_invariants=True)
            for block in its:
                block.update(state, 0.01)
    for one, other in zip(together, alone, strict=True):
        assert torch.equal(one, other)
        for name in ("step", "exp_avg", "exp_avg_sq"):
            assert torch.equal(states[0][one][name], states[1][other][name]), name
