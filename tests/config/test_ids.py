import pytest
from pydantic import ValidationError

from mtmd.config import Declarations, IdsConfig, Preset


def test_ids_are_numbers_unless_a_preset_says_otherwise(tiny_preset: Preset) -> None:
    assert tiny_preset.ids == IdsConfig(request="BIGINT", user="BIGINT", ad="BIGINT")
    assert tiny_preset.declarations.ids == tiny_preset.ids


def test_only_ids_of_another_type_are_part_of_what_names_outputs_and_bundles(tiny_preset: Preset) -> None:
    assert "ids" not in tiny_preset.declarations.model_dump(mode="json")
    other = tiny_preset.declarations.model_copy(update={"ids": IdsConfig(request="UUID")})
    dumped = other.model_dump(mode="json")
    assert dumped["ids"] == {"request": "UUID", "user": "BIGINT", "ad": "BIGINT"}
    assert Declarations.model_validate(dumped) == other


@pytest.mark.parametrize("given", [{"ad": "INTEGER"}, {"ad": "bigint"}, {"campaign": "UUID"}])
def test_other_types_and_other_ids_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"ad|campaign"):
        IdsConfig.model_validate(given)
