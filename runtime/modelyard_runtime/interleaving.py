"""Several asynchronous iterators read as one, each item as soon as it is there."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TypeVar

T = TypeVar("T")


async def interleave(sources: Sequence[AsyncIterator[T]]) -> AsyncGenerator[tuple[int, T], None]:
    """Yield `(index of the source, item)` until all have ended; the first fault ends it.

    Reading stops when this is closed; closing the sources is their owner's part.
    """
    reading = {asyncio.ensure_future(_next(source)): i for i, source in enumerate(sources)}
    try:
        while reading:
            done, _ = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
            # Ties go by index, so that equal sources take turns.
            for task in sorted(done, key=reading.__getitem__):
                index = reading.pop(task)
                for item in task.result():
                    reading[asyncio.ensure_future(_next(sources[index]))] = index
                    yield index, item
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


async def _next(source: AsyncIterator[T]) -> tuple[T] | tuple[()]:
    """Return the next item, or nothing at the end: items may be anything, None included."""
    try:
        return (await anext(source),)
    except StopAsyncIteration:
        return ()
