"""Values: the types that several endpoints take, with the bounds that barq sets them."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from barq.options import LONGEST_TEXT, LONGEST_TYPE, MOST_PRIORITY

_NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$"

JobId = Annotated[int, Meta(ge=1, le=2**53)]
TypeName = Annotated[str, Meta(min_length=1, max_length=LONGEST_TYPE, pattern=_NO_CONTROLS)]
WorkerId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Text = Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT, pattern=_NO_CONTROLS)]

# in JSON a whole number may be written as 5.0
WholeNumber = Annotated[float, Meta(multiple_of=1, extra_json_schema={"type": "integer"})]
PriorityValue = (
    Literal["low", "normal", "medium", "high", "critical"]
    | Annotated[WholeNumber, Meta(gt=-MOST_PRIORITY, lt=MOST_PRIORITY)]
)
Data = Annotated[Any, Meta(extra_json_schema={"$ref": "#/components/schemas/Data"})]


def whole(priority: str | float) -> str | int:
    return priority if isinstance(priority, str) else int(priority)


class Created(msgspec.Struct):
    """A job that was stored."""

    id: int
    type: str


class Changed(msgspec.Struct):
    """False: it was so already."""

    changed: bool
