"""`modelyard serve`: what it checks, and what it starts."""

import os
import socket
import sys

import pytest

from modelyard_api.serving import AccessConfig, AdapterConfig, ServingConfig, decode_config
from modelyard_api.v1alpha1 import DType, Expectation, Format, Task, Verify, VerifyRequest
from modelyard_cli import serve
from modelyard_cli.__main__ import main
from modelyard_cli.examples import build_examples


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "my model"
    folder.mkdir()
    (folder / "config.json").touch()
    return folder


class Started(Exception):
    """Stands for the process that has become the runtime."""


@pytest.fixture
def started(monkeypatch):
    """Return what would have been executed."""
    calls = []

    def execve(*call):
        calls.append(call)
        raise Started

    # The one call that a test's own process cannot make.
    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setattr(serve, "check_installed", lambda: None)
    return calls


def test_it_becomes_the_runtime_of_that_folder(folder, started, capsys):
    with pytest.raises(Started):
        main(
            [
                *(
                    "serve",
                    str(folder),
                    "--name",
                    "a$b",
                    "--port",
                    "0",
                    "--internal-port",
                    "0",
                    "--grpc-port",
                    "0",
                ),
                *("--task", "embeddings", "--format", "transformers", "--dtype", "float32"),
            ]
        )
    program, command, environment = started[0]
    assert (program, command) == (
        sys.executable,
        [sys.executable, "-P", "-m", "modelyard_runtime"],
    )
    assert decode_config(environment["MODELYARD_CONFIG"]) == ServingConfig(
        model_name="a$b",
        model_path=str(folder),
        task=Task.EMBEDDINGS,
        format=Format.TRANSFORMERS,
        dtype=DType.FLOAT32,
    )
    ours = dict(environment.items() - os.environ.items())
    del ours["MODELYARD_CONFIG"]
    assert ours == {
        "MODELYARD_HOST": "127.0.0.1",
        "MODELYARD_PORT": "0",
        "MODELYARD_GRPC_PORT": "0",
        "MODELYARD_INTERNAL_PORT": "0",
        "MODELYARD_LOG_FORMAT": "text",
        "MODELYARD_SUGGEST": "true",
        "MODELYARD_LAME_DUCK_SECONDS": "0",
        "MODELYARD_PARTING_SECONDS": "0",
    }
    assert environment["PATH"] == os.environ["PATH"]
    assert "Serving 'a$b'" in capsys.readouterr().out


def test_code_of_the_model_reaches_the_runtime(folder, started):
    with pytest.raises(Started):
        main(
            [
                *("serve", str(folder), "--port", "0", "--internal-port", "0", "--grpc-port", "0"),
                *("--task", "predict", "--entrypoint", "net:Net", "--allow-code"),
            ]
        )
    config = decode_config(started[0][2]["MODELYARD_CONFIG"])
    assert (config.entrypoint, config.allow_code) == ("net:Net", True)


def test_adapters_reach_the_runtime(folder, started, tmp_path, monkeypatch):
    (tmp_path / "sql=2").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Started):
        main(
            [
                *("serve", str(folder), "--port", "0", "--internal-port", "0", "--grpc-port", "0"),
                *("--adapter", "team/sql=sql=2", "--adapter", f"other={tmp_path / 'sql=2'}"),
            ]
        )
    assert decode_config(started[0][2]["MODELYARD_CONFIG"]).adapters == (
        AdapterConfig(name="team/sql", path=str(tmp_path / "sql=2")),
        AdapterConfig(name="other", path=str(tmp_path / "sql=2")),
    )


def test_who_may_ask_reaches_the_runtime(folder, started, tmp_path, capsys):
    keys, tls = tmp_path / "keys", tmp_path / "my tls"
    for path in (keys, tls):
        path.mkdir()
    with pytest.raises(Started):
        main(
            [
                *("serve", str(folder), "--port", "0", "--internal-port", "0", "--grpc-port", "0"),
                *("--grpc-port", "0", "--keys", str(keys), "--tls", str(tls), "--audit"),
            ]
        )
    assert decode_config(started[0][2]["MODELYARD_CONFIG"]).access == AccessConfig(
        keys_path=str(keys), tls_path=str(tls), audit=True
    )
    shown = capsys.readouterr().out
    assert f"curl --cacert '{tls}/tls.crt' https://127.0.0.1:0/readyz\n" in shown
    assert "https://127.0.0.1:0/docs in a browser (any name, and an API key as the" in shown


