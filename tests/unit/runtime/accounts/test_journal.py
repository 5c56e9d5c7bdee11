"""Records reach their reader in order; where nobody reads, they are counted as lost."""

import json
import os

import pytest

from modelyard_runtime.accounts.journal import Journal


class Losses:
    """Counts what is lost."""

    def __init__(self):
        self.count = 0

    def note(self):
        self.count += 1


@pytest.fixture
def losses():
    return Losses()


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as reader, os.fdopen(writing, "wb", 0) as writer:
        yield reader, writer


def test_each_record_is_a_line_in_its_order(pipe, losses):
    reader, writer = pipe
    journal = Journal(writer.fileno(), on_loss=losses.note)
    for number in range(100):
        journal.put({"number": number, "text": 'a "b"\n'})
    journal.close()
    writer.close()
    read = [json.loads(line) for line in reader.read().splitlines()]
    assert read == [{"number": n, "text": 'a "b"\n'} for n in range(100)]
    assert losses.count == 0


@pytest.mark.parametrize("is_blocking", [True, False], ids=["blocking", "not blocking"])
def test_where_nobody_reads_nothing_waits_and_every_loss_is_counted(pipe, losses, is_blocking):
    reader, writer = pipe
    os.set_blocking(writer.fileno(), is_blocking)
    journal = Journal(writer.fileno(), on_loss=losses.note, max_waiting=10)
    # The pipe takes 64 KiB, the thread holds one record, the queue ten: most are lost, at once.
    for number in range(1000):
        journal.put({"number": number, "text": "x" * 1000})
    lost = losses.count
    assert lost > 800
    seen = b""
    while seen.count(b"\n") < 1000 - lost:
        seen += reader.read(1 << 20)
    numbers = [json.loads(line)["number"] for line in seen.splitlines()]
    assert numbers == sorted(set(numbers))
    journal.close()


def test_a_reader_that_is_gone_is_counted_and_harms_nobody(pipe, losses):
    reader, writer = pipe
    reader.close()
    journal = Journal(writer.fileno(), on_loss=losses.note)
    for _ in range(3):
        journal.put({})
    journal.close()
    assert losses.count == 3


def test_what_cannot_be_written_is_counted_and_harms_nobody(pipe, losses):
    _, writer = pipe
    journal = Journal(writer.fileno(), on_loss=losses.note)
    journal.put({"path": "\ud800"})
    journal.close()
    assert losses.count == 1
