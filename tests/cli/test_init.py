"""`kdev init`: what is found becomes a configuration that loads, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdev.cli.init import configuration, look, main
from kdev.cli.options import Options
from kdev.errors import ConfigError, UsageError
from kdev.spec.load import load
from kdev.spec.settings import Settings

MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
      - {name: api, image: "shop/api:1", ports: [{containerPort: 80}]}
"""


def made(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return configuration(look(str(root)))


def test_image_name_port_and_what_is_copied_come_from_what_is_there(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    text = made(root, {"Dockerfile": "FROM x\nWORKDIR /srv\nCOPY src app\n", "src/a": "", "k8s/api.yaml": MANIFEST})
    assert "image: shop/api\n" in text
    assert "- port: 8080\n      remotePort: 80\n" in text
    assert "localSubPath: src\n    containerPath: /srv/app\n" in text
    (root / "devspace.yaml").write_text(text)
    project = load(root, Settings()).project
    assert [image.image for image in project.images] == ["shop/api"]
    assert project.dev.sync[0].remote == "/srv/app"


@pytest.mark.parametrize(
    "copy",
    [
        pytest.param("COPY src /", id="into the root"),
        pytest.param("COPY --from=other src /app", id="from another stage"),
        pytest.param("COPY missing /app", id="what is not there"),
        pytest.param("COPY src $WHERE", id="somewhere unknown"),
        pytest.param("RUN true", id="nothing copied"),
    ],
)
def test_no_sync_is_made_up_where_it_could_do_harm(copy: str, tmp_path: Path) -> None:
    root = tmp_path / "shop"
    assert "sync:" not in made(root, {"Dockerfile": f"FROM x AS other\nFROM x\n{copy}\n", "src/a": ""})


def test_yaml_that_is_no_manifest_is_left_alone(tmp_path: Path) -> None:
    text = made(tmp_path, {"Dockerfile": "FROM x\n", "ci.yaml": "jobs: [a]\n", "broken.yaml": "a: [\n"})
    assert "deployments" not in text


def test_an_existing_configuration_is_kept(tmp_path: Path) -> None:
    (tmp_path / "devspace.yaml").write_text("version: v1beta3\n")
    with pytest.raises(UsageError):
        main(Options(directory=str(tmp_path), file="devspace.yaml"))
    assert (tmp_path / "devspace.yaml").read_text() == "version: v1beta3\n"


def test_an_empty_folder_is_an_error_that_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        main(Options(directory=str(tmp_path), file="devspace.yaml"))
    assert "no Dockerfile" in caught.value.problems[0].message
