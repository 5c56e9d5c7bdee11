"""Which requests are billed, and how many of those that are refused are written down."""

import pytest

from modelyard_runtime import metrics as metrics_module
from modelyard_runtime.accounts.bookkeeping import Bookkeeper
from modelyard_runtime.accounts.records import Exchange
from modelyard_runtime.metering import Usage
from modelyard_runtime.metrics import Metrics
from tests.support.runtime_server import Records, build_life


@pytest.fixture
def metrics():
    return Metrics(build_life(None))


def exchange(owner, status=200, **usage):
    return Exchange(
        time="2026-11-22T10:00:00.000+00:00",
        request_id="id-1",
        model="qwen",
        task="embeddings",
        method="POST",
        path="/predict",
        route="/predict" if owner else "",
        client="10.0.0.9",
        status=status,
        seconds=0.5,
        is_streamed=False,
        is_refused=not owner,
        usage=Usage(owner=owner, **usage),
    )


def samples(metrics, name):
    return {
        "/".join(sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def test_use_is_counted_for_its_owner(metrics):
    keeper = Bookkeeper(Records(), metrics, revision="r", is_auditing=False)
    keeper.note(exchange("alice", prompt_tokens=3, completion_tokens=4, units={"items": 2}))
    keeper.note(exchange("alice", prompt_tokens=1))
    keeper.note(exchange("bob", status=404))
    keeper.note(exchange("", status=401))
    assert samples(metrics, "modelyard_usage_requests_total") == {
        "alice/200": 2,
        "bob/404": 1,
        "/401": 1,
    }
    assert samples(metrics, "modelyard_usage_tokens_total") == {
        "alice/prompt": 4,
        "alice/completion": 4,
    }
    assert samples(metrics, "modelyard_usage_units_total") == {"alice/items": 2}


def test_the_owners_with_series_of_their_own_are_bounded(metrics, monkeypatch):
    monkeypatch.setattr(metrics_module, "_MAX_OWNERS", 2)
    keeper = Bookkeeper(Records(), metrics, revision="r", is_auditing=False)
    for owner in ("a", "b", "c", "d", "a"):
        keeper.note(exchange(owner))
    assert samples(metrics, "modelyard_usage_requests_total") == {
        "a/200": 2,
        "b/200": 1,
        "(others)/200": 2,
    }


@pytest.mark.parametrize(
    ("is_auditing", "events"),
    [(False, ["usage alice"]), (True, ["usage alice", "audit alice", "audit "])],
    ids=["usage", "usage and audit"],
)
def test_who_is_refused_is_billed_nothing(is_auditing, events, metrics):
    records = Records()
    keeper = Bookkeeper(records, metrics, revision="r", is_auditing=is_auditing)
    keeper.note(exchange("alice"))
    keeper.note(exchange("", status=401))
    assert [f"{record['event']} {record['owner']}" for record in records.all] == events


def test_a_flood_of_strangers_is_counted_and_not_written_down(metrics):
    records, now = Records(), [1000.0]
    keeper = Bookkeeper(records, metrics, revision="r", is_auditing=True, clock=lambda: now[0])
    for _ in range(1000):
        keeper.note(exchange("", status=401))
    keeper.note(exchange("alice"))
    now[0] += 1
    keeper.note(exchange("", status=401))
    assert [record.get("unrecorded") for record in records.all] == [*[None] * 22, 980]
    assert samples(metrics, "modelyard_usage_requests_total")["/401"] == 1001
