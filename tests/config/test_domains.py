"""Domains, tasks and their order."""

import numpy as np
import pytest
from pydantic import ValidationError

from mtmd.config import Domain, Domains, Slice, Task

CTR = Task(name="ctr", label="clicked")
GCTR = Task(name="gctr", label="good_clicked", parent="ctr")
OCTR = Task(name="octr", label="outbound_clicked", parent="ctr", products=("standard",))


def test_a_domains_index_is_surface_times_products_plus_product() -> None:
    domains = Domains(tasks=(CTR,))
    assert domains.surfaces == ("home_feed", "search", "related_pin")
    assert domains.products == ("standard", "shopping")
    for s, surface in enumerate(domains.surfaces):
        for p, product in enumerate(domains.products):
            assert domains.domains[s * 2 + p] == Domain(surface, product)


def test_there_are_15_slices_and_octr_is_never_on_shopping() -> None:
    slices = Domains(tasks=(CTR, GCTR, OCTR)).slices
    assert len(slices) == len(set(slices)) == 15
    assert {s.product for s in slices if s.task == "octr"} == {"standard"}
    assert slices[0] == Slice("home_feed", "standard", "ctr")
    assert str(slices[0]) == "home_feed × standard × ctr"


def test_the_mask_says_which_tasks_a_domain_has() -> None:
    mask = Domains(tasks=(CTR, GCTR, OCTR)).task_mask
    assert mask.dtype == np.bool_
    assert mask.tolist() == [[True, True, True], [True, True, False]] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surfaces": ("search", "search")}, r"surface names \['search', 'search'\] must be distinct"),
        ({"tasks": (GCTR, CTR)}, r"'gctr' has parent 'ctr', which must be a task declared before it"),
        (
            {"products": ("video",), "tasks": (CTR, OCTR)},
            r"'octr' names products \['standard'\]; declared: \['video'\]",
        ),
        ({"surfaces": ("all",)}, r"surface names \['all'\] must not have 'all'"),
        ({"surfaces": ("home/feed",)}, r"should match pattern"),
        ({"surfaces": tuple(f"s{n}" for n in range(129))}, r"at most 128 items"),
        (
            {
                "tasks": (
                    CTR.model_copy(update={"products": ("standard",)}),
                    {"name": "gctr", "label": "g", "parent": "ctr"},
                )
            },
            r"'gctr' is on product 'shopping'; so must be its parent 'ctr'",
        ),
        ({"tasks": (CTR.model_copy(update={"products": ("standard",)}),)}, r"product 'shopping' has no task"),
        ({"tasks": (CTR.model_dump() | {"maturity": 2},)}, r"'ctr' has maturity 2, which is of labels"),
        ({"tab": 1}, r"Extra inputs are not permitted"),
    ],
)
def test_wrong_domains_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Domains.model_validate({"tasks": (CTR,)} | change)
