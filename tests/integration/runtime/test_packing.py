"""Linear layers in blocks compute what plain ones do, also for models that look at a weight."""

import pytest
import torch
from torch import nn
from transformers import T5Config, T5ForConditionalGeneration

from modelyard_runtime.loading.packing import PackedLinear, can_pack, pack_linear_layers


@pytest.fixture
def t5():
    if not can_pack():
        pytest.fail("this processor packs nothing, so the test would say nothing")
    torch.manual_seed(1)
    settings = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4}
    config = T5Config(vocab_size=50, decoder_start_token_id=0, **settings)
    return T5ForConditionalGeneration(config).eval()


@torch.inference_mode()
def test_a_layer_whose_weight_is_looked_at_is_plain_from_then_on(t5):
    tokens = torch.tensor([[5, 6, 7, 8]])
    expected = t5(input_ids=tokens, decoder_input_ids=tokens).logits
    pack_linear_layers(t5, spare_bytes=10**9)
    for _ in range(2):
        answer = t5(input_ids=tokens, decoder_input_ids=tokens).logits
        torch.testing.assert_close(answer, expected, atol=1e-5, rtol=1e-5)
    layer = t5.encoder.block[0].layer[1].DenseReluDense
    assert isinstance(layer.wo, PackedLinear)
    # T5 asks for the type of `wo` at every step: the same tensor each time, not a new copy.
    assert layer.wo.weight is layer.wo.weight


@torch.inference_mode()
def test_a_weight_that_was_packed_is_the_same_afterwards():
    plain = nn.Linear(48, 64)
    packed = PackedLinear(plain)
    states = torch.randn(3, 48)
    torch.testing.assert_close(packed(states), plain(states), atol=1e-5, rtol=1e-5)
    assert torch.equal(packed.weight, plain.weight)
    torch.testing.assert_close(packed(states), plain(states), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bias", [True, False], ids=["with a bias", "without"])
def test_gradients_go_through_as_through_a_plain_layer(bias):
    plain = nn.Linear(48, 64, bias=bias).requires_grad_(requires_grad=False)
    packed = PackedLinear(plain)
    ways = torch.randn(2, 3, 64)
    gradients = []
    for layer in (plain, packed):
        states = torch.linspace(-1, 1, 2 * 3 * 48).reshape(2, 3, 48).requires_grad_()
        (layer(states).sin() * ways).sum().backward()
        gradients.append(states.grad)
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-5, rtol=1e-5)
    # The weight is still in blocks, and there once.
    assert not [name for name, held in vars(packed).items() if _is_dense(held)]


def _is_dense(held):
    return torch.is_tensor(held) and held.layout is torch.strided


def test_a_weight_that_was_looked_at_while_answering_passes_gradients_on():
    plain = nn.Linear(48, 64).requires_grad_(requires_grad=False)
    packed = PackedLinear(plain)
    states = torch.randn(3, 48)
    with torch.inference_mode():
        assert packed.weight.shape == (64, 48)
    ours, theirs = states.clone().requires_grad_(), states.clone().requires_grad_()
    packed(ours).sum().backward()
    plain(theirs).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-5)
