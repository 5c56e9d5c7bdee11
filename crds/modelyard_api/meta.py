"""Names that more than one part of Modelyard must agree on, each documented where it is defined.

docs/status.md lists the conditions and reasons for users; a test holds it against this file.
"""

from enum import StrEnum
from typing import Final

GROUP: Final = "modelyard.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "ModelDeployment"
PLURAL: Final = "modeldeployments"
RESOURCE: Final = f"{PLURAL}.{GROUP}"

# Labels and annotations. The prefix is reserved: users' labels cannot set it.

#: On every child: the value is `MANAGER`, so that watches can select server-side.
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
#: On every child and pod: the ModelDeployment's name. Part of the (immutable) selector.
LABEL_MODEL: Final = f"{GROUP}/model"
#: On pods: the revision, a hash of the pod template.
LABEL_REVISION: Final = f"{GROUP}/revision"
#: On children: hash of the manifest as applied; equal means there is nothing to write.
ANNOTATION_APPLIED_HASH: Final = f"{GROUP}/applied-hash"
#: On the Deployment: hash of the spec fields that shape the pod template.
ANNOTATION_TEMPLATE_INPUT: Final = f"{GROUP}/template-input"
#: On the Deployment: the pod template as it was rendered (JSON), and what was decided for it. It is
#: kept until the template's inputs change, so that upgrading Modelyard restarts no model.
ANNOTATION_RENDERING: Final = f"{GROUP}/rendering"

#: On the Deployment: hash of the revision that was good last, that is, of which all wanted pods, at
#: least one, were ready together.
ANNOTATION_GOOD: Final = f"{GROUP}/good"
#: On the Deployment, while another revision is rolled out: the last good one, as it was rendered.
ANNOTATION_LAST_GOOD: Final = f"{GROUP}/last-good"
#: On the Deployment: the revision that was given up, and why (JSON). It is not tried again until
#: the spec or ANNOTATION_RETRY changes.
ANNOTATION_FAILED: Final = f"{GROUP}/failed"
#: On the Deployment: the revision whose pods found no room beside the old ones, so that they are
#: started in their place.
ANNOTATION_REPLACES: Final = f"{GROUP}/replaces"
#: On a ModelDeployment, set by people: another value tries a revision again that was given up.
ANNOTATION_RETRY: Final = f"{GROUP}/retry"

#: Server-side apply field manager of the operator's children, and value of LABEL_MANAGED_BY.
MANAGER: Final = "modelyard"
#: Field manager of the status write.
STATUS_MANAGER: Final = "modelyard-status"
#: Field manager of a Deployment's replicas where something scales; never the one that applies the
#: rest, whose dropping of the field would set it back to 1.
SCALE_MANAGER: Final = "modelyard-scale"


# Ports, paths and exit codes of the runtime's pod.

#: Serving port of a model pod: the protocols and the probes.
SERVING_PORT: Final = 8080
#: Port of the Service in front of the pods.
SERVICE_PORT: Final = 80
#: Port of the Service in front of pods that serve TLS.
TLS_SERVICE_PORT: Final = 443
#: Port of a model pod, and of its Service, for the Open Inference Protocol over gRPC.
GRPC_PORT: Final = 8001
#: Internal port of a model pod: `/metrics` and `/report`; never part of the Service.
INTERNAL_PORT: Final = 9090
#: Where the model folder is mounted, read-only.
MODEL_PATH: Final = "/model"
#: Folder below which the model's adapters are mounted, read-only, each in one of its own.
ADAPTERS_PATH: Final = "/adapters"
#: Prefix of Modelyard's own environment variables, which no user sets.
ENV_PREFIX: Final = "MODELYARD_"
#: Environment variable that carries the ServingConfig.
CONFIG_VARIABLE: Final = "MODELYARD_CONFIG"
#: Environment variable of the init container that carries the FetchConfig.
FETCH_VARIABLE: Final = "MODELYARD_FETCH"
#: Where the init container mounts the volume that it downloads to.
DOWNLOAD_PATH: Final = "/download"
#: Folder of that volume which holds the whole model, once it is there: the runtime's subPath.
DOWNLOADED_FOLDER: Final = "model"
#: Where the init container mounts the Secret for the download, read-only.
SECRET_PATH: Final = "/etc/modelyard/secret"  # noqa: S105 - a folder
#: Key of that Secret: the token, sent to one host only.
SECRET_TOKEN_KEY: Final = "token"  # noqa: S105 - the name of a key
#: Key of that Secret: the host (`HOST` or `HOST:PORT`) that the token is for.
SECRET_HOST_KEY: Final = "host"  # noqa: S105 - the name of a key
#: The host that a token is for when its Secret names none.
DEFAULT_SECRET_HOST: Final = "huggingface.co"  # noqa: S105 - a host
#: Where `hf://` models come from, unless the policy names a mirror.
DEFAULT_HUB: Final = "https://huggingface.co"
#: Keys of the Secret for a model in S3, beside SECRET_HOST_KEY: what signs the requests, and where
#: an S3 server of one's own is.
SECRET_ACCESS_KEY_ID_KEY: Final = "accessKeyId"  # noqa: S105 - the name of a key
SECRET_ACCESS_KEY_KEY: Final = "secretAccessKey"  # noqa: S105 - the name of a key
SECRET_SESSION_TOKEN_KEY: Final = "sessionToken"  # noqa: S105 - the name of a key
SECRET_ENDPOINT_KEY: Final = "endpoint"  # noqa: S105 - the name of a key
SECRET_REGION_KEY: Final = "region"  # noqa: S105 - the name of a key
#: The region of `s3://` models where neither the Secret nor the policy names one.
DEFAULT_S3_REGION: Final = "us-east-1"
#: Where the runtime mounts the Secret of the API keys, read-only: each file is an owner.
KEYS_PATH: Final = "/etc/modelyard/keys"
#: Where the runtime mounts the Secret of its certificate (`kubernetes.io/tls`), read-only.
TLS_PATH: Final = "/etc/modelyard/tls"
#: Keys of that Secret: the certificate with its chain, and its private key, both as PEM.
TLS_CERTIFICATE_KEY: Final = "tls.crt"
TLS_PRIVATE_KEY_KEY: Final = "tls.key"
#: Environment variable that tells a model pod its own revision, for usage records.
REVISION_VARIABLE: Final = "MODELYARD_REVISION"
#: Exit code of a runtime that cannot start and has written a RuntimeReport as its termination
#: message (EX_CONFIG of sysexits.h): starting it again unchanged would not help.
EXIT_CANNOT_START: Final = 78
#: Seconds a terminating pod keeps serving before SIGTERM, while endpoints forget it.
PRE_STOP_SECONDS: Final = 5
#: Seconds between the end of the drain and the kubelet's SIGKILL.
STOP_MARGIN_SECONDS: Final = 10


