"""Lines for a shell."""

import shlex

from .clusters import Cluster


def format_exports(cluster: Cluster) -> str:
    """Lines that make a POSIX shell work with the cluster."""
    return f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}\nexport PATH={shlex.quote(str(cluster.bin))}:$PATH"
