"""What to look at while the model is loaded; what to ask it, the runtime says. Pure."""

import shlex

from modelyard_api.meta import TLS_CERTIFICATE_KEY
from modelyard_api.serving import ServingConfig


def build_examples(config: ServingConfig, *, host: str, port: int) -> str:
    """Return what to type next."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - shown, not bound
    scheme = "https" if config.access.tls_path else "http"
    base = f"{scheme}://[{shown}]:{port}" if ":" in shown else f"{scheme}://{shown}:{port}"
    login = " (any name, and an API key as the password)" if config.access.keys_path else ""
    return "\n".join(
        [
            f"Serving {config.model_name!r} from {config.model_path}",
            "",
            f"  curl {_trust(config)}{base}/readyz",
            f"  {base}/docs in a browser{login}",
            "",
            "Once it is ready, a request that it answers is shown below.",
            "",
        ]
    )


def _trust(config: ServingConfig) -> str:
    """Return curl's option for a certificate that no authority may have signed."""
    if not config.access.tls_path:
        return ""
    return f"--cacert {shlex.quote(f'{config.access.tls_path}/{TLS_CERTIFICATE_KEY}')} "