class Condition(StrEnum):
    """Condition types of a ModelDeployment. All are set on every pass."""

    ACCEPTED = "Accepted"
    """The spec is valid, allowed by the policy, and its children are ours to write."""
    PROGRESSING = "Progressing"
    """Work towards the target revision goes on. False: it is done, or it cannot go on (reason)."""
    AVAILABLE = "Available"
    """At least one pod, of whatever revision, serves."""
    READY = "Ready"
    """All wanted pods of the target revision serve, and answered a warm-up."""


class Reason(StrEnum):
    """Reasons of conditions and failures, in CamelCase as Kubernetes wants them."""

    # Accepted
    ACCEPTED = "Accepted"
    """Accepted: the spec is valid and allowed."""
    INVALID = "Invalid"
    """The spec cannot be read; the message names the field."""
    POLICY_FORBIDS = "PolicyForbids"
    """The platform's policy does not allow what the spec asks for."""
    NAME_TAKEN = "NameTaken"
    """An object with a child's name exists and is not ours; it is not touched."""
    GATEWAY_REQUIRED = "GatewayRequired"
    """spec.scaling.idleAfter needs a gateway that wakes the model, and the platform has none."""

    # Progressing
    ROLLING_OUT = "RollingOut"
    """Pods of the target revision are being started, or pods of older ones stopped."""
    REPLACING = "Replacing"
    """Pods of the target revision start in the place of old ones: no node had room beside them."""
    ROLLOUT_COMPLETE = "RolloutComplete"
    """Every wanted pod is of the target revision and serves."""
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    """The target revision was not ready within update.progressDeadline."""
    APPLY_REFUSED = "ApplyRefused"
    """The API server refused a child (quota, admission); the message says who refuses what."""
    SOURCE_UNREACHABLE = "SourceUnreachable"
    """The hub did not say which commit spec.model.revision is; asked again and again."""
    NOT_ACCEPTED = "NotAccepted"
    """Nothing is done because Accepted is False."""
    ROLLED_BACK = "RolledBack"
    """The revision that the spec asks for failed; the last good one was put back."""
    UPDATE_PAUSED = "UpdatePaused"
    """The revision that the spec asks for failed; the update stopped there (onFailure: pause)."""
    SCALER_UNAVAILABLE = "ScalerUnavailable"
    """What spec.scaling.mode relies on (a metrics API, KEDA) is not there."""

    # Available, Ready
    SERVING = "Serving"
    """Pods serve."""
    STARTING = "Starting"
    """Pods are on their way: being scheduled, pulling, loading or warming up."""
    SCALED_TO_ZERO = "ScaledToZero"
    """spec.scaling.replicas is 0."""
    SUSPENDED = "Suspended"
    """spec.suspend is true."""
    SLEEPING = "Sleeping"
    """No pods, since nobody asked for spec.scaling.idleAfter; the gateway wakes the model."""

    # Failures: a pod cannot start or keeps dying. Also reasons of Progressing, Available and Ready.
    UNSCHEDULABLE = "Unschedulable"
    """No node has what the pod asks for."""
    IMAGE_PULL_FAILED = "ImagePullFailed"
    """The runtime image cannot be pulled."""
    MODEL_IMAGE_PULL_FAILED = "ModelImagePullFailed"
    """The model's image (oci://) cannot be pulled."""
    OUT_OF_MEMORY = "OutOfMemory"
    """The kernel killed the runtime at its memory limit."""
    CRASHED = "Crashed"
    """The runtime ended and said no reason; the last log lines are in status.failure."""
    CONTAINER_REFUSED = "ContainerRefused"
    """The kubelet could not make the container (configuration, volume or security context)."""

    DEVICE_MISMATCH = "DeviceMismatch"
    """The pods serve from another device than the GPU profile's, on a CPU for example."""

    # Failures that the runtime itself reports when it cannot start (exit code EXIT_CANNOT_START).
    VERIFICATION_FAILED = "VerificationFailed"
    """The model did not answer spec.update.verify as expected."""
    OPTIMIZATION_FAILED = "OptimizationFailed"
    """spec.optimize changed more of the model's answers than optimize.minAgreement allows."""
    CONFIG_INVALID = "ConfigInvalid"
    """MODELYARD_CONFIG or MODELYARD_FETCH cannot be read, or does not fit the pod."""
    ACCESS_INVALID = "AccessInvalid"
    """A Secret of spec.access is missing, or holds no API key or certificate that can be used."""
    MODEL_NOT_FOUND = "ModelNotFound"
    """The model folder is missing, empty, or has no model in it; or the hub does not know it."""
    MODEL_FILE_CORRUPT = "ModelFileCorrupt"
    """A file of the model is truncated or damaged."""
    MODEL_UNSAFE = "ModelUnsafe"
    """The model brings code, pickles or paths that this runtime does not run."""
    MODEL_UNSUPPORTED = "ModelUnsupported"
    """The architecture, format or task is not one that this runtime serves."""
    NOT_ENOUGH_MEMORY = "NotEnoughMemory"
    """The model cannot fit into the memory of the pod or device."""
    LOAD_FAILED = "LoadFailed"
    """Loading failed in a way not foreseen; the message is the original error."""
    WARMUP_FAILED = "WarmupFailed"
    """The model loaded, but did not answer the warm-up request."""

    # Failures of the download, reported the same way by the init container.
    UNAUTHORIZED = "Unauthorized"
    """The hub or S3 server wants a token or keys, or refuses those that it was given."""
    SECRET_HOST_MISMATCH = "SecretHostMismatch"  # noqa: S105 - no password
    """The Secret's token or keys are for another host than the one to download from; not sent."""
    NOT_ENOUGH_DISK = "NotEnoughDisk"
    """The volume for the download has no room for the model."""
    RATE_LIMITED = "RateLimited"
    """The hub lets no more requests through for a while; they are tried again by themselves."""
    DOWNLOAD_FAILED = "DownloadFailed"
    """The hub or S3 server did not answer, or not as one does; the message names host and error."""


