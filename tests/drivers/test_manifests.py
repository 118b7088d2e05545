"""Render: manifests to objects, with image references replaced and everything wrong told with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kdev.core.actions import Override, Render
from kdev.core.step import Result
from kdev.drivers.files import FileObserver
from kdev.drivers.manifest_files import manifest_paths
from kdev.drivers.manifests import AT, RenderDriver, replaced
from kdev.drivers.override import OverrideDriver
from kdev.errors import ConfigError, StepFailed
from kdev.state.folder import StateFolder
from kdev.state.statcache import StatCache
from tests.fakes.job import FakeJob

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {containers: [{name: c, image: %s}]}\n"


def observer(root: Path) -> FileObserver:
    return FileObserver(str(root), StatCache(StateFolder(str(root), read_only=True)))


def rendered(root: Path, *patterns: str, **more: object) -> list[dict[str, object]]:
    job = FakeJob(results={"build:web": Result("d", (("reference", "shop/web:kdev-1"),))})
    action = Render("web", patterns, "dev", **more)  # type: ignore[arg-type]
    blob = RenderDriver(str(root), observer(root)).run(action, job).blob
    assert blob is not None
    objects: list[dict[str, object]] = json.loads(blob)
    return objects


def test_images_of_the_project_get_their_reference_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD % ("one", "shop/web:old") + "---\n" + POD % ("two", "redis:7"))
    one, two = rendered(tmp_path, "a.yaml", images=(("shop/web", "build:web"),))
    assert one["spec"]["containers"][0]["image"] == "shop/web:kdev-1"  # type: ignore[index]
    assert two["spec"]["containers"][0]["image"] == "redis:7"  # type: ignore[index]


@pytest.mark.parametrize(
    ("written", "matches"),
    [
        pytest.param("shop/web", True, id="no tag"),
        pytest.param("docker.io/shop/web:1", True, id="the hub's long name"),
        pytest.param("shop/web@sha256:0", True, id="a digest"),
        pytest.param("localhost:5000/shop/web", False, id="another registry"),
        pytest.param("shop/webapp", False, id="a longer name"),
    ],
)
def test_a_reference_is_compared_by_its_repository(written: str, matches: bool) -> None:
    assert (replaced({"image": written}, {"shop/web": "new"})["image"] == "new") is matches


DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: c, image: shop/web}, {name: d, image: redis}]}}}
"""


def test_a_rebuilt_image_under_a_fixed_tag_changes_the_pods_that_run_it(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(DEPLOYMENT + "---\n" + POD % ("other", "redis:7"))

    def render(reference: str, digest: str) -> Result:
        job = FakeJob(results={"build:web": Result(digest, (("reference", reference),))})
        action = Render("web", ("a.yaml",), "dev", (("shop/web", "build:web"),))
        return RenderDriver(str(tmp_path), observer(tmp_path)).run(action, job)

    first, same, second = (render("shop/web:dev", digest) for digest in "112")
    assert first.digest == same.digest != second.digest
    web, other = json.loads(first.blob or "")
    assert list(web["spec"]["template"]["metadata"]["annotations"]) == ["kdev.dev/built"]
    assert "kdev.dev/built" not in other["metadata"]["annotations"]
    # A tag by content says it already.
    assert render("shop/web:kdev-1", "1").digest == render("shop/web:kdev-1", "2").digest


def test_only_keys_called_image_are_replaced() -> None:
    content = {"images": "shop/web", "image": {"repository": "shop/web"}, "args": ["shop/web"]}
    assert replaced(content, {"shop/web": "new"}) == content


def test_the_namespace_is_filled_in_where_there_is_one_to_fill(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        POD % ("own", "x")
        + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: other}\n"
        + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n"
    )
    spaces = [one["metadata"].get("namespace") for one in rendered(tmp_path, "a.yaml")]  # type: ignore[attr-defined]
    assert spaces == ["dev", "other", None]


