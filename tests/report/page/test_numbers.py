import pytest

from mtmd.report.page.charts import decimal, enumerated, minus, percent, scientific


def test_signs_are_as_wide_as_each_other() -> None:
    assert minus("[-5.2, +2.4]") == "[−5.2, +2.4]"
    assert percent(-0.0134) == "−1.3%"
    assert percent(0.0917) == "+9.2%"


def test_what_is_undefined_is_a_dash_or_says_so() -> None:
    assert (percent(None), decimal(None), scientific(None)) == ("–", "–", "not finite")
    assert (decimal(0.34312), scientific(2.5e-7)) == ("0.3431", "2.5e−07")


@pytest.mark.parametrize(
    ("names", "words"), [([], "none"), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_listed_as_in_a_sentence(names: list[str], words: str) -> None:
    assert enumerated(names) == words
