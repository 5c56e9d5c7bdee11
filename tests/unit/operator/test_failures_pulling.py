"""An image that is not there: what the registry said, and whose it is to mend."""

import pytest

from modelyard_operator.failures.pulling import explain_pull
from tests.support.objects import SANDBOX, SCHEDULED, container, parse, pod, status_of, waiting

HOST = "registry.example.com"
REFERENCE = f"{HOST}/models/qwen:2.5"
RUNTIME = "example.com/runtime:1"
UNPACK = f'failed to pull and unpack image "{REFERENCE}": '
RESOLVE = f'{UNPACK}failed to resolve reference "{REFERENCE}": '
MAKE_SECRET = (
    "If it is private: make a Secret with a login (kubectl -n team create secret docker-registry "
    "NAME --docker-server=HOST --docker-username=… --docker-password=…) and name it in "
    "spec.podTemplate.imagePullSecrets."
)

ERRORS = {
    "no such image": (
        f"{RESOLVE}{REFERENCE}: not found",
        f"the registry has no such image ({REFERENCE}: not found).",
        f"Correct spec.model.uri, or push the image. {MAKE_SECRET}",
    ),
    "a registry that wants a login": (
        f"{RESOLVE}pull access denied, repository does not exist or may require authorization",
        (
            "the registry wants a login, or refuses this one (pull access denied, repository does "
            "not exist or may require authorization)."
        ),
        f"Check spec.model.uri, and that the login may read it. {MAKE_SECRET}",
    ),
    "a registry that wants a login, where the node had none": (
        f"{RESOLVE}authorization failed: no basic auth credentials",
        (
            "the registry wants a login, and the node had none for it (authorization failed: no "
            "basic auth credentials)."
        ),
        f"Check spec.model.uri, and that there is a login for its registry. {MAKE_SECRET}",
    ),
    "a registry that nobody reaches": (
        (
            f'{UNPACK}failed to resolve image: failed to do request: Head "https://{HOST}/v2/": '
            "dial "
            f"tcp: lookup {HOST} on 10.0.0.1:53: read udp 172.30.0.10:33583->10.0.0.1:53: i/o "
            "timeout"
        ),
        (
            f'the node does not reach the registry (Head "https://{HOST}/v2/": dial tcp: lookup '
            f"{HOST} "
            "on 10.0.0.1:53: read udp 172.30.0.10->10.0.0.1:53: i/o timeout)."
        ),
        "Check the host in spec.model.uri, and that the nodes reach it (DNS, firewall, proxy).",
    ),
    "a certificate that is not trusted": (
        (
            f"{RESOLVE}tls: failed to verify certificate: x509: certificate signed by unknown "
            "authority"
        ),
        (
            "the registry's certificate is not trusted by the node (tls: failed to verify "
            "certificate: x509: certificate signed by unknown authority)."
        ),
        "Whoever runs the nodes lets their container runtime trust the registry's authority.",
    ),
    "another kind of CPU": (
        f"{UNPACK}no match for platform in manifest: not found",
        (
            "the image is not built for the node's kind of CPU (no match for platform in "
            "manifest: not found)."
        ),
        (
            "Build it for that architecture too, or choose other nodes in "
            "spec.podTemplate.nodeSelector (kubernetes.io/arch)."
        ),
    ),
    "a limit": (
        f"{UNPACK}429 Too Many Requests - toomanyrequests: slow down",
        (
            "the registry lets this node ask no more for a while (429 Too Many Requests - "
            "toomanyrequests: slow down)."
        ),
        "It is tried again by itself. A login or a mirror of your own raises the limit.",
    ),
    "a full disk": (
        f"{UNPACK}write /var/lib/x: no space left on device",
        "the node's disk is full (write /var/lib/x: no space left on device).",
        "Free space on the node, or add one with a larger disk.",
    ),
    "what nobody here knows": (
        f"{UNPACK}the moon is full",
        "the container runtime gives this error (the moon is full).",
        "Check spec.model.uri, and that the nodes reach the registry and may pull from it. "
        + MAKE_SECRET,
    ),
}


def stuck(reason, message):
    status = status_of(SCHEDULED, SANDBOX, containers=container(waiting(reason, message)))
    return pod(status=status)


@pytest.fixture
def md():
    return parse(model={"uri": f"oci://{REFERENCE}"})


@pytest.mark.parametrize("sentence", ERRORS)
def test_it_says_what_the_registry_said_and_what_helps(md, sentence):
    said, message, hint = ERRORS[sentence]
    cause = explain_pull(md, stuck("ErrImagePull", said))
    assert (cause.reason, cause.message, cause.hint) == (
        "ModelImagePullFailed",
        f"The model's image {REFERENCE} cannot be pulled: {message}",
        hint,
    )


@pytest.mark.parametrize("sentence", ERRORS)
def test_it_reads_the_same_while_the_kubelet_backs_off(md, sentence):
    said = ERRORS[sentence][0]
    later = f'Back-off pulling image "{REFERENCE}": ErrImagePull: {said}'
    assert explain_pull(md, stuck("ErrImagePull", said)) == explain_pull(
        md, stuck("ImagePullBackOff", later)
    )


def test_secrets_that_were_asked_for_are_named_with_what_shows_them():
    secrets = [{"name": "registry-login"}, {"name": "other"}]
    md = parse(model={"uri": f"oci://{REFERENCE}"}, podTemplate={"imagePullSecrets": secrets})
    cause = explain_pull(md, stuck("ErrImagePull", f"{RESOLVE}401 Unauthorized"))
    assert cause.hint == (
        "Check spec.model.uri, and that the login may read it. spec.podTemplate.imagePullSecrets "
        "names: registry-login other. A Secret that does not exist is left out without an error, "
        "and the pull has no login; see whether it does: kubectl -n team get secret registry-login "
        "other"
    )


def test_a_name_that_is_none_is_told(md):
    said = f'Failed to apply default image tag "{REFERENCE}": couldn\'t parse image name: invalid'
    cause = explain_pull(md, stuck("InvalidImageName", said))
    assert "that is not the name of an image" in cause.message
    assert "HOST/REPOSITORY:TAG" in cause.hint


@pytest.mark.parametrize(
    ("runtime", "hint"),
    [
        pytest.param({}, "the chart's value runtime.image", id="the platform's"),
        pytest.param({"image": RUNTIME}, "Correct spec.runtime.image", id="one of the spec"),
    ],
)
def test_the_runtimes_image_is_told_from_the_models(runtime, hint):
    md = parse(model={"uri": f"oci://{REFERENCE}"}, runtime=runtime)
    said = f'failed to pull and unpack image "{RUNTIME}": {RUNTIME}: not found'
    cause = explain_pull(md, stuck("ErrImagePull", said))
    assert cause.reason == "ImagePullFailed"
    assert cause.message.startswith(f"The runtime's image {RUNTIME} cannot be pulled: ")
    assert hint in cause.hint
