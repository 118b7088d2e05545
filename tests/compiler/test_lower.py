"""From configuration text to steps: who needs whom, what is an input of what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

import pytest

from kdev.compiler.lower import compile_graph
from kdev.compiler.request import Wish, Workspace, join
from kdev.core.actions import Build, Forward, Sync, Terminal
from kdev.core.codec import decode, encode
from kdev.core.graph import Graph
from kdev.core.inputs import BaseImage, BuildContext, Environment, Secret
from kdev.core.step import Role, StepId
from kdev.errors import ConfigError
from kdev.spec.load import load
from kdev.spec.settings import Settings

DOCKERFILE = "FROM busybox:1.36\nCOPY . /app\n"
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
      - {name: main, image: shop/NAME}
"""
TWO = """\
version: v1beta3
images:
  web: {image: shop/web, dockerfile: web/Dockerfile, context: web}
  api: {image: shop/api, dockerfile: api/Dockerfile, context: api}
deployments:
- {name: web, kubectl: {manifests: [k8s/web.yaml]}}
- {name: api, kubectl: {manifests: [k8s/api.yaml]}}
"""
FILES = {
    "web/Dockerfile": DOCKERFILE,
    "api/Dockerfile": DOCKERFILE,
    "k8s/web.yaml": MANIFEST.replace("NAME", "web"),
    "k8s/api.yaml": MANIFEST.replace("NAME", "api"),
}


class Texts:
    """compiler.request.Sources over a dict."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def glob(self, pattern: str) -> Sequence[str]:
        return sorted(path for path in self.files if path == pattern or fnmatch(path, pattern))


def compiled(
    tmp_path: Path, config: str, pipeline: str = "dev", *, files: Mapping[str, str] = FILES, **wish: object
) -> Graph:
    root = tmp_path / "shop"
    root.mkdir(exist_ok=True)
    (root / "devspace.yaml").write_text(config)
    project = load(root, Settings()).project
    return compile_graph(Workspace(project), Wish(pipeline, **wish), Texts(files))  # type: ignore[arg-type]


def needs(graph: Graph, step: str) -> set[str]:
    return set(graph.steps[StepId(step)].needs)


def test_an_image_goes_to_the_deployments_whose_manifests_use_it_and_to_no_other(tmp_path: Path) -> None:
    graph = compiled(tmp_path, TWO, "deploy")
    assert needs(graph, "render:web") == {"build:web"}
    assert needs(graph, "render:api") == {"build:api"}
    assert needs(graph, "deploy:web") == {"render:web", "namespace:default"}
    assert needs(graph, "ready:web") == {"deploy:web"}


def test_deployments_are_applied_in_the_written_order_without_depending_on_each_other(tmp_path: Path) -> None:
    graph = compiled(tmp_path, TWO, "deploy")
    assert graph.steps[StepId("deploy:api")].after == (StepId("deploy:web"),)
    assert "build:web" not in nx_ancestors(graph, "deploy:api")


def nx_ancestors(graph: Graph, step: str) -> set[str]:
    found: set[str] = set()
    front = [step]
    while front:
        for need in graph.steps[StepId(front.pop())].needs:
            if need not in found:
                found.add(need)
                front.append(need)
    return found


@pytest.mark.parametrize(
    ("pipeline", "kinds"),
    [
        pytest.param("build", {"build"}, id="build builds"),
        pytest.param("deploy", {"build", "namespace", "render", "deploy", "ready"}, id="deploy waits until ready"),
    ],
)
def test_a_pipeline_holds_what_leads_to_its_goals(tmp_path: Path, pipeline: str, kinds: set[str]) -> None:
    graph = compiled(tmp_path, TWO, pipeline)
    assert {step.partition(":")[0] for step in graph.steps} == kinds


def test_a_push_stands_between_build_and_render_when_it_is_asked_for(tmp_path: Path) -> None:
    graph = compiled(tmp_path, TWO, "deploy", push=True)
    assert needs(graph, "render:web") == {"push:web"}
    assert needs(graph, "push:web") == {"build:web"}


def test_the_base_image_is_an_input_of_the_build(tmp_path: Path) -> None:
    graph = compiled(tmp_path, TWO, "build")
    assert BaseImage("busybox:1.36") in graph.steps[StepId("build:web")].inputs


DEV = TWO + """\
dev:
  ports:
  - {imageName: web, forward: [{port: 8080, remotePort: 80}]}
  - {labelSelector: {app: api}, forward: [{port: 9090}]}
  sync:
  - {imageName: web, localSubPath: web/src, containerPath: /app, excludePaths: ["*.tmp", /docs/]}
  - {labelSelector: {app: api}, localSubPath: api, containerPath: /app}
