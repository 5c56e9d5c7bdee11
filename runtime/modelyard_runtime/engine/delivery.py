"""Brings results from the engine's thread to the event loop, one crossing per step."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Parcel:
    """Something for one mailbox."""

    mailbox: "asyncio.Queue[Any]"
    content: Any


def deliver(loop: asyncio.AbstractEventLoop, parcels: Sequence[Parcel]) -> None:
    """Put each parcel in its mailbox, on the loop. A mailbox's bound is its request's length."""
    if not parcels:
        return
    # The loop may be gone when the process ends; then nobody waits for the parcels either.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(_put_all, parcels)


def _put_all(parcels: Sequence[Parcel]) -> None:
    for parcel in parcels:
        parcel.mailbox.put_nowait(parcel.content)
