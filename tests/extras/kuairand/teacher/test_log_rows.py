"""What a teacher reads of contract logs, and which labels may teach."""

import numpy as np
import pyarrow.compute as pc
import pytest

from mtmd.extras.kuairand.log_rows import LogRows
from tests.extras.kuairand.teacher.logs import DECLARATIONS, DOMAINS, FIRST, ads, candidates, requests

ROWS = candidates(("r1", "shop", "k"), ("r2", "shop", "s"), ("r3", "shop", "-"), ("r4", "pin", "c"))


def read(declarations=DECLARATIONS) -> LogRows:
    """Four candidates; nobody knows whether the second one was clicked."""
    clicked = pc.if_else(pc.equal(ROWS["request_id"], "r2"), None, ROWS["clicked"])
    rows = LogRows(declarations)
    tables = {
        "requests": requests(FIRST, *({"request_id": f"r{n}", "age": 10.0 * n} for n in range(1, 5))),
        "ads": ads({"ad_id": "shop", "brand": None}, {"ad_id": "pin", "product": "pin", "look": None}),
        "candidates": ROWS.set_column(ROWS.column_names.index("clicked"), "clicked", clicked),
    }
    rows.add(FIRST, tables)
    return rows


def test_labels_are_known_of_shown_ads_whose_product_has_the_task() -> None:
    rows = read()
    assert rows.exists()[:, 1].tolist() == [True, True, True, False]
    teaching = rows.teaching()
    assert teaching.known.tolist() == [[True] * 3, [False, True, True], [False] * 3, [True, False, False]]
    assert teaching.labels.tolist() == [[True] * 3, [False] * 3, [False] * 3, [True, False, False]]
    # a child teaches where its parent happened
    assert teaching.teaches.tolist() == [[True] * 3, [False] * 3, [False] * 3, [True, False, False]]


def test_scores_follow_the_tree_also_where_modelling_is_not_constrained() -> None:
    free = DECLARATIONS.model_copy(update={"domains": DOMAINS.model_copy(update={"constrained": False})})
    assert read(free).teaching().parents == (None, 0, 1)


def test_inputs_are_codes_numbers_and_cosines() -> None:
    rows = read()
    inputs = rows.inputs(rows.teaching())
    fields = ("user", "ad", "surface", "product", "hour", "brand", "domain")
    codes = dict(zip(fields, inputs.codes.T.tolist(), strict=True))
    assert (codes["user"], codes["ad"]) == ([1, 1, 1, 1], [1, 1, 1, 2])
    assert codes["brand"] == [0, 0, 0, 1]  # 0 is missing
    assert codes["product"] == [1, 1, 1, 2]
    assert inputs.ids == (0, 1)
    age = (np.arange(4) - 1.5) / np.std(np.arange(4))
    assert inputs.static[:, 2] == pytest.approx(age)
    # sine and cosine of 03:00, age, taste (2), price, look (2), and the cosine of taste and look
    assert inputs.static.shape == (4, 9)
    assert np.isfinite(inputs.static).all()
    assert inputs.past.shape[1] % 4 == 0
    assert (inputs.past == 0).all()  # of the first day nothing is known
