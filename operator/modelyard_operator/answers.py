"""Bodies of answers from outside the cluster's API: read to their end, but not without one."""

import aiohttp


async def read_answer(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """Return the whole body.

    Raises:
        ValueError: it is longer than the limit; the rest is not read.
    """
    body = bytearray()
    # One read returns what has come so far, which of a long body is only its beginning.
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > limit_bytes:
            raise ValueError(f"the answer has more than {limit_bytes} bytes")
    return bytes(body)
