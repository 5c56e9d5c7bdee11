"""The command line: help that teaches, wrong usage, and connections that cannot be."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from modelyard_cli.plugin.command import main, parse_options
from modelyard_cli.plugin.running import find_kubeconfig
from tests.support.scripted_api import ScriptedApi, refusal, running, write_kubeconfig

CONTEXT = """\
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1", certificate-authority-data: "!"}}]
users: [{name: u, user: {}}]
"""


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ([], "kubectl modelyard explain qwen"),
        (["ls"], "kubectl modelyard ls -A"),
        (["explain"], "kubectl modelyard explain qwen -n team --logs"),
        (["try"], 'kubectl modelyard try qwen "What is the capital of France?"'),
    ],
)
def test_the_help_teaches_by_examples(command, example, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    told = capsys.readouterr().out
    assert (ended.value.code, example in told, "Traceback" in told) == (0, True, False)
    assert max(map(len, told.splitlines())) <= 100


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unheard"],
        ["explain"],
        ["explain", "a/status"],
        ["explain", "../secrets"],
        ["ls", "-n", "Team"],
        ["ls", "-o", "yaml"],
        ["try", "qwen", "hi", "--timeout", "-1"],
        ["try", "qwen", "hi", "there"],
        ["try", "qwen", "-n", "team", "hi", "there"],
        ["try", "qwen", "--unheard"],
        ["explain", "qwen", "gwen"],
        ["try", "qwen", "hi", "--timeout", "nan"],
    ],
    ids=" ".join,
)
def test_arguments_that_cannot_be_read_are_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert (ended.value.code, "error: " in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["hi"], "hi"),
        (["-n", "team", "hi"], "hi"),
        (["-n", "team", "-"], "-"),
        (["--", "-5 degrees"], "-5 degrees"),
        (["-n", "team", "--", "-5 degrees"], "-5 degrees"),
        (["--path", "/x"], None),
    ],
    ids=[
        "last",
        "behind an option",
        "stdin behind an option",
        "with a dash",
        "with a dash behind an option",
        "not there",
    ],
)
def test_the_text_may_stand_anywhere(arguments, text):
    assert parse_options(["try", "qwen", *arguments]).text == text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], 'there is nothing to ask. Give TEXT, "-" for stdin, or --path.'),
        (["  "], "the text is empty. Write some."),
        (["hi", "--path", "/x"], "TEXT and --path exclude each other. Give one of them."),
        (["hi", "--body", "{}"], "--body needs a route to post it to. Add --path."),
        (["--path", "x"], "--path begins with a slash. Write --path /x."),
        (
            ["--path", "/x", "--body", "{a"],
            (
                "--body is no JSON: Expecting property name enclosed in double quotes: line 1 "
                "column 2 (char 1). Put it in single quotes."
            ),
        ),
    ],
)
def test_arguments_that_do_not_fit_together_are_wrong_usage(arguments, told, capsys):
    assert main(["try", "qwen", *arguments]) == 2
    assert capsys.readouterr().err == f"kubectl modelyard: {told}\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("contexts: [", "cannot connect as {path} says: while parsing"),
        ("[]", "cannot connect as {path} says: "),
        ("a: b", "cannot connect as {path} says: Invalid kube-config file. Expected "),
        (CONTEXT, "cannot use the login's certificates: "),
    ],
    ids=["no YAML", "no mapping", "no kubeconfig", "a certificate that is none"],
)
def test_a_kubeconfig_that_cannot_be_read_is_one_line(text, told, tmp_path, capsys):
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    assert main(["ls", "--kubeconfig", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("kubectl modelyard: " + told.format(path=path))
    assert error.count("\n") == 1


def test_a_context_that_is_not_there_is_one_line(tmp_path, capsys):
    path = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")
    assert main(["ls", "--kubeconfig", path, "--context", "moon"]) == 1
    error = capsys.readouterr().err
    assert ("name moon in" in error, error.count("\n")) == (True, 1)


def test_a_cluster_that_does_not_answer_is_one_line(tmp_path, capsys, unused_tcp_port):
    path = write_kubeconfig(tmp_path / "kubeconfig", f"http://127.0.0.1:{unused_tcp_port}")
    assert main(["explain", "qwen", "--kubeconfig", path]) == 1
    error = capsys.readouterr().err
    assert error.startswith("kubectl modelyard: the cluster does not answer (ClientConnectorError")
    assert error.endswith("Is it the right --context, and does `kubectl get ns` work?\n")
    assert error.count("\n") == 1


def test_what_is_not_installed_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "modelyard_cli.plugin.running", None)
    assert main(["ls"]) == 1
    assert "pip install 'modelyard[cli]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "environment", "found"),
    [
        ("mine", {"KUBECONFIG": "theirs"}, "mine"),
        ("", {"KUBECONFIG": "a:b"}, "a:b"),
        ("", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, ""),
    ],
    ids=["an option", "the environment", "a pod"],
)
def test_the_kubeconfig_is_kubectls(given, environment, found, tmp_path):
    assert find_kubeconfig(given, environment, tmp_path) == found


def test_the_usual_kubeconfig_is_read_last(tmp_path):
    usual = tmp_path / ".kube" / "config"
    usual.parent.mkdir()
    usual.touch()
    assert find_kubeconfig("", {}, tmp_path) == str(usual)


def test_no_kubeconfig_at_all_is_one_line(tmp_path, monkeypatch, capsys):
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert main(["ls"]) == 1
    error = capsys.readouterr().err
    assert error == (
        "kubectl modelyard: there is no kubeconfig: neither $KUBECONFIG nor "
        f"{tmp_path}/.kube/config. Give --kubeconfig.\n"
    )


async def run_process(api, tmp_path, *arguments, stdout=asyncio.subprocess.PIPE):
    """Exit code, output and errors of the program beside a scripted API server."""
    path = write_kubeconfig(tmp_path / "kubeconfig", api.url)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "modelyard_cli.plugin.command", *arguments, "--kubeconfig", path),
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )
    out, told = await process.communicate()
    return process.returncode, out, told.decode()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            refusal(404, "NotFound"),
            (
                "this cluster has no modeldeployments.modelyard.dev. Is Modelyard installed there, "
                "and is it the right --context?"
            ),
        ),
        (
            refusal(401, "Unauthorized"),
            (
                "the cluster does not accept your credentials. Log in anew, or choose another "
                "--context."
            ),
        ),
        (
            refusal(403, "Forbidden", "ann cannot list\x1b that"),
            "ann cannot list\\x1b that. Ask for the role `view` in that namespace.",
        ),
        (refusal(503, "Unavailable", "etcd"), "the cluster answers 503: etcd. Try again."),
    ],
    ids=["no such kind", "unknown user", "forbidden", "out of order"],
)
async def test_what_the_cluster_refuses_is_one_line(tmp_path, answer, told):
    async with running(ScriptedApi()) as api:
        api.answers = [answer]
        code, out, error = await run_process(api, tmp_path, "ls")
    assert (code, out, error) == (1, b"", f"kubectl modelyard: {told}\n")


async def test_nonsense_is_no_traceback(tmp_path):
    async with running(ScriptedApi()) as api:
        api.put("qwen")
        code, _, told = await run_process(api, tmp_path, "ls")
    assert (code, told) == (
        1,
        "kubectl modelyard: a fault of this program, KeyError: 'uid'. Please report it.\n",
    )


async def test_no_models_is_said(tmp_path):
    async with running(ScriptedApi()) as api:
        code, out, told = await run_process(api, tmp_path, "ls", "-n", "team")
    assert (code, out, told) == (0, b"", "There are no ModelDeployments in namespace team.\n")


async def test_a_pipe_that_nobody_reads_ends_it_quietly(tmp_path):
    read_end, write_end = os.pipe()
    os.close(read_end)
    async with running(ScriptedApi()) as api:
        with os.fdopen(write_end, "w") as stdout:
            code, _, told = await run_process(api, tmp_path, "ls", "-o", "json", stdout=stdout)
    assert (code, told) == (1, "")
