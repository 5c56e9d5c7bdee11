"""How to reach an API server: what a kubeconfig file says, or the pod's service account."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import yaml
from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration

from modelyard_kube.errors import ConnectionInvalid

_DEFAULT_NAMESPACE: Final = "default"
_OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Settings:
    """The official client's configuration, and the namespace that is meant where none is named."""

    configuration: Configuration
    namespace: str = _DEFAULT_NAMESPACE


async def load_settings(kubeconfig: str, context: str = "") -> Settings:
    """Return what kubeconfig files (`a:b` for several) say of a context, the current one if empty.

    Without `kubeconfig` it is what the pod's service account says.

    Raises:
        ConnectionInvalid: it is missing or unreadable.
    """
    configuration = Configuration()
    try:
        if kubeconfig:
            namespace = await _load_files(kubeconfig, context, configuration)
        else:
            namespace = _load_account(configuration)
    # The official client checks little of what it reads; each of these was seen with a bad file.
    except (config.ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError) as e:
        raise _translate(kubeconfig, e) from e
    except yaml.YAMLError as error:
        raise _translate(kubeconfig, error) from error
    if not configuration.proxy:
        configuration.proxy = _find_proxy(str(configuration.host))
    # aiohttp would look at the environment anew, in two threads, for each single request.
    configuration.client_session_kwargs = {"trust_env": False}
    return Settings(configuration, namespace or _DEFAULT_NAMESPACE)


async def _load_files(kubeconfig: str, context: str, configuration: Configuration) -> str:
    loader = await config.load_kube_config(  # type: ignore[no-untyped-call]
        config_file=kubeconfig,
        context=context or None,
        client_configuration=configuration,
        persist_config=False,
    )
    return str(loader.current_context["context"].get("namespace") or "")


def _load_account(configuration: Configuration) -> str:
    config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    return _OWN_NAMESPACE.read_text().strip() if _OWN_NAMESPACE.exists() else ""


def _translate(kubeconfig: str, error: Exception) -> ConnectionInvalid:
    where = kubeconfig or "the pod's service account"
    # A YAML error draws the place over several lines.
    return ConnectionInvalid(f"cannot connect as {where} says: {' '.join(str(error).split())}")


def _find_proxy(server: str) -> str | None:
    """Return the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for a server."""
    url = urlsplit(server)
    if proxy_bypass(url.netloc):
        return None
    return getproxies().get(url.scheme)
