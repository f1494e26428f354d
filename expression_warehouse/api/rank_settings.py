"""What ranks and filters pairs: the session settings of vw_pair_metrics_ranked."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from expression_warehouse.core.view_settings import NUMBERS

# An HTML form sends an empty string for a choice left open.
_Absent = BeforeValidator(lambda value: None if value == "" else value)
# As the view does.
_Lower = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
# What the type of the column pair_rank can hold.
_GREATEST_RANK = 2**31 - 1
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9_ .()-]{1,100}$")]


def _number(name: str, description: str) -> Any:
    return Field(ge=NUMBERS[name].least, le=NUMBERS[name].greatest, description=description)


class RankSettings(BaseModel):
    """Query parameters; each has the view's default."""

    model_config = ConfigDict(extra="forbid")

    disease: Annotated[Label, Field(description="A label of dim_disease.")] = "SEPSIS"
    technology: Annotated[Literal["MICROARRAY", "RNA-SEQ"] | None, _Absent] = None
    organism: Annotated[Annotated[Label, StringConstraints(to_upper=True)] | None, _Absent] = None
    contrast: Annotated[
        Label,
        StringConstraints(to_lower=True),
        Field(description="A contrast of the disease, or all."),
    ] = "all"
    q_basis: Annotated[
        Literal["hk", "spec", "dependent"],
        _Lower,
        Field(
            description="hk: Hartung-Knapp; spec: the least q of z tests; dependent: likewise, "
            "with both contrasts combined as dependent."
        ),
    ] = "hk"
    q: Annotated[float, _number("q", "Greatest q_star.")] = 0.05
    k_min: Annotated[int, _number("k_min", "Least number of studies.")] = 3
    i2_max: Annotated[float, _number("i2_max", "Greatest I2 in percent.")] = 75
    limit: Annotated[int | None, Field(ge=1, description="Rows per slice; None: all.")] = 100

    @property
    def session(self) -> dict[str, str]:
        """Setting → value, for the view."""
        names = ("disease", "contrast", "q_basis", "q", "k_min", "i2_max")
        return {name: str(getattr(self, name)) for name in names}

    @property
    def parameters(self) -> dict[str, str | int | None]:
        """Parameters of the query OF_VIEW."""
        return {
            "last_rank": self.limit or _GREATEST_RANK,
            "technology": self.technology,
            "organism": self.organism,
        }

    @property
    def rank_parameters(self) -> dict[str, str | int | None]:
        """Parameters of the query OF_SNAPSHOT."""
        return {
            **self.parameters,
            "disease": self.disease,
            "ranked_by": self.contrast,
            "q_basis": self.q_basis,
            "q": str(self.q),
            "i2_max": str(self.i2_max),
            "k_min": self.k_min,
        }


def faults(error: ValidationError) -> str:
    """What is wrong with settings, in plain words: each name, its value and what is expected."""
    return "; ".join(
        f"there is no setting {fault['loc'][-1]}"
        if fault["type"] == "extra_forbidden"
        else f"{fault['loc'][-1]} is {fault['input']!r}: {fault['msg']}"
        for fault in error.errors()
    )
