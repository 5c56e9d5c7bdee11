"""Who is let through, by the scope that a server might hand over; real sockets are in test_keys."""

import logging

import httpx
import pytest

from modelyard_cli.key import hash_key
from modelyard_runtime.access.key_folder import open_keys
from modelyard_runtime.metering import current_usage, open_usage
from modelyard_runtime.metrics import Metrics
from modelyard_runtime.middleware.authentication import Authentication, is_look_at
from modelyard_runtime.server import build_app
from modelyard_runtime.settings import Settings
from tests.support.fake_engine import FakeGenerationEngine
from tests.support.runtime_server import build_life

PATHS = frozenset({"/livez", "/readyz"})
PAGES = frozenset({"/docs"})
PROBE = {"type": "http", "method": "GET", "path": "/livez", "raw_path": b"/livez", "headers": []}
SCOPES = [
    pytest.param({}, True, id="a probe"),
    pytest.param({"method": "HEAD"}, True, id="a probe's head"),
    pytest.param({"method": "POST"}, False, id="another method"),
    pytest.param({"method": "get"}, False, id="a method in lower case"),
    pytest.param({"path": "/v1/models"}, False, id="another path"),
    pytest.param({"raw_path": b"/%6civez"}, False, id="an escape"),
    pytest.param({"raw_path": b"/v1/models"}, False, id="a raw path of its own"),
    pytest.param({"raw_path": None}, False, id="a server that does not tell the raw path"),
    pytest.param({"type": "websocket"}, False, id="a WebSocket"),
]


@pytest.mark.parametrize(("changes", "expected"), SCOPES)
def test_a_probe_is_one_to_the_letter(changes, expected):
    assert is_look_at({**PROBE, **changes}, PATHS) is expected


class Door:
    """Counts who gets in, and who is turned away."""

    def __init__(self, owner=None, reader=None):
        self.let_in, self.refused, self.sent = [], 0, []
        self.middleware = Authentication(
            self._enter,
            find_owner=lambda _headers: owner,
            find_reader=lambda _headers: reader,
            pages=PAGES,
            exempt=PATHS,
            refuse=self._refuse,
        )

    async def knock(self, scope):
        await self.middleware(scope, None, self._send)

    async def _enter(self, _scope, _receive, _send):
        self.let_in.append(current_usage().owner)

    async def _refuse(self, _scope, _receive, _send):
        self.refused += 1

    async def _send(self, message):
        self.sent.append(message)


async def test_a_known_key_is_let_in_under_its_owners_name():
    open_usage()
    door = Door("alice")
    await door.knock({**PROBE, "path": "/predict"})
    assert (door.let_in, door.refused) == (["alice"], 0)


async def test_any_other_is_refused_and_gets_no_further():
    door = Door()
    await door.knock({**PROBE, "path": "/predict"})
    assert (door.let_in, door.refused) == ([], 1)


READINGS = [
    pytest.param({}, ["alice"], id="a page"),
    pytest.param({"method": "HEAD"}, ["alice"], id="a page's head"),
    pytest.param({"method": "POST"}, [], id="another method"),
    pytest.param({"path": "/predict", "raw_path": b"/predict"}, [], id="another path"),
    pytest.param({"raw_path": b"/d%6fcs"}, [], id="an escape"),
]


@pytest.mark.parametrize(("changes", "let_in"), READINGS)
async def test_what_a_browser_presents_opens_pages_only(changes, let_in):
    open_usage()
    door = Door(reader="alice")
    await door.knock({**PROBE, "path": "/docs", "raw_path": b"/docs", **changes})
    assert (door.let_in, door.refused) == (let_in, 1 - len(let_in))


async def test_a_websocket_is_closed_whatever_key_it_has():
    door = Door("alice")
    await door.knock({**PROBE, "type": "websocket"})
    assert (door.let_in, door.sent) == ([], [{"type": "websocket.close", "code": 1008}])


async def test_the_servers_own_events_pass():
    door = Door()
    await door.knock({"type": "lifespan"})
    assert len(door.let_in) == 1


async def test_a_flood_of_strangers_is_counted_and_does_not_fill_the_log(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "alice").write_text(hash_key("k"))
    life = build_life(FakeGenerationEngine())
    metrics = Metrics(life)
    app = build_app(life, metrics, Settings(), keys=open_keys(tmp_path))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://runtime") as client:
        for _ in range(200):
            assert (await client.get("/v1/models")).status_code == 401
        known = {"authorization": "Bearer k"}
        assert (await client.get("/v1/models", headers=known)).status_code == 200
    lines = [record.status for record in caplog.records if record.getMessage() == "request"]
    # Twenty at once, and one for each second that this takes.
    assert 20 <= lines.count(401) < 100
    assert lines[-1] == 200
    assert b'modelyard_requests_total{code="401"} 200.0' in metrics.render()
