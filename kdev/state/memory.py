"""Small remembered facts: answers to variables, the last context and namespace. Text by area and key; no secrets."""

from __future__ import annotations

from kdev.state.store import Store


class Memory:
    """One area, e.g. `variables` or `target`."""

    def __init__(self, store: Store, area: str) -> None:
        self._store = store
        self._area = area

    def get(self, key: str) -> str | None:
        """The remembered text."""
        rows = self._store.rows("SELECT value FROM memory WHERE area=? AND key=?", (self._area, key))
        return str(rows[0][0]) if rows else None

    def all(self) -> dict[str, str]:
        """Everything in the area, by key."""
        return dict(self._store.rows("SELECT key, value FROM memory WHERE area=? ORDER BY key", (self._area,)))

    def set(self, key: str, value: str) -> None:
        """Remember; durable when it returns."""
        self._store.execute("INSERT OR REPLACE INTO memory VALUES (?,?,?)", (self._area, key, value))

    def forget(self, key: str) -> None:
        """Forget one key; missing is fine."""
        self._store.execute("DELETE FROM memory WHERE area=? AND key=?", (self._area, key))

    def clear(self) -> None:
        """Forget the area."""
        self._store.execute("DELETE FROM memory WHERE area=?", (self._area,))
