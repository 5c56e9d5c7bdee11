"""Lines for a shell."""

import shlex

from .clusters import Cluster


def format_exports(cluster: Cluster) -> str:
    """Lines that make a POSIX shell work with the cluster."""
    kubeconfig, programs = shlex.quote(str(cluster.kubeconfig)), shlex.quote(str(cluster.bin))
    return f"export KUBECONFIG={kubeconfig}\nexport PATH={programs}:$PATH"