class Phase(StrEnum):
    """One word for people (`kubectl get`). Conditions are the contract, not this."""

    INVALID = "Invalid"
    STARTING = "Starting"
    READY = "Ready"
    UPDATING = "Updating"
    FAILED = "Failed"
    ROLLED_BACK = "RolledBack"
    SCALED_TO_ZERO = "ScaledToZero"
    SLEEPING = "Sleeping"
    SUSPENDED = "Suspended"


class Metric(StrEnum):
    """Metrics of a model pod that others (autoscaler, gateway, dashboards) read."""

    REQUESTS_RUNNING = "modelyard_requests_running"
    REQUESTS_WAITING = "modelyard_requests_waiting"
    REQUESTS_TOTAL = "modelyard_requests_total"
    """Counter, label `code` (HTTP status)."""
    TOKENS_TOTAL = "modelyard_tokens_total"
    """Counter, label `kind`: prompt or completion."""
    ADAPTER_TOKENS_TOTAL = "modelyard_adapter_tokens_total"
    """Counter, labels `adapter` and `kind`: the part of TOKENS_TOTAL that an adapter had."""
    USAGE_REQUESTS_TOTAL = "modelyard_usage_requests_total"
    """Counter, labels `owner` (of the API key) and `code`; only where accounts are kept."""
    USAGE_TOKENS_TOTAL = "modelyard_usage_tokens_total"
    """Counter, labels `owner` and `kind`: prompt or completion."""
    USAGE_UNITS_TOTAL = "modelyard_usage_units_total"
    """Counter, labels `owner` and `unit`: what tokens do not measure (items, pixels, seconds)."""
    RECORDS_LOST_TOTAL = "modelyard_records_lost_total"
    """Counter: records of usage and audit that could not be written in time."""
    REQUEST_SECONDS = "modelyard_request_seconds"
    TIME_TO_FIRST_TOKEN_SECONDS = "modelyard_time_to_first_token_seconds"  # noqa: S105 - no password
