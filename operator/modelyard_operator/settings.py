"""The process's settings, read once from MODELYARD_* variables."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from modelyard_operator.errors import SettingsInvalid

_PREFIX = "MODELYARD_"
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """Each field is the variable MODELYARD_<FIELD>; KUBECONFIG stands beside them."""

    policy: Path = Path("/etc/modelyard/policy.yaml")
    kubeconfig: str = ""
    """Empty: the pod's service account."""
    pod_name: str = "modelyard-operator"
    """Who posts the Events and holds the lease."""
    namespace: str = "default"
    """Where the lease lies."""
    lease_name: str = "modelyard-operator"
    """Of all operators of one cluster, only the holder of this lease writes."""
    probe_port: int = 8080
    probe_host: str = ""
    """Address that the probe and metrics server binds; empty binds all."""
    workers: int = 16
    log_level: str = "info"
    """One of LOG_LEVELS."""
    audit_seconds: float = 120.0
    """How often all objects are listed (metadata only) and compared with what was seen."""
    watch_silence_seconds: float = 90.0
    """For how long a watch may be silent; the API server sends a bookmark every minute."""
    patience_seconds: float = 15.0
    """How late at most it is noticed that an API server that was away is there again."""
    reapply_seconds: float = 3600.0
    """How often each child is applied again although nothing seems to have changed."""
    drain_seconds: float = 10.0
    """How long the work in progress may take after SIGTERM."""
    report_port: int = 9090
    report_timeout_seconds: float = 2.0
    hub_timeout_seconds: float = 15.0
    """How long the hub may take to say which commit a revision is."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the environment.

    Raises:
        SettingsInvalid: a value that is no number where one is needed, or an unknown log level.
    """
    values: dict[str, object] = {"kubeconfig": environ.get("KUBECONFIG", "")}
    for field in fields(Settings):
        text = environ.get(_PREFIX + field.name.upper())
        if text is None:
            continue
        try:
            values[field.name] = _parse_like(field.default, text)
        except ValueError as error:
            raise SettingsInvalid(f"{_PREFIX}{field.name.upper()}: {error}") from error
    if (level := values.get("log_level", "info")) not in LOG_LEVELS:
        known = ", ".join(LOG_LEVELS)
        raise SettingsInvalid(f"{_PREFIX}LOG_LEVEL: {level!r} is none of {known}")
    return Settings(**values)  # type: ignore[arg-type]  # parsed by the type of each default


def _parse_like(default: object, text: str) -> object:
    match default:
        case int():
            return int(text)
        case float():
            return float(text)
        case Path():
            return Path(text)
        case _:
            return text
