"""The files of one load: read once, their digests kept, including those that were looked for and are not there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from kdev.errors import ConfigError, Mark, Problem
from kdev.spec.nodes import Node
from kdev.spec.problems import Problems
from kdev.spec.source import MOST_BYTES, parse


class Files:
    """Reads files around `root` (absolute). `digests`: POSIX path relative to the root → SHA-256, "" when absent."""

    def __init__(self, root: Path, problems: Problems) -> None:
        self.root = root
        self.digests: dict[str, str] = {}
        self._problems = problems

    def name(self, path: Path) -> str:
        """`path` as the rest of the program calls it: POSIX, relative to the root."""
        return Path(os.path.relpath(path, self.root)).as_posix()

    def bytes(self, path: Path) -> bytes | None:
        """The file's bytes; None when there is no such file. Raises ConfigError when it cannot be read."""
        name = self.name(path)
        try:
            with path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            self.digests[name] = ""
            return None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigError((Problem(Mark(name, 1, 1), f"{name} cannot be read: {reason}"),)) from error
        self.digests[name] = hashlib.sha256(data).hexdigest()
        return data

    def text(self, path: Path) -> str | None:
        """The file's text, for files that are ASCII by nature."""
        data = self.bytes(path)
        return None if data is None else data.decode("utf-8", "replace")

    def document(self, path: Path) -> Node | None:
        """The root node of a YAML file; None when it is absent. Raises ConfigError when it is empty or no YAML."""
        data = self.bytes(path)
        if data is None:
            return None
        name = self.name(path)
        document = parse(data, name)
        self._problems.sources[name] = document.lines
        if document.root is None:
            raise ConfigError((Problem(Mark(name, 1, 1), f"{name} is empty"),))
        return document.root
