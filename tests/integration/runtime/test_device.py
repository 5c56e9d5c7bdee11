"""The device that a model runs on is the one that was asked for, or it does not start."""

import pytest
import torch

from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.loaded import choose_device

HERE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.mark.parametrize("wanted", ["", HERE])
def test_what_is_there_is_taken(wanted):
    assert choose_device(wanted).type == HERE


def test_a_device_that_is_not_there_ends_the_start_instead_of_a_slow_answer():
    with pytest.raises(CannotStart) as caught:
        choose_device("tpu")
    assert caught.value.reason == "DeviceMismatch"
    assert f"would run on {HERE}" in caught.value.message
    assert "runtime.image" in caught.value.hint
