"""What a request has used is added up across the tasks that work for it, and for it alone."""

import asyncio

from modelyard_runtime.metering import Usage, current_usage, open_usage


async def test_what_tasks_add_is_their_requests_alone():
    async def work():
        current_usage().add(prompt_tokens=1, units={"items": 2})

    async def serve():
        usage = open_usage()
        await asyncio.gather(*(asyncio.create_task(work()) for _ in range(3)))
        return usage

    one, other = await asyncio.gather(asyncio.create_task(serve()), asyncio.create_task(serve()))
    expected = Usage(prompt_tokens=3, units={"items": 6})
    assert (one, other, one is other) == (expected, expected, False)


def test_where_no_account_is_kept_adding_harms_nobody():
    current_usage().add(completion_tokens=1)
    assert current_usage() == Usage()
