"""Sets up the thread that computes."""

from contextlib import suppress

import torch


def prepare_thread(threads: int) -> None:
    """Bound torch's thread pools; call it on the engine's thread, before the model is loaded.

    Torch counts the host's cores and knows nothing of CPU quotas: more threads than the quota
    pays for get all of them throttled.
    """
    torch.set_num_threads(threads)
    # One model on one thread has no operations to run side by side. Can be set once per process.
    with suppress(RuntimeError):
        torch.set_num_interop_threads(1)
