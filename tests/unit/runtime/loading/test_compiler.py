"""A compiler that is missing is found out before a model is loaded."""

import pytest

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.compiler import find_compiler

INSTALLED = {"g++": "/usr/bin/g++", "clang++": "/usr/bin/clang++", "/opt/c++": "/opt/c++"}


@pytest.fixture
def headers(tmp_path):
    (tmp_path / "Python.h").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("environment", "installed", "found"),
    [
        pytest.param({}, ["g++", "clang++"], "/usr/bin/g++", id="g++ is the first choice"),
        pytest.param({}, ["clang++"], "/usr/bin/clang++", id="clang++ is the second"),
        pytest.param({"CXX": "/opt/c++"}, ["g++", "/opt/c++"], "/opt/c++", id="CXX overrules"),
    ],
)
def test_torch_is_told_of_the_compiler(headers, environment, installed, found):
    which = {name: INSTALLED[name] for name in installed}.get
    assert find_compiler(environment, which=which, headers=headers) == {
        "CXX": found,
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }


@pytest.mark.parametrize(
    ("environment", "missing"),
    [({}, "a C++ compiler (g++ or clang++)"), ({"CXX": "c++-19"}, "a C++ compiler (c++-19)")],
)
def test_a_missing_compiler_is_named(headers, environment, missing):
    with pytest.raises(CannotStart) as caught:
        find_compiler(environment, which=lambda _: None, headers=headers)
    assert (caught.value.reason, caught.value.message) == (
        Reason.CONFIG_INVALID,
        f"spec.optimize.compile needs {missing}, and the image has none",
    )


def test_missing_header_files_are_named(tmp_path):
    with pytest.raises(CannotStart) as caught:
        find_compiler({}, which=INSTALLED.get, headers=tmp_path)
    assert caught.value.message == (
        f"spec.optimize.compile needs Python's header files ({tmp_path / 'Python.h'}), and the "
        "image has none"
    )
