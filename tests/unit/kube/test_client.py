"""The client: what it sends, and how every failure becomes one kind of error."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import incluster_config

from modelyard_kube.client import KubeClient, Page
from modelyard_kube.errors import ClusterError, ConnectionInvalid
from modelyard_kube.resources import DEPLOYMENTS, EVENTS, PODS, SERVICES
from modelyard_kube.transport import Transport
from tests.support.scripted_api import refusal, write_kubeconfig

MANIFEST = {"metadata": {"name": "x", "namespace": "ns"}, "spec": {"text": "ü"}}


@pytest.mark.parametrize(
    ("resource", "args", "path"),
    [
        (PODS, (None,), "/api/v1/pods"),
        (SERVICES, ("ns", "x"), "/api/v1/namespaces/ns/services/x"),
        (DEPLOYMENTS, ("ns", "x", "status"), "/apis/apps/v1/namespaces/ns/deployments/x/status"),
        (EVENTS, ("ns",), "/apis/events.k8s.io/v1/namespaces/ns/events"),
    ],
)
def test_paths(resource, args, path):
    assert resource.path(*args) == path


async def test_apply_sends_the_manifest_with_manager_and_force(api, client):
    api.answers = [web.json_response({"metadata": {"uid": "1"}})]
    answer = await client.apply(DEPLOYMENTS, MANIFEST, manager="me", force=True)
    sent = api.requests[0]
    assert answer == {"metadata": {"uid": "1"}}
    assert (sent["method"], sent["path"]) == ("PATCH", "/apis/apps/v1/namespaces/ns/deployments/x")
    assert sent["query"] == {"fieldManager": "me", "force": "true"}
    assert sent["headers"]["Content-Type"] == "application/apply-patch+yaml"
    assert sent["headers"]["Authorization"] == "Bearer t0k3n"
    assert sent["headers"]["User-Agent"] == "test"
    assert json.loads(sent["body"]) == MANIFEST


async def test_a_delete_names_the_uid_and_forgives_that_it_is_gone(api, client):
    api.answers = [refusal(404, "NotFound")]
    await client.delete(PODS, "ns", "x", uid="1")
    assert json.loads(api.requests[0]["body"])["preconditions"] == {"uid": "1"}


async def test_a_missing_object_is_none(api, client):
    api.answers = [refusal(404, "NotFound"), refusal(404, "NotFound")]
    assert await client.get(PODS, "ns", "x") is None
    assert await client.get_metadata(PODS, "ns", "x") is None
    assert "PartialObjectMetadata;" in api.requests[1]["headers"]["Accept"]


async def test_lists_come_in_pages(api, client):
    for number in range(5):
        api.put(f"pod-{number}")
    pages = [page async for page in client.list(PODS, selector="a=b", page_size=2)]
    assert [len(page.items) for page in pages] == [2, 2, 1]
    assert api.requests[2]["query"] == {"limit": "2", "labelSelector": "a=b", "continue": "4"}


async def test_a_list_may_be_of_one_namespace(api, client):
    pages = [page async for page in client.list(EVENTS, namespace="ns")]
    assert (pages, api.requests[0]["path"]) == (
        [Page([], "100")],
        "/apis/events.k8s.io/v1/namespaces/ns/events",
    )


async def test_a_log_is_text_of_its_last_lines(api, client):
    api.answers = [web.Response(body=b"one\n\xff two\n")]
    text = await client.read_log("ns", "x", container="runtime", lines=2, previous=True)
    sent = api.requests[0]
    assert (text, sent["path"]) == ("one\n\ufffd two\n", "/api/v1/namespaces/ns/pods/x/log")
    assert sent["query"] == {"container": "runtime", "tailLines": "2", "previous": "true"}


async def test_a_refused_log_is_about_its_pod(api, client):
    api.answers = [refusal(403, "Forbidden", "no logs")]
    with pytest.raises(ClusterError) as caught:
        await client.read_log("ns", "x", container="runtime", lines=2)
    assert str(caught.value) == "Pod ns/x: 403 Forbidden: no logs"


async def test_a_list_of_metadata_without_any_is_empty(api, client):
    """The API server says null there, and an empty list where whole objects are asked for."""
    body = {"metadata": {"resourceVersion": "7"}, "items": None}
    api.answers.append(web.json_response(body))
    pages = [page async for page in client.list_metadata(DEPLOYMENTS)]
    assert pages == [Page([], "7")]


async def test_lists_ask_for_the_present(api, client):
    """With a resourceVersion the answer may be older than what the last process saw."""
    async for _ in client.list_metadata(PODS):
        pass
    assert "resourceVersion" not in api.requests[0]["query"]
    assert "PartialObjectMetadataList" in api.requests[0]["headers"]["Accept"]


@pytest.mark.parametrize(
    ("status", "reason", "is_retriable"),
    [
        (400, "BadRequest", False),
        (401, "Unauthorized", True),
        (403, "Forbidden", False),
        (404, "NotFound", False),
        (409, "Conflict", True),
        (422, "Invalid", False),
        (429, "TooManyRequests", True),
        (500, "InternalError", True),
        (503, "ServiceUnavailable", True),
    ],
)
async def test_a_refusal_says_what_who_and_whether_to_try_again(
    api, client, status, reason, is_retriable
):
    api.answers = [
        refusal(status, reason, "because", retryAfterSeconds=7, causes=[{"reason": "Why"}])
    ]
    with pytest.raises(ClusterError) as caught:
        await client.apply(DEPLOYMENTS, MANIFEST, manager="me", force=False)
    error = caught.value
    assert (error.status, error.reason, error.retriable) == (status, reason, is_retriable)
    assert (error.retry_after, error.causes) == (7, {"Why"})
    assert str(error) == f"Deployment ns/x: {status} {reason}: because"


@pytest.mark.parametrize(
    ("header", "seconds"), [("3", 3.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None)]
)
async def test_patience_asked_for_in_a_header_counts_if_it_is_a_number(
    api, client, header, seconds
):
    api.answers = [web.Response(status=429, text="busy", headers={"Retry-After": header})]
    with pytest.raises(ClusterError) as caught:
        await client.get(PODS, "ns", "x")
    assert (caught.value.retry_after, caught.value.message) == (seconds, "HTTP status 429")


async def test_an_answer_that_is_not_json_is_an_error_of_the_cluster(api, client):
    api.answers = [web.Response(text="<html>")]
    with pytest.raises(ClusterError, match="unreadable answer"):
        await client.get(PODS, "ns", "x")


async def test_no_answer_is_worth_another_try(tmp_path, unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}"
    client = await KubeClient.connect(write_kubeconfig(tmp_path / "k", url), user_agent="test")
    with pytest.raises(ClusterError) as caught:
        await client.get(PODS, "ns", "x")
    assert (caught.value.status, caught.value.retriable) == (0, True)
    assert "Pod ns/x: no answer" in str(caught.value)
    await client.close()


async def test_an_unreadable_kubeconfig_is_named(tmp_path):
    with pytest.raises(ConnectionInvalid, match="nowhere"):
        await KubeClient.connect(str(tmp_path / "nowhere"), user_agent="test")


async def test_a_pod_without_a_service_account_is_told(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConnectionInvalid, match="service account"):
        await KubeClient.connect("", user_agent="test")


async def test_another_client_can_log_in_the_same_way(api, client):
    login = await client.login()
    assert (login.server, login.scheme, login.token) == (api.url, "Bearer", "t0k3n")


async def test_a_renewed_service_account_token_is_used(api, tmp_path, monkeypatch):
    """The kubelet rewrites the file long before the old token ends."""
    token, ca = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("first")
    ca.write_text("")
    host, _, port = api.url.removeprefix("http://").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    loader = incluster_config.InClusterConfigLoader(str(token), str(ca))
    loader._read_token_file()
    loader.host, loader.ssl_ca_cert = api.url, None
    loader._token_refresh_period = timedelta(0)
    loader._read_token_file()
    configuration = Configuration()
    loader._set_config(configuration)
    client = KubeClient(Transport(configuration, user_agent="test"))
    await client.get(PODS, "ns", "x")
    token.write_text("second\n")
    await client.get(PODS, "ns", "x")
    await client.close()
    sent = [request["headers"]["Authorization"] for request in api.requests]
    assert sent == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "other,10.0.0.1"}, None),
        ({"HTTP_PROXY": "http://proxy:3128"}, None),
    ],
    ids=["no proxy", "a proxy", "a proxy for others", "a proxy for plain HTTP"],
)
async def test_the_proxy_of_the_environment_is_used(tmp_path, monkeypatch, environment, proxy):
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        for spelling in (name, name.lower()):
            monkeypatch.delenv(spelling, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    kubeconfig = write_kubeconfig(tmp_path / "k", "https://10.0.0.1:6443")
    client = await KubeClient.connect(kubeconfig, user_agent="test")
    assert (await client.login()).proxy == proxy
    await client.close()


@pytest.fixture
def two_contexts(tmp_path):
    path = tmp_path / "k"
    body = yaml.safe_load(Path(write_kubeconfig(path, "http://here")).read_text())
    body["clusters"].append({"name": "d", "cluster": {"server": "http://there"}})
    other = {"cluster": "d", "user": "u", "namespace": "team"}
    body["contexts"].append({"name": "other", "context": other})
    path.write_text(yaml.safe_dump(body))
    return str(path)


@pytest.mark.parametrize(
    ("context", "server", "namespace"),
    [("", "here", "default"), ("other", "there", "team")],
    ids=["the current one", "another"],
)
async def test_a_context_says_where_and_which_namespace(two_contexts, context, server, namespace):
    client = await KubeClient.connect(two_contexts, user_agent="test", context=context)
    found = ((await client.login()).server, client.namespace)
    await client.close()
    assert found == (f"http://{server}", namespace)


async def test_several_kubeconfigs_are_one_and_a_missing_one_is_no_matter(tmp_path):
    path = write_kubeconfig(tmp_path / "k", "http://here")
    client = await KubeClient.connect(f"{tmp_path}/none:{path}", user_agent="test")
    assert (await client.login()).server == "http://here"
    await client.close()


@pytest.mark.parametrize("text", ["contexts: [", "[]", "text", "a: b"])
async def test_a_file_that_is_no_kubeconfig_is_named_in_one_line(tmp_path, text):
    path = tmp_path / "k"
    path.write_text(text)
    with pytest.raises(ConnectionInvalid, match=f"cannot connect as {path} says: .") as caught:
        await KubeClient.connect(str(path), user_agent="test")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("status", "is_there"), [(200, True), (404, False)])
async def test_an_api_group_is_there_or_not(api, client, status, is_there):
    answer = refusal(404, "NotFound") if status == 404 else web.json_response({"kind": "APIGroup"})
    api.answers = [answer]
    assert await client.has_group("keda.sh") == is_there
    assert api.requests[0]["path"] == "/apis/keda.sh"


async def test_whether_a_group_is_there_may_not_be_known(api, client):
    api.answers = [refusal(503, "ServiceUnavailable")]
    with pytest.raises(ClusterError, match=r"APIGroup keda\.sh: 503"):
        await client.has_group("keda.sh")
