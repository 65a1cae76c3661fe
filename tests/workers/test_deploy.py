"""docs/deploy: what the examples name is there, and their times add up."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedder import Settings
from embedder.api.edge import OWN_PATHS
from embedder.cli import _parser
from tests.conftest import ROOT

DEPLOY = ROOT / "docs" / "deploy"


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    """The Kubernetes example's objects by kind."""
    found = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    assert all({"apiVersion", "kind", "metadata"} <= one.keys() for one in found)
    return {one["kind"]: one for one in found}


@pytest.fixture(scope="module")
def container(objects: dict[str, Any]) -> dict[str, Any]:
    (found,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    return found


@pytest.fixture
def settings(container: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the container's command line and environment come to."""
    assert container["args"][0] == "tessera"
    given = vars(_parser().parse_args(container["args"][1:]))
    names = {name: given[name] for name in Settings.model_fields if given.get(name) is not None}
    for one in container["env"]:
        monkeypatch.setenv(one["name"], one["value"])
        assert one["name"].removeprefix("TESSERA_").lower() in Settings.model_fields
    return Settings.load(names)


def test_probes_ask_what_the_server_answers(container: dict[str, Any], settings: Settings) -> None:
    probes = {name: container[name]["httpGet"] for name in container if name.endswith("Probe")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startupProbe": "/ready",
        "readinessProbe": "/ready",
        "livenessProbe": "/health",
    }
    assert {probe["path"] for probe in probes.values()} <= OWN_PATHS
    (port,) = container["ports"]
    assert port["containerPort"] == settings.port
    assert {probe["port"] for probe in probes.values()} == {port["name"]}


def test_there_is_time_to_leave(
    objects: dict[str, Any], container: dict[str, Any], settings: Settings
) -> None:
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (_, pause_s) = container["lifecycle"]["preStop"]["exec"]["command"]
    readiness = container["readinessProbe"]
    assert settings.notice_s > readiness["periodSeconds"] * readiness["failureThreshold"]
    assert (
        pod["terminationGracePeriodSeconds"]
        >= float(pause_s) + settings.notice_s + 2 * settings.drain_s + settings.workers
    )


def test_it_grows_by_a_metric_that_there_is(objects: dict[str, Any]) -> None:
    from embedder.metrics import Metrics

    (metric,) = objects["HorizontalPodAutoscaler"]["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] in Metrics().exposition().decode()
    annotations = objects["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] in OWN_PATHS
    assert objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "tessera"


def test_objects_name_each_other(objects: dict[str, Any], container: dict[str, Any]) -> None:
    spec = objects["Deployment"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert objects["Service"]["spec"]["selector"] == spec["selector"]["matchLabels"] == labels
    volumes = {one["name"]: one for one in spec["template"]["spec"]["volumes"]}
    assert {one["name"] for one in container["volumeMounts"]} == volumes.keys()
    claimed = volumes["files"]["persistentVolumeClaim"]["claimName"]
    assert claimed == objects["PersistentVolumeClaim"]["metadata"]["name"]
    assert container["envFrom"] == [{"secretRef": {"name": objects["Secret"]["metadata"]["name"]}}]


def test_the_file_for_ray_is_imported_without_ray(tmp_path: Path) -> None:
    import runpy

    found = runpy.run_path(str(DEPLOY / "ray_serve.py"))
    assert callable(found["build"])
    tree = ast.parse((DEPLOY / "ray_serve.py").read_text())
    at_import = {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names} | {
        node.module for node in tree.body if isinstance(node, ast.ImportFrom)
    }
    assert at_import == {"__future__", "typing"}
