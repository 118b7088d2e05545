"""Secret values taken out of everything before anybody draws or writes it.

Knows the values and the forms they usually take on their way out (JSON, URL, base64, one line of several). It does not
guess: what is not derived from a known secret stays.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Iterable
from typing import Any

from kdev.core.events import Event
from kdev.core.ports import Reporter
from kdev.core.step import ReasonKind

MASK = "***"
_SHORT = 4
"""Shorter secrets are taken out where they stand alone only: taking every `a` out would leave nothing to read."""


class Redactor:
    """Replaces every known secret by a mask."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        # Longest first, so that a secret that contains another goes as a whole.
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        alternatives = [re.escape(form) if len(form) >= _SHORT else rf"(?<!\w){re.escape(form)}(?!\w)"
                        for form in ordered]
        self._pattern = re.compile("|".join(alternatives)) if alternatives else None

    def text(self, text: str) -> str:
        """`text` without secrets."""
        if self._pattern is None:
            return text
        # What a mask joins may be a secret again; a mask is shorter than a long secret, so this ends.
        for _ in range(len(text) + 1):
            shorter = self._pattern.sub(MASK, text)
            if shorter == text:
                break
            text = shorter
        return text

    def value(self, value: Any) -> Any:
        """A value of strings, tuples and NamedTuples, with every string redacted and every kind kept."""
        if isinstance(value, str):
            return value if isinstance(value, ReasonKind) else self.text(value)
        if isinstance(value, tuple):
            items = [self.value(item) for item in value]
            return type(value)._make(items) if hasattr(value, "_make") else tuple(items)
        return value


class Redacting:
    """A Reporter before another one: passes every event on without secrets. Meets core.ports.Reporter."""

    def __init__(self, behind: Reporter, redactor: Redactor) -> None:
        self._behind = behind
        self._redactor = redactor

    def tell(self, event: Event) -> None:
        self._behind.tell(self._redactor.value(event))

    def close(self) -> None:
        self._behind.close()


def _forms(secret: str) -> set[str]:
    # Output comes line by line, so a secret of several lines is looked for line by line as well.
    lines = {line.strip() for line in secret.splitlines()}
    texts = {text for text in {secret, *lines} if text.strip() and set(text) != set(MASK)}
    forms = set(texts)
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        if len(text) >= _SHORT:
            forms |= {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
            forms |= {urllib.parse.quote(raw), urllib.parse.quote(raw, safe=""), urllib.parse.quote_plus(raw)}
            forms |= {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return forms