"""


def context(graph: Graph, step: str) -> BuildContext:
    return next(one for one in graph.steps[StepId(step)].inputs if isinstance(one, BuildContext))


def test_what_a_sync_delivers_is_no_input_of_the_build_in_dev(tmp_path: Path) -> None:
    graph = compiled(tmp_path, DEV)
    assert context(graph, "build:web").extra_excludes == ("src", "!src/**/*.tmp", "!src/docs")
    assert context(graph, "build:api").extra_excludes == ("**",), "selected by label, found by the manifest"


def test_a_deploy_builds_from_everything(tmp_path: Path) -> None:
    graph = compiled(tmp_path, DEV, "deploy")
    assert context(graph, "build:web").extra_excludes == ()


def test_a_service_waits_for_the_deployment_that_makes_its_pod(tmp_path: Path) -> None:
    graph = compiled(tmp_path, DEV)
    assert needs(graph, "forward:web") == {"build:web", "ready:web"}
    assert needs(graph, "forward:api") == {"ready:api"}
    forward = graph.steps[StepId("forward:web")]
    assert forward.role is Role.SERVICE
    assert isinstance(forward.action, Forward)
    assert forward.action.ports == ((8080, 80),)
    sync = graph.steps[StepId("sync:web")].action
    assert isinstance(sync, Sync)
    assert (sync.local, sync.remote) == ("web/src", "/app")


def test_logs_are_shown_unless_a_terminal_is_wanted(tmp_path: Path) -> None:
    steps = compiled(tmp_path, DEV).steps
    assert {"logs:web", "logs:api"} <= steps.keys(), "one each, so that a rebuild of one leaves the other alone"
    with_terminal = compiled(tmp_path, DEV, interactive=True)
    assert not [step for step in with_terminal.steps if step.startswith("logs:")]
    assert any(isinstance(step.action, Terminal) for step in with_terminal.steps.values())


INTERACTIVE = DEV + """\
  interactive:
    images: [{name: web, entrypoint: [sleep], cmd: ["99999"]}]
