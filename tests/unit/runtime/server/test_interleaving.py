"""Several iterators read as one."""

import asyncio

import pytest

from modelyard_runtime.interleaving import interleave


class Source:
    """Yields when told to."""

    def __init__(self):
        self.items = asyncio.Queue()

    async def __aiter__(self):
        while (item := await self.items.get()) != "end":
            if isinstance(item, Exception):
                raise item
            yield item


async def test_items_come_as_soon_as_they_are_there():
    sources = [Source(), Source()]
    merged = interleave([aiter(source) for source in sources])
    order = [(1, "a"), (1, "b"), (0, None), (1, "c"), (0, "d")]
    for index, item in order:
        sources[index].items.put_nowait(item)
        assert await asyncio.wait_for(anext(merged), 5) == (index, item)
    for source in sources:
        source.items.put_nowait("end")
    assert [item async for item in merged] == []


async def test_a_fault_of_one_stops_all_reading():
    sources = [Source(), Source()]
    merged = interleave([aiter(source) for source in sources])
    sources[1].items.put_nowait(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await anext(merged)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_closing_stops_all_reading():
    sources = [Source(), Source()]
    merged = interleave([aiter(source) for source in sources])
    sources[0].items.put_nowait("a")
    await anext(merged)
    await merged.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}
