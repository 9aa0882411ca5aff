"""Mask: secrets in data, results and progress, by the names of their fields, hidden from who looks on."""

from collections.abc import Iterable
from typing import Any, Final

from barq.errors import InvalidType, InvalidValue, shown

HIDDEN: Final = "***"
_DEEPEST: Final = 500
"""As deep as barq's own codec goes; what another one nests deeper is hidden as a whole."""


class Mask:
    """Hides what stands under the fields named, at any depth: "password", or with its parent "card.number".

    >>> Mask(["password", "card.number"]).applied({"user": {"Password": "x"}, "card": {"number": 1, "type": "visa"}})
    {'user': {'Password': '***'}, 'card': {'number': '***', 'type': 'visa'}}
    """

    def __init__(self, fields: Iterable[str] = ()) -> None:
        if isinstance(fields, str):
            raise InvalidType(f"mask must be a list of field names, got {fields!r}")
        self._by_name: dict[str, list[tuple[str, ...]]] = {}
        for field in fields:
            if not isinstance(field, str):
                raise InvalidType(f"a masked field must be a str, got {shown(field)}")
            path = tuple(field.lower().split("."))
            if "" in path:
                raise InvalidValue(f"a masked field must be a name such as 'password' or 'card.number', got {field!r}")
            self._by_name.setdefault(path[-1], []).append(path)

        self._longest = max((len(path) for paths in self._by_name.values() for path in paths), default=0)

    def __bool__(self) -> bool:
        """Whether it hides anything."""
        return bool(self._by_name)

    def applied(self, value: Any) -> Any:
        return self._walked(value, (), 0) if self._by_name else value

    def restored(self, value: Any, stored: Any) -> Any:
        """What somebody sends back who was shown `stored` with its secrets hidden: these are put back where they stood.

        >>> Mask(["password"]).restored({"user": "ann", "password": "***"}, {"user": "bob", "password": "x"})
        {'user': 'ann', 'password': 'x'}
        """
        return self._put_back(value, stored, ()) if self._by_name else value

    def _put_back(self, value: Any, stored: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, dict) and isinstance(stored, dict):
            found = {}
            for key, item in value.items():
                here = (*path, str(key).lower())[-self._longest :]
                hidden = item == HIDDEN and key in stored and self._hides(here)
                found[key] = stored[key] if hidden else self._put_back(item, stored.get(key), here)
            return found
        if isinstance(value, list) and isinstance(stored, list | tuple):
            kept = [*stored[: len(value)], *[None] * (len(value) - len(stored))]
            return [self._put_back(item, before, path) for item, before in zip(value, kept, strict=True)]
        return value

    def _walked(self, value: Any, path: tuple[str, ...], depth: int) -> Any:
        # loops, not comprehensions: those take frames of their own, of which there are 1,000
        if depth > _DEEPEST:
            return HIDDEN
        if isinstance(value, dict):
            shown = {}
            for key, item in value.items():
                here = (*path, str(key).lower())[-self._longest :]
                shown[key] = HIDDEN if self._hides(here) else self._walked(item, here, depth + 1)
            return shown
        if isinstance(value, list | tuple):
            items = []
            for item in value:
                items.append(self._walked(item, path, depth + 1))  # noqa: PERF401
            return items
        return value

    def _hides(self, path: tuple[str, ...]) -> bool:
        return any(path[-len(field) :] == field for field in self._by_name.get(path[-1], ()))
