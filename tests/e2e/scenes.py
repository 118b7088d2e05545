"""Small projects that several end-to-end tests start from."""

from __future__ import annotations

import os
from pathlib import Path

from tests.project import Project

CONFIG = """\
version: v1beta3
images:
  app:
    image: {repository}
"""
DOCKERFILE = "FROM busybox:1.36\nCOPY src /src\n"


def one_image(project: Project, **files: str) -> Project:
    """A project whose `run build` makes one image, `app`, from src/."""
    return project.write(
        {
            "devspace.yaml": CONFIG.format(repository=f"{project.repository}/app"),
            "Dockerfile": DOCKERFILE,
            ".dockerignore": ".git\n**/*.log\n",
            "src/main.txt": "one\n",
            "src/deep/below.txt": "below\n",
            **files,
        }
    )


WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: {name}
        image: {repository}/{name}
"""


def services(project: Project, *names: str) -> Project:
    """A project with an image and a deployment for each name; the image holds NAME/mark.txt."""
    config = ["version: v1beta3", "images:"]
    for name in names:
        config += [f"  {name}:", f"    image: {project.repository}/{name}", f"    context: {name}",
                   f"    dockerfile: {name}/Dockerfile"]  # fmt: skip
    config += ["deployments:"]
    for name in names:
        config += [f"- name: {name}", "  kubectl:", f"    manifests: [k8s/{name}.yaml]"]
        project.write(
            {
                f"{name}/Dockerfile": 'FROM busybox:1.36\nCOPY mark.txt /\nCMD ["sleep", "3600"]\n',
                f"{name}/mark.txt": "0\n",
                f"k8s/{name}.yaml": WORKLOAD.format(name=name, repository=project.repository),
            }
        )
    return project.write({"devspace.yaml": "\n".join(config) + "\n"})


def tree(folder: Path) -> dict[str, tuple[object, ...]]:
    """Every path below `folder` with its type, mode, size, times and content: equal only when nothing was touched."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        content: object = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[path.relative_to(folder).as_posix()] = (facts.st_mode, facts.st_mtime_ns, facts.st_ino, content)
    return found
