"""Text from outside made safe for a terminal, measured and cut in columns.

Containers, builds and registries are hostile: no sequence of theirs may move the cursor, set a title or ring a bell.
"""

from __future__ import annotations

import re
import unicodedata

# Control sequences with their end (CSI, then strings such as OSC, then the rest), in 7-bit and 8-bit form.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
# What is left of control characters, and the marks that turn the reading direction of a line around.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SUSPECT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str, *, styles: bool = False) -> str:
    """One line that is safe to print. `styles` keeps colours, and ends them with the line.

    After a carriage return a terminal would have overwritten the line, so the last such part is the line.
    """
    text = text.expandtabs(4)
    if not _SUSPECT.search(text):
        return text
    if "\r" in text:
        text = next((part for part in reversed(text.split("\r")) if part), "")
    text = text.replace("\n", " ")
    if not styles:
        return _CONTROL.sub("", _SEQUENCE.sub("", text))
    kept = _SEQUENCE.sub(lambda match: match[0] if _STYLE.fullmatch(match[0]) else "", text)
    parts = [_CONTROL.sub("", part) for part in _STYLE.split(kept)]
    codes = _STYLE.findall(kept)
    joined = parts[0] + "".join(code + part for code, part in zip(codes, parts[1:], strict=True))
    return joined + "\x1b[0m" if codes else joined


def width(text: str) -> int:
    """How many terminal columns `text` takes; colour sequences take none."""
    plain = _STYLE.sub("", text)
    return len(plain) if plain.isascii() else sum(map(_cells, plain))


def _cells(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def clip(text: str, columns: int) -> str:
    """`text` cut to `columns`, with an ellipsis when something was cut; colours are kept and ended."""
    if width(text) <= columns:
        return text
    taken, used = [], 0
    styled = False
    for piece in re.split(r"(\x1b\[[0-9;]*m)", text):
        if _STYLE.fullmatch(piece):
            styled = True
            taken.append(piece)
            continue
        for char in piece:
            used += _cells(char)
            if used > columns - 1:
                return "".join(taken) + ("…" if columns > 0 else "") + ("\x1b[0m" if styled else "")
            taken.append(char)
    return "".join(taken)


def pad(text: str, columns: int) -> str:
    """`text` with spaces up to `columns`."""
    return text + " " * (columns - width(text))