@pytest.mark.parametrize("option", ["--keys", "--tls"])
def test_a_folder_of_secrets_that_is_not_there(folder, started, option, tmp_path, capsys):
    assert main(["serve", str(folder), option, str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == (
        f"modelyard: {option}: there is no folder '{tmp_path}/none'\n"
        "  docs/access.md says what is in it.\n"
    )
    assert started == []


def test_the_model_is_called_like_its_folder(folder, started, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(Started):
        main(["serve", ".", "--port", "0", "--internal-port", "0"])
    assert decode_config(started[0][2]["MODELYARD_CONFIG"]) == ServingConfig(
        model_name="my model", model_path=str(folder)
    )


def test_the_check_in_the_help_is_one_and_reaches_the_runtime(folder, started, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    shown = capsys.readouterr().out
    example = shown[shown.index('{"request"') : shown.index('"30s"}') + len('"30s"}')]
    file = tmp_path / "check.json"
    file.write_text(example)
    with pytest.raises(Started):
        main(
            [
                *("serve", str(folder), "--port", "0", "--internal-port", "0", "--grpc-port", "0"),
                *("--verify", str(file)),
            ]
        )
    verify = decode_config(started[0][2]["MODELYARD_CONFIG"]).verify
    assert verify == Verify(
        request=VerifyRequest(path="/predict", body={"text": "Lovely."}),
        expect=(
            Expectation(path="$.label", equals="POSITIVE"),
            Expectation(path="$.score", number=0.95, tolerance=0.05),
            Expectation(path="$.label", matches="^POS"),
        ),
        timeout="30s",
    )


NO_CHECKS = [
    pytest.param("request: {}", "it: Invalid JSON: expected value at line 1 column 1", id="YAML"),
    pytest.param("[]", "it: Input should be an object", id="a list"),
    pytest.param("{}", "field 'request' of it: Field required", id="nothing"),
    pytest.param(
        '{"request": {"path": "/predict", "body": {}}, "expect": [{"equals": 1}]}',
        "field 'expect.0.path' of it: Field required",
        id="an expectation of nothing in particular",
    ),
]


@pytest.mark.parametrize(("text", "problem"), NO_CHECKS)
def test_a_file_without_a_check(folder, started, text, problem, capsys):
    file = folder / "check"
    file.write_text(text)
    assert main(["serve", str(folder), "--verify", str(file)]) == 1
    assert capsys.readouterr().err == (
        f"modelyard: --verify '{file}' declares no check: {problem}\n"
        "  `modelyard serve --help` shows one.\n"
    )
    assert started == []


def test_a_check_that_is_not_there(folder, started, tmp_path, capsys):
    assert main(["serve", str(folder), "--verify", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == (
        f"modelyard: --verify '{tmp_path}/none' cannot be read: No such file or directory\n"
        "  `modelyard serve --help` shows one.\n"
    )
    assert started == []


def test_a_folder_that_is_not_there(tmp_path, capsys):
    missing = tmp_path / "nothing"
    assert main(["serve", str(missing)]) == 1
    assert capsys.readouterr().err == (
        f"modelyard: there is no folder '{missing}'\n  Looked for {missing}.\n"
    )


def test_a_file_instead_of_a_folder(folder, capsys):
    file = folder / "config.json"
    assert main(["serve", str(file)]) == 1
    assert capsys.readouterr().err == (
        f"modelyard: '{file}' is a file\n  Give its folder: '{folder}'\n"
    )


def test_an_empty_folder(tmp_path, capsys):
    assert main(["serve", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"modelyard: '{tmp_path}' is empty\n"
        "  A model folder has config.json and *.safetensors, or a *.gguf file.\n"
    )


@pytest.mark.parametrize("option", ["--port", "--grpc-port", "--internal-port"])
def test_a_taken_port_is_named_with_a_free_one(folder, started, option, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"--port": "0", "--grpc-port": "0", "--internal-port": "0", option: str(port)}
        assert main(["serve", str(folder), *[x for pair in ports.items() for x in pair]]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == (
        f"modelyard: cannot listen on 127.0.0.1 port {port}: another program listens there"
    )
    assert second.startswith(f"  Choose another with {option}, for example {option} ")
    assert started == []


def test_an_address_of_another_machine(folder, started, capsys):
    assert main(["serve", str(folder), "--host", "192.0.2.1"]) == 1
    assert "Choose an address of this machine with --host" in capsys.readouterr().err
    assert started == []


def test_a_port_that_is_none(folder, started, capsys):
    assert main(["serve", str(folder), "--port", "70000"]) == 1
    assert "ports go from 1 to 65535" in capsys.readouterr().err
    assert started == []


def test_a_runtime_that_is_not_installed(folder, monkeypatch, capsys):
    monkeypatch.setattr(serve, "_NEEDED", ("modelyard_runtime", "no_such_package"))
    assert main(["serve", str(folder)]) == 1
    assert capsys.readouterr().err == (
        "modelyard: serving needs no_such_package, which is not installed\n"
        "  pip install 'modelyard[runtime]'\n"
    )


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"]])
def test_help_ends_well(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert "serve" in capsys.readouterr().out


EXAMPLES = """\
Serving 'tiny' from /models/tiny

  curl http://127.0.0.1:8080/readyz
  http://127.0.0.1:8080/docs in a browser

Once it is ready, a request that it answers is shown below.
"""


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")],
)
def test_what_is_shown_is_for_the_address(host, shown):
    config = ServingConfig(model_name="tiny", model_path="/models/tiny", task=Task.EMBEDDINGS)
    expected = EXAMPLES.replace("127.0.0.1", shown)
    assert build_examples(config, host=host, port=8080) == expected
