"""What can be wrong with a model on a real cluster, and what the object says of it.

Specs and texts have places, `{registry}` for example, for what the scene of the tests has.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Situation:
    """What is wrong (a spec with places for what the scene has), and what the object says."""

    name: str
    spec: dict
    reason: str
    message: str
    hint: str
    exit_code: int | None = None


def oci(place, **spec):
    return {"model": {"uri": f"oci://{place}"}, **spec}


def hf(repository, revision="", **model):
    return {"model": {"uri": f"hf://{repository}", "revision": revision, **model}}


MINILM = "{images[minilm]}"
SITUATIONS = {
    "a model image that the registry does not have": Situation(
        "no-image",
        oci("{registry}/models/none:1"),
        "ModelImagePullFailed",
        "The model's image {registry}/models/none:1 cannot be pulled: the registry has no such "
        "image",
        "Correct spec.model.uri, or push the image.",
    ),
    "an image pull secret that does not exist": Situation(
        "no-pull-secret",
        oci(
            "{registry}/private/model:1",
            podTemplate={"imagePullSecrets": [{"name": "registry-login"}]},
        ),
        "ModelImagePullFailed",
        "cannot be pulled: the registry wants a login, and the node had none for it",
        "get secret registry-login",
    ),
    "a registry that the node does not reach": Situation(
        "no-registry",
        oci("localhost:1/models/none:1"),
        "ModelImagePullFailed",
        "cannot be pulled: the node does not reach the registry",
        "Check the host in spec.model.uri",
    ),
    "a memory limit at which the kernel kills while the model loads": Situation(
        "out-of-memory",
        oci(MINILM, resources={"memory": "24Mi"}),
        "OutOfMemory",
        "at its memory limit of 24Mi while it loaded the model.",
        "Raise spec.resources.memory (now 24Mi)",
        137,
    ),
    "less memory than the libraries take": Situation(
        "no-room-for-libraries",
        oci(MINILM, resources={"memory": "200Mi"}),
        "NotEnoughMemory",
        "The runtime without any model needs about",
        "Set spec.resources.memory to",
        78,
    ),
    "less memory than the weights take beside the libraries": Situation(
        "no-room-for-weights",
        oci("{images[smollm2]}", resources={"memory": "900Mi"}),
        "NotEnoughMemory",
        "weights",
        "spec.resources.memory",
        78,
    ),
    "a crash with a traceback": Situation(
        "crash",
        # A path that is not there: the metrics' library fails before the runtime can say so.
        oci(MINILM, runtime={"env": [{"name": "PROMETHEUS_MULTIPROC_DIR", "value": "/none"}]}),
        "Crashed",
        "The runtime ended with exit code 1 while it loaded the model: FileNotFoundError: [Errno "
        "2] No such file or directory: '/none/counter_1.db'.",
        "kubectl -n {namespace} logs crash-",
        1,
    ),
    "a GPU that no node has": Situation(
        "no-gpu",
        oci(MINILM, resources={"gpu": {"count": 1}}),
        "Unschedulable",
        "0 of 1 nodes can take the pod: 1 has too few nvidia.com/gpu free.",
        "Each pod asks for 1 of nvidia.com/gpu: add a GPU node",
    ),
    "weights that are cut off": Situation(
        "truncated",
        oci("{truncated}"),
        "ModelFileCorrupt",
        "model.safetensors is truncated: by its header it has",
        "Copy or download the file again",
        78,
    ),
    "an architecture that is not served": Situation(
        "odd-architecture",
        hf("acme/odd"),
        "ModelUnsupported",
        "The model is a DPTForDepthEstimation, for which this runtime has no task",
        "Choose a model whose config.json names an architecture",
        78,
    ),
    "a model that has transformers run code of its own": Situation(
        "foreign-code",
        hf("acme/coded"),
        "ModelUnsafe",
        "config.json has the key 'auto_map', which makes model libraries run foreign code",
        "this runtime runs no code that a model brings.",
        78,
    ),
    "weights that are a pickle": Situation(
        "pickle",
        hf("acme/pickled", "{pickled}"),
        "ModelUnsupported",
        "are Python pickles only (pytorch_model.bin); opening one can run any code",
        "choose a repository that has safetensors.",
        78,
    ),
    "a private repository, without a Secret (401)": Situation(
        "private-branch",
        hf("acme/private"),
        "Unauthorized",
        "The hub does not show acme/private to everybody (HTTP status 401)",
        "give its commit (40 digits) as spec.model.revision, and name a Secret with a token",
    ),
    "a commit of a private repository, without a Secret (401)": Situation(
        "private-commit",
        hf("acme/private", "{private}"),
        "Unauthorized",
        "{hub} answers 401: Invalid username or password. No token was sent.",
        "kubectl create secret generic NAME --from-literal=host={hub} --from-literal=token=…",
        78,
    ),
    "a Secret for the hub that does not exist": Situation(
        "no-secret",
        hf("acme/tiny", "{tiny}", secretRef={"name": "not-made-yet"}),
        "Unauthorized",
        "The Secret that spec.model.secretRef names does not exist",
        "kubectl create secret generic NAME",
        78,
    ),
    "terms that the token's owner has not accepted (403)": Situation(
        "gated",
        hf("acme/gated", "{gated}", secretRef={"name": "token"}),
        "Unauthorized",
        "{hub} answers 403: Access to model acme/gated is restricted. The Secret's token was sent.",
        "accept its terms on the hub with the account of the token",
        78,
    ),
    "a repository that is not there (404 to those who are known)": Situation(
        "no-repository",
        hf("acme/none", "{tiny}", secretRef={"name": "token"}),
        "ModelNotFound",
        "The hub does not know acme/none at {tiny}: {hub} answers 404: Repository not found",
        "Check spec.model.uri",
        78,
    ),
    "a branch that is not there (404)": Situation(
        "no-branch",
        hf("acme/tiny", "v9"),
        "ModelNotFound",
        "The hub knows no revision 'v9' of acme/tiny.",
        "Correct spec.model.uri or spec.model.revision",
    ),
    "a commit that is not there (404)": Situation(
        "no-commit",
        hf("acme/tiny", "0" * 40),
        "ModelNotFound",
        f"The hub does not know acme/tiny at {'0' * 40}: {{hub}} answers 404",
        "Check spec.model.revision",
        78,
    ),
    "a file that is not in the repository": Situation(
        "no-file",
        hf("acme/tiny/x.gguf"),
        "ModelNotFound",
        "hf://acme/tiny has no file or folder 'x.gguf'",
        "Correct the path in spec.model.uri",
        78,
    ),
    "a hub that lets no more requests through (429)": Situation(
        "limited",
        hf("acme/limited", "{limited}"),
        "RateLimited",
        "{hub} answers 429: Something is wrong (too many requests), and wants 60 s of rest. The "
        "download goes on by itself",
        "Hubs let more requests through with a token (spec.model.secretRef)",
        78,
    ),
    "the same, asked for a branch (429)": Situation(
        "limited-branch",
        hf("acme/limited"),
        "RateLimited",
        "lets no more requests through for a while (HTTP status 429)",
        "A commit (40 digits) as spec.model.revision needs no question",
    ),
    "a disk that is too small for the model": Situation(
        "huge",
        hf("acme/huge", "{huge}"),
        "NotEnoughDisk",
        "The model needs 909.5 TiB more on the volume at /download, and",
        "choose a smaller model or file",
        78,
    ),
    "a file that is not what the hub says it is": Situation(
        "damaged",
        hf("acme/damaged", "{damaged}"),
        "ModelFileCorrupt",
        "and by the hub it is",
        "check proxies and mirrors",
        78,
    ),
    "a download that misses its deadline": Situation(
        "late",
        {**hf("acme/slow", "{slow}"), "update": {"progressDeadline": "30s"}},
        "ProgressDeadlineExceeded",
        "Not ready within spec.update.progressDeadline (30s); still downloading the model since",
        "Raise spec.update.progressDeadline",
    ),
}
#: Slow, and well before its deadline.
SLOW = {**hf("acme/slow", "{slow}"), "update": {"progressDeadline": "1h"}}
