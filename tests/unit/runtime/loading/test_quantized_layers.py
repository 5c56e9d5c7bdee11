"""Layers in few bits against the plain ones."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from modelyard_api.v1alpha1 import Quantization
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.quantized_layers import Int8Embedding, quantize

KINDS = [Quantization.DYNAMIC_INT8, Quantization.INT8, Quantization.INT4]
#: Share of the product's length that is lost in rounding, on random weights.
MOST = {Quantization.DYNAMIC_INT8: 0.02, Quantization.INT8: 0.01, Quantization.INT4: 0.12}
BYTES = {
    Quantization.DYNAMIC_INT8: 96 * 64 + 96 * 4,
    Quantization.INT8: 96 * 64 + 96 * 4,
    # Half a byte each, and for each 32 columns of a row a scale and an offset of two bytes.
    Quantization.INT4: 96 * 64 // 2 + 96 * 2 * 4,
}


def build(rows, columns, kind, *, bias=True, dtype=torch.float32):
    torch.manual_seed(3)
    plain = nn.Linear(columns, rows, bias=bias).to(dtype).requires_grad_(requires_grad=False)
    return plain, quantize(plain.weight, plain.bias, kind)


@torch.inference_mode()
def lost(plain, layer, states):
    wanted, found = plain(states), layer(states)
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    return float((found - wanted).float().norm() / wanted.float().norm())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1,), (7,), (2, 5), (200,), (3, 1, 4)])
def test_the_product_is_that_of_the_plain_layer_but_for_rounding(kind, shape):
    plain, layer = build(96, 64, kind)
    assert lost(plain, layer, torch.randn(*shape, 64)) < MOST[kind]
    assert layer.size_bytes == BYTES[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_layers_without_a_bias_and_of_other_types_work_alike(kind):
    plain, layer = build(96, 64, kind, bias=False, dtype=torch.bfloat16)
    assert lost(plain, layer, torch.randn(4, 64, dtype=torch.bfloat16)) < MOST[kind]
    assert (layer.weight.dtype, layer.weight.shape) == (torch.bfloat16, (96, 64))


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_make_no_rows(kind):
    _, layer = build(96, 64, kind)
    assert layer(torch.empty(0, 64)).shape == (0, 96)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_zeros_stays_zeros(kind):
    plain, layer = build(96, 64, kind, bias=False)
    plain.weight[5] = 0
    layer = quantize(plain.weight, None, kind)
    assert layer(torch.zeros(2, 64)).abs().max() == 0
    assert layer(torch.randn(2, 64))[:, 5].abs().max() == 0


@pytest.mark.parametrize(("rows", "columns"), [(17, 33), (3, 5), (1, 1), (48, 40)])
@pytest.mark.parametrize("kind", [Quantization.DYNAMIC_INT8, Quantization.INT8])
def test_sides_of_any_length_work(kind, rows, columns):
    plain, layer = build(rows, columns, kind)
    for count in (1, 3, 40):
        assert lost(plain, layer, torch.randn(count, columns)) < 3 * MOST[kind]


def test_int4_needs_sides_that_its_kernel_takes():
    assert build(17, 64, Quantization.INT4)[1] is None
    assert build(16, 48, Quantization.INT4)[1] is None
    assert build(16, 64, Quantization.INT4)[1] is not None


LAYERS = {kind: build(96, 64, kind)[1] for kind in KINDS}


@given(
    kind=st.sampled_from(KINDS),
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    seed=st.integers(0, 1000),
)
def test_a_rows_product_does_not_hang_on_the_other_rows(kind, counts, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(sum(counts), 64, generator=generator)
    rows[counts[0] :] *= scale
    with torch.inference_mode():
        alone = LAYERS[kind](rows[: counts[0]])
        together = LAYERS[kind](rows)[: counts[0]]
    # Sums of many rows are made in another order than those of few, and then rounded to 8 bits
    # behind the point.
    torch.testing.assert_close(together, alone, rtol=2**-7, atol=1e-2)


@pytest.mark.parametrize("rows", [5000, 4096])
def test_a_long_weight_is_unpacked_in_parts(rows):
    plain, layer = build(rows, 33, Quantization.INT8)
    assert lost(plain, layer, torch.randn(40, 33)) < 3 * MOST[Quantization.INT8]


def test_a_weight_tells_its_type_and_shape_and_nothing_else():
    outline = build(96, 64, Quantization.INT8)[1].weight
    assert (outline.dtype, outline.shape, outline.size(0)) == (torch.float32, (96, 64), 96)
    assert isinstance(outline, torch.Tensor)
    for compute in (lambda: torch.randn(2, 64) @ outline.t(), lambda: outline + 1):
        with pytest.raises(CannotStart, match="computes with a weight outside of its layer"):
            compute()


def test_a_table_of_words_gives_the_words_but_for_rounding():
    torch.manual_seed(3)
    plain = nn.Embedding(50, 16)
    layer = Int8Embedding(plain)
    ids = torch.tensor([[0, 49, 7], [7, 7, 3]])
    assert lost(plain, layer, ids) < 0.01
    assert layer.size_bytes == 50 * 16 + 50 * 4
    assert (layer.weight.shape, layer.num_embeddings, layer.embedding_dim) == ((50, 16), 50, 16)
