"""The Service's ports follow what the pods speak, also while one revision replaces another."""

import pytest

from modelyard_operator.desired.commits import Commits
from modelyard_operator.desired.ledger import LastGood, Ledger
from modelyard_operator.desired.rendering import render
from modelyard_operator.desired.service import build_service
from tests.support.objects import build_policy, parse

PLAIN, TLS = parse(), parse(access={"tlsSecretRef": {"name": "qwen-tls"}})


def rendering_of(md):
    return render(md, build_policy(), Commits())


def port(name, number, target):
    return {
        "name": name,
        "port": number,
        "targetPort": target,
        "protocol": "TCP",
        "appProtocol": name,
    }


GRPC = {**port("grpc", 8001, 8001), "appProtocol": "kubernetes.io/h2c"}
TLS_GRPC = {**GRPC, "appProtocol": "https"}
HTTPS, HTTP = port("https", 443, "https"), port("http", 80, "http")
PORTS = [
    pytest.param(PLAIN, None, [port("http", 80, 8080), GRPC], id="plain, as ever"),
    pytest.param(PLAIN, PLAIN, [port("http", 80, 8080), GRPC], id="from plain to plain"),
    pytest.param(TLS, None, [HTTPS, TLS_GRPC], id="TLS from the beginning"),
    pytest.param(TLS, TLS, [HTTPS, TLS_GRPC], id="from TLS to TLS"),
    pytest.param(TLS, PLAIN, [HTTPS, HTTP, TLS_GRPC], id="from plain to TLS: each to its own pods"),
    pytest.param(PLAIN, TLS, [HTTPS, HTTP, TLS_GRPC], id="from TLS to plain: each to its own pods"),
]


@pytest.mark.parametrize(("wanted", "last", "ports"), PORTS)
def test_ports_lead_to_pods_that_speak_their_protocol(wanted, last, ports):
    last_good = LastGood(input="before", rendering=rendering_of(last)) if last else None
    ledger = Ledger("input", rendering_of(wanted), last_good=last_good)
    assert build_service(wanted, ledger)["spec"]["ports"] == ports


def test_after_a_rollback_the_service_is_as_the_pods_that_are_back():
    """The spec asks for TLS, and the last good revision does not speak it."""
    ledger = Ledger("input", rendering_of(PLAIN))
    assert build_service(TLS, ledger)["spec"]["ports"] == [port("http", 80, 8080), GRPC]
