"""What `modelyard serve --adapter` takes."""

import pytest

from modelyard_cli.adapters import read_adapters
from modelyard_cli.errors import CommandFailed


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        pytest.param(["sql"], "--adapter 'sql' is not NAME=DIR", id="no folder"),
        pytest.param(["=."], "--adapter '=.' is not NAME=DIR", id="no name"),
        pytest.param(["sql=nowhere"], "--adapter sql: there is no folder 'nowhere'", id="absent"),
        pytest.param(["a=.", "a=."], "--adapter: the name 'a' is there twice", id="twice"),
        pytest.param(["tiny=."], "--adapter: 'tiny' is the model's own name", id="the model's"),
    ],
)
def test_an_adapter_that_cannot_be_meant_is_refused(given, complaint):
    with pytest.raises(CommandFailed) as caught:
        read_adapters(given, model_name="tiny")
    assert str(caught.value) == complaint
