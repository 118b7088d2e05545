"""Loading is quick and brings in nothing heavy."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from kdev.spec.load import Settings, load
from tests.spec.project import write

HEAVY = (
    "docker",
    "kubernetes",
    "networkx",
    "requests",
    "urllib3",
    "asyncio",
    "rich",
    "click",
    "pydantic",
    "sqlite3",
    "http.client",
    "ssl",
    "ruamel.yaml",
)


def large() -> str:
    """A configuration of 900 lines in 30 services, with variables."""
    images = "".join(
        f"  s{n}:\n    image: shop/service-{n}\n    tag: ${{TAG}}\n    dockerfile: ./s{n}/Dockerfile\n"
        f"    context: ./s{n}\n    build:\n      docker:\n        options:\n          target: dev\n"
        f"          buildArgs:\n            A: '1'\n"
        for n in range(30)
    )
    deployments = "".join(
        f"- name: s{n}\n  kubectl:\n    manifests:\n    - kube/s{n}/**\n    flags:\n    - --wait\n" for n in range(30)
    )
    ports = "".join(
        f"  - imageName: s{n}\n    forward:\n    - port: {8000 + n}\n      remotePort: 80\n" for n in range(30)
    )
    sync = "".join(
        f"  - imageName: s{n}\n    localSubPath: ./s{n}\n    containerPath: /app\n    downloadOnInitialSync: true\n"
        f"    excludePaths:\n    - node_modules/\n    - dist/\n    - '*.log'\n    - .git/\n"
        for n in range(30)
    )
    return f"version: v1beta3\nimages:\n{images}deployments:\n{deployments}dev:\n  ports:\n{ports}  sync:\n{sync}"


def test_a_configuration_of_900_lines_loads_in_150_ms_of_cpu(tmp_path: Path) -> None:
    text = large()
    assert text.count("\n") >= 900
    write(tmp_path, {"devspace.yaml": text})
    chosen = Settings(variables={"TAG": "1"})
    best = 1.0
    for _ in range(5):
        started = time.process_time()
        project = load(tmp_path, chosen).project
        best = min(best, time.process_time() - started)
    assert len(project.images) == 30
    assert best < 0.150


def test_loading_imports_nothing_heavy() -> None:
    program = f"import sys, kdev.spec.load; print([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
