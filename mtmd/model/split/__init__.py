"""`split`: a network for each product, or each surface, that is trained on its own rows; all in one bundle."""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from mtmd.config import Declarations
from mtmd.config.model import AnyModel, ModelSettings

By = Literal["product", "surface"]


class Settings(ModelSettings):
    """Which networks there are, and what each of them is."""

    label: ClassVar[str] = "split models"
    architecture: Literal["split"] = "split"
    by: By = Field("product", description="what each network is of")
    each: AnyModel = Field(
        description="the architecture of each network, `mmoe_dcn` when left out, and its settings"
    )

    @model_validator(mode="before")
    @classmethod
    def _usual(cls, given: Any) -> Any:
        """Norms of the networks are of as few rows as `norm_min_rows` says, unless `each` says otherwise."""
        if not isinstance(given, dict) or not isinstance(each := given.get("each", {}), dict):
            return given
        usual = {key: given[key] for key in ("norm_min_rows",) if key in given}
        return given | {"each": {"architecture": "mmoe_dcn"} | usual | each}

    def check(self, declarations: Declarations, table: str) -> None:
        """Each network is one that may go live, fits the tasks, and has a shallow feature if it needs one."""
        inner = self.each.architecture
        if inner == self.architecture or not self.each.servable:
            raise ValueError(
                f"{table}.each.architecture ({inner!r}) must be of one network that may go live; use another"
            )
        self.each.check(declarations, f"{table}.each")
        side = declarations.item if self.by == "product" else declarations.query
        shallow = [getattr(field, "shallow", False) for field in side.fields]
        for name, present in zip(side.domains, side.present, strict=True):
            if getattr(self.each, "shallow_expert", False) and not (present & shallow).any():
                raise ValueError(
                    f"{self.by} {name!r} has no shallow feature, which the shallow experts of {table}.each read; mark "
                    "one with shallow = true, or set shallow_expert = false"
                )