"""


def test_interactive_overrides_the_entrypoint_only_when_asked(tmp_path: Path) -> None:
    assert "override:web" not in compiled(tmp_path, INTERACTIVE).steps
    graph = compiled(tmp_path, INTERACTIVE, interactive=True)
    assert needs(graph, "build:web") == {"override:web"}
    build = graph.steps[StepId("build:web")].action
    assert isinstance(build, Build)
    assert build.override == "override:web"


HOOKS = TWO + """\
hooks:
- {command: gen, when: {before: {images: all}}}
- {command: tell, when: {after: {deployments: web}}}
"""


def test_a_hook_before_a_stage_looks_at_the_inputs_of_the_stage(tmp_path: Path) -> None:
    graph = compiled(tmp_path, HOOKS, "deploy")
    assert "hook:before-images-1" in needs(graph, "build:web") & needs(graph, "build:api")
    inputs = graph.steps[StepId("hook:before-images-1")].inputs
    assert context(graph, "build:web") in inputs
    assert context(graph, "build:api") in inputs


def test_a_hook_after_one_deployment_waits_for_that_one(tmp_path: Path) -> None:
    graph = compiled(tmp_path, HOOKS, "deploy")
    assert needs(graph, "hook:after-deployments-2") == {"deploy:web"}
    assert "hook:after-deployments-2" not in compiled(tmp_path, HOOKS, "build").steps


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    files = {k: v for k, v in FILES.items() if k not in ("web/Dockerfile", "k8s/api.yaml")} | {"k8s/web.yaml": "a: ["}
    with pytest.raises(ConfigError) as caught:
        compiled(tmp_path, TWO, files=files)
    messages = [str(problem.message) for problem in caught.value.problems]
    assert len(messages) == 3
    assert "there is no web/Dockerfile" in messages[0]
    assert str(caught.value.problems[1].at).startswith("k8s/web.yaml:")
    assert "nothing matches k8s/api.yaml" in messages[2]


def test_a_helm_chart_is_refused_with_its_place_on_a_target_that_runs_manifests(tmp_path: Path) -> None:
    config = "version: v1beta3\ndeployments:\n- name: db\n  helm: {chart: {name: stable/mysql}}\n"
    with pytest.raises(ConfigError) as caught:
        compiled(tmp_path, config)
    [problem] = caught.value.problems
    assert str(problem.at) == "devspace.yaml:3:3"
    assert "deployments.db.helm" in problem.message


def test_a_plan_survives_the_way_to_disk_and_back(tmp_path: Path) -> None:
    config = INTERACTIVE + "hooks:\n- {command: a, when: {before: {images: all}}}\n"
    plan = compiled(tmp_path, config, interactive=True).lower(project="shop", pipeline="dev")
    assert decode(encode(plan)) == plan


@pytest.mark.parametrize(
    ("prefix", "written", "joined"),
    [
        pytest.param("", ".", ".", id="the root itself"),
        pytest.param("", "./a//b/", "a/b", id="noise is dropped"),
        pytest.param("dep", "../x", "x", id="up and back"),
        pytest.param("", "../x", "../x", id="outside stays outside"),
        pytest.param("../lib", "a", "../lib/a", id="a dependency beside the project"),
        pytest.param("dep", "/abs", "/abs", id="absolute stays"),
    ],
)
def test_paths_are_joined_to_one_normal_form(prefix: str, written: str, joined: str) -> None:
    assert join(prefix, written) == joined


def test_interactive_without_overrides_holds_the_image_of_the_terminal(tmp_path: Path) -> None:
    graph = compiled(tmp_path, DEV, interactive=True)
    assert "override:web" in graph.steps
    assert "override:api" not in graph.steps
    [terminal] = [step for step in graph.steps.values() if isinstance(step.action, Terminal)]
    assert terminal.action.selector.image_step == "build:web"  # type: ignore[union-attr]


SECRET = """\
version: v1beta3
vars: [{name: TOKEN, source: input, password: true}]
images:
  web: {image: shop/web, dockerfile: web/Dockerfile, context: web, build: {docker: {options: {buildArgs: ARGS}}}}
"""


def test_a_secret_in_the_configuration_is_an_input_that_cannot_be_guessed_from_its_digest(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    root.mkdir()
    (root / "devspace.yaml").write_text(SECRET.replace("ARGS", "{TOKEN: '${TOKEN}', HOME: null}"))
    project = load(root, Settings(variables={"TOKEN": "hunter2"})).project
    graph = compile_graph(Workspace(project), Wish("build"), Texts(FILES))
    inputs = graph.steps[StepId("build:web")].inputs
    assert [one.name for one in inputs if isinstance(one, Secret)] == ["images.web.build"]
    assert Environment("HOME") in inputs, "taken from the user's environment, so it counts"
    with pytest.raises(TypeError):
        encode(graph.lower(project="shop", pipeline="build"))
