"""Where a project begins: the nearest folder upwards that holds a configuration. On the way of every start: lean."""

from __future__ import annotations

import os

CONFIG = "devspace.yaml"
CONFIGS = "devspace-configs.yaml"


def find_root(start: str, home: str, config_file: str = "") -> str | None:
    """The absolute path of the nearest folder from `start` upwards that holds a configuration; None when none does.

    `home` itself is skipped: a stray file there would turn every folder below it into one project. With `config_file`
    only a file of that name counts; the folder is then the one that the file is in, since its paths start there.
    """
    names = (config_file,) if config_file else (CONFIGS, CONFIG)
    folder = os.path.abspath(start)
    while True:
        at_home = bool(home) and os.path.normpath(home) == folder and os.path.abspath(start) != folder
        for name in () if at_home else names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                return os.path.dirname(os.path.normpath(path))
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
