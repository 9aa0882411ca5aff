"""Values: the types that several endpoints take, with the bounds that barq sets them."""

from typing import Annotated

from msgspec import Meta

from barq.options import LONGEST_TEXT, LONGEST_TYPE

_NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$"

JobId = Annotated[int, Meta(ge=1, le=2**53)]
TypeName = Annotated[str, Meta(min_length=1, max_length=LONGEST_TYPE, pattern=_NO_CONTROLS)]
Text = Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT, pattern=_NO_CONTROLS)]
