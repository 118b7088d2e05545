"""Every example is run: it comes up, answers, and goes away without a trace."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable

import pytest

from tests.project import EXAMPLES, Project, docker, executed, labelled, local_ports

pytestmark = pytest.mark.docker
MakeProject = Callable[..., Project]


def get(port: int, path: str = "/") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def eventually(port: int, text: str, seconds: float = 30) -> str:
    """The answer, once it holds `text`, or the last one when the time is over."""
    end = time.monotonic() + seconds
    while True:
        try:
            answer = get(port)
        except OSError as error:
            answer = str(error)
        if text in answer or time.monotonic() > end:
            return answer
        time.sleep(0.1)


def test_each_example_is_run_by_a_test_here() -> None:
    text = (EXAMPLES.parent / "tests/e2e/test_examples.py").read_text()
    names = [path.parent.name for path in EXAMPLES.glob("*/devspace.yaml")]
    assert [name for name in names if f'example="{name}"' not in text] == []


def test_local_ports_differ_between_the_examples() -> None:
    ports = [
        line.split(":")[1].strip()
        for path in EXAMPLES.glob("*/devspace.yaml")
        for line in path.read_text().splitlines()
        if line.strip().startswith("- port:")
    ]
    assert len(ports) == len(set(ports)) == 5


def test_quickstart_serves_a_page_and_logs_the_request(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    (port,) = local_ports(quickstart)
    session = quickstart.start("run", "dev")
    session.ready()
    assert "Hello from kdev" in get(port)
    assert "up for" in get(port, "/cgi-bin/whoami")
    session.wait(lambda event: event["event"] == "output" and "/cgi-bin/whoami" in event["text"])
    assert session.stop() == 0
    quickstart.run("purge").ok()
    assert not any(labelled(quickstart.root.name).values())


def test_an_edit_of_the_dockerfile_redoes_one_image_and_one_workload(project: MakeProject) -> None:
    quickstart = project(example="quickstart")
    session = quickstart.start("run", "dev")
    session.ready()
    mark = session.mark()
    quickstart.edit("Dockerfile", "EXPOSE 8080", "RUN echo built again > /again.txt\nEXPOSE 8080")
    session.ready(since=mark)
    assert executed(session.since(mark)) == {"build:web", "render:web", "deploy:web", "ready:web"}
    assert "built again" in quickstart.run("enter", "--", "cat", "/again.txt", json_output=False).ok().out
    assert session.stop() == 0


def test_microservices_reach_each_other_and_their_dependency(project: MakeProject) -> None:
    shop = project(example="microservices")
    gateway, catalog, orders = local_ports(shop)
    session = shop.start("run", "dev")
    session.ready(timeout=150)
    front = eventually(gateway, "served_by")
    assert "chair" in front
    assert "EUR" in front
    assert "table" in get(catalog, "/products.json")
    assert json.loads(get(orders, "/cgi-bin/orders"))["open"] == 2
    steps = executed(session.events)
    assert {"override:gateway", "build:orders", "dep/platform::build:rates", "dep/platform::deploy:rates"} <= steps
    assert session.stop() == 0
    shop.run("purge").ok()
    assert not any(labelled(shop.root.name).values())


def test_python_api_reads_its_settings_and_reloads_on_an_edit(project: MakeProject) -> None:
    if not docker("image", "inspect", "-f", "{{.Id}}", "python:3.12-slim"):
        pytest.skip("there is no image python:3.12-slim; get it: ./inv images")
    api = project(example="python-api")
    (port,) = local_ports(api)
    session = api.start("run", "dev")
    session.ready()
    assert json.loads(get(port)) == {"message": "Hello from python-api", "key_set": True}
    mark = session.mark()
    api.edit("app/api.py", "from python-api", "from an edited python-api")
    assert "edited" in eventually(port, "edited")
    assert executed(session.quiet(1, since=mark)) == set()

    mark = session.mark()
    api.edit("k8s/config.yaml", "GREETING: Hello", "GREETING: Good day")
    session.ready(since=mark)
    assert "Good day" in eventually(port, "Good day")
    assert "build:api" not in executed(session.since(mark))
    assert session.stop() == 0
    told = "\n".join(json.dumps(event) for event in session.events)
    assert "only-for-development" not in told
