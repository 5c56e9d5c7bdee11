"""metrics-server: how the API server finds it, and whom it measures."""

from pathlib import Path

from modelyard_local import metrics_server
from modelyard_local.addresses import Addresses
from modelyard_local.state import Files

FILES = Files("dev", Path("/cache/clusters/dev"))


def test_the_api_server_finds_it_by_a_service_with_its_address():
    service, endpoints, api = metrics_server.build_objects(Addresses(0))["items"]
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    assert "selector" not in service["spec"]
    assert api["spec"]["service"] == {"name": name, "namespace": namespace, "port": 443}
    assert endpoints["metadata"]["labels"] == {"kubernetes.io/service-name": name}
    assert endpoints["endpoints"][0]["addresses"] == ["172.30.255.2"]
    # The API server looks the endpoint up by the port's name.
    assert endpoints["ports"][0]["name"] == service["spec"]["ports"][0]["name"]
    assert endpoints["ports"][0]["port"] == service["spec"]["ports"][0]["targetPort"]


def test_it_listens_where_only_this_machine_and_the_cluster_reach_it():
    arguments = metrics_server.build_arguments(FILES, Addresses(0), "dev-node")
    assert "--bind-address=172.30.255.2" in arguments
    assert f"--secure-port={metrics_server.PORT}" in arguments


def test_nodes_that_kwok_plays_are_not_asked():
    arguments = metrics_server.build_arguments(FILES, Addresses(0), "dev-node")
    assert "--node-selector=kubernetes.io/hostname=dev-node" in arguments
