"""A mapping from paths to values that knows who is below whom, so that a part of a big tree is cheap to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")


class Tree(Generic[ValueT]):
    """Parents need not be in the tree for their children to be found. The root is ""."""

    def __init__(self, items: Iterable[tuple[str, ValueT]] = ()) -> None:
        self._values: dict[str, ValueT] = {}
        self._below: dict[str, set[str]] = {}
        for path, value in items:
            self.put(path, value)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, path: str) -> bool:
        return path in self._values

    def get(self, path: str) -> ValueT | None:
        """The value at `path`."""
        return self._values.get(path)

    def items(self) -> Iterator[tuple[str, ValueT]]:
        """Every path with its value, in no order."""
        return iter(self._values.items())

    def put(self, path: str, value: ValueT | None) -> None:
        """Set the value at `path`; None takes it out."""
        if value is None:
            if self._values.pop(path, None) is not None:
                self._unlink(path)
        else:
            if path not in self._values:
                self._link(path)
            self._values[path] = value

    def names(self, path: str) -> set[str]:
        """The paths right below `path`. Not to be changed."""
        return self._below.get(path, _NONE)

    def below(self, path: str) -> list[str]:
        """Every path that has a value, from `path` downwards, parents first."""
        found: list[str] = []
        stack = [path]
        while stack:
            at = stack.pop()
            if at in self._values:
                found.append(at)
            stack.extend(sorted(self._below.get(at, _NONE), reverse=True))
        return found

    def replace(self, path: str, items: Iterable[tuple[str, ValueT]]) -> None:
        """Forget everything from `path` downwards ("" for all) and put `items` there."""
        for old in self.below(path):
            self.put(old, None)
        for new, value in items:
            self.put(new, value)

    def _link(self, path: str) -> None:
        while path:
            parent = parent_of(path)
            siblings = self._below.setdefault(parent, set())
            if path in siblings:
                return
            siblings.add(path)
            path = parent

    def _unlink(self, path: str) -> None:
        while path and path not in self._values and not self._below.get(path):
            self._below.pop(path, None)
            parent = parent_of(path)
            self._below[parent].discard(path)
            path = parent
        if not path and not self._below.get(""):
            self._below.pop("", None)


_NONE: set[str] = set()


def parent_of(path: str) -> str:
    """The folder that `path` is in; "" for the root."""
    return path.rpartition("/")[0]