def test_each_object_says_where_it_was_written_and_moving_it_changes_no_digest(tmp_path: Path) -> None:
    driver = RenderDriver(str(tmp_path), observer(tmp_path))
    (tmp_path / "a.yaml").write_text(POD % ("one", "x"))
    first = driver.run(Render("web", ("a.yaml",), "dev"), FakeJob())
    (tmp_path / "a.yaml").write_text("# moved\n\n" + POD % ("one", "x"))
    second = driver.run(Render("web", ("a.yaml",), "dev"), FakeJob())
    places = [json.loads(result.blob or "")[0]["metadata"]["annotations"][AT] for result in (first, second)]
    assert places == ["a.yaml:1", "a.yaml:3"]
    assert first.digest == second.digest


def test_lists_are_flattened_and_empty_documents_left_out(tmp_path: Path) -> None:
    pod = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}})
    (tmp_path / "a.yaml").write_text(f"---\n---\napiVersion: v1\nkind: List\nitems: [{pod}]\n---\n# nothing\n")
    assert [one["kind"] for one in rendered(tmp_path, "a.yaml")] == ["Pod"]


def test_everything_wrong_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: Pod\nmetadata: {name: p}\n---\napiVersion: v1\nkind: Pod\nmetadata: {}\n")
    (tmp_path / "b.yaml").write_text("a: [1,\n")
    with pytest.raises(ConfigError) as caught:
        rendered(tmp_path, "a.yaml", "b.yaml")
    assert [str(problem.at) for problem in caught.value.problems] == ["a.yaml:1:1", "a.yaml:4:1", "b.yaml:2:1"]


def test_a_folder_means_the_manifests_directly_in_it(tmp_path: Path) -> None:
    for name in ("k/a.yaml", "k/b.yml", "k/c.json", "k/README.md", "k/deep/d.yaml", "odd.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    files = observer(tmp_path)
    assert manifest_paths(files, str(tmp_path), ("k",)) == ["k/a.yaml", "k/b.yml", "k/c.json"]
    assert manifest_paths(files, str(tmp_path), ("k/**/*.yaml",)) == ["k/a.yaml", "k/deep/d.yaml"]
    assert manifest_paths(files, str(tmp_path), ("odd.txt", "k/*")) == ["odd.txt", "k/a.yaml", "k/b.yml", "k/c.json"]
    assert manifest_paths(files, str(tmp_path), ("nothing/*",)) == []


def test_an_override_changes_the_text_and_not_the_file(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(b"FROM x\r\n# \xff\r\n")
    result = OverrideDriver(str(tmp_path)).run(Override("web", "Dockerfile", ("sleep", "1"), ()), FakeJob())
    assert result.blob is not None
    assert result.blob.encode("utf-8", "surrogateescape").startswith(b"FROM x\r\n")
    assert 'ENTRYPOINT ["sleep", "1"]' in result.blob
    assert (tmp_path / "Dockerfile").read_bytes() == b"FROM x\r\n# \xff\r\n"
    with pytest.raises(StepFailed, match="missing cannot be read"):
        OverrideDriver(str(tmp_path)).run(Override("web", "missing"), FakeJob())


def test_a_held_container_has_no_probes_and_a_command_that_wins_is_told(tmp_path: Path) -> None:
    probe = "readinessProbe: {tcpSocket: {port: 1}}"
    (tmp_path / "a.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n"
        f"  - {{name: app, image: shop/web, command: [run], {probe}}}\n  - {{name: other, image: redis, {probe}}}\n"
    )
    job = FakeJob()
    action = Render("web", ("a.yaml",), "d", held=("shop/web",))
    blob = RenderDriver(str(tmp_path), observer(tmp_path)).run(action, job).blob
    app, other = json.loads(blob or "")[0]["spec"]["containers"]
    assert "readinessProbe" not in app
    assert "readinessProbe" in other
    assert job.notices == [("container app: its `command` in the manifest wins over -i", "warning")]
