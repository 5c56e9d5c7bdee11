"""The tunnel's faults: a kubectl that hangs, fails, or is stopped half way. It works in e2e."""

import asyncio
import re

import pytest

from modelyard_cli.errors import CommandFailed
from modelyard_cli.plugin.asking import ask
from modelyard_cli.plugin.forwarding import Reach, forwarded
from modelyard_cli.plugin.question import Question
from tests.support.plugin_models import build_model
from tests.support.scripted_api import until


@pytest.fixture
def make_kubectl(tmp_path, monkeypatch):
    """Put a shell script into PATH before kubectl; it leaves its process id in the file `pid`."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def make(script):
        path = tmp_path / "kubectl"
        path.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\n{script}\n")
        path.chmod(0o755)
        return tmp_path / "pid"

    return make


def has_ended(pid):
    try:
        with open(f"/proc/{int(pid.read_text())}/stat") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_what_kubectl_says_is_told_with_the_rights_it_needs(make_kubectl):
    make_kubectl('echo "error: pods \\"x\\" is forbidden" >&2; exit 1')
    with pytest.raises(CommandFailed) as caught:
        async with forwarded(Reach(), "team", "qwen"):
            pass
    assert (caught.value.message, caught.value.cure) == (
        'kubectl port-forward does not get to the model (pods "x" is forbidden)',
        "It needs the rights to get services, list pods and create pods/portforward.",
    )


async def test_the_address_is_kubectls_and_kubectl_ends_with_the_block(make_kubectl):
    pid = make_kubectl('echo "Forwarding from 127.0.0.1:40123 -> 8080"; exec sleep 60')
    async with forwarded(Reach(), "team", "qwen") as tunnel:
        assert (tunnel.address, has_ended(pid)) == ("127.0.0.1:40123", False)
    assert has_ended(pid)


async def test_a_kubectl_that_ignores_the_signal_ends_as_well(make_kubectl):
    pid = make_kubectl(
        'trap "" TERM; echo "Forwarding from 127.0.0.1:40123 -> 8080"; exec sleep 60'
    )
    async with forwarded(Reach(), "team", "qwen"):
        pass
    assert has_ended(pid)


async def test_who_waits_is_told_for_what_and_an_interrupt_ends_kubectl(make_kubectl, capsys):
    pid = make_kubectl("exec sleep 60")
    model = build_model("Serving", "True", "True")
    asking = asyncio.create_task(ask(model, Question("/predict", {}), Reach(), silence_seconds=1))
    told = []
    await until(lambda: told.append(capsys.readouterr().err) or "".join(told))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert re.fullmatch(r"Opening a tunnel to qwen … \d+ s\n", "".join(told))
    assert has_ended(pid)
