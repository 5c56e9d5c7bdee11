"""Adapters answer as the model with their weights merged would, alone and beside others."""

import asyncio
from math import sqrt

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard_api.meta import Reason
from modelyard_api.serving import AdapterConfig
from modelyard_api.v1alpha1 import DType, Format, Task
from modelyard_runtime.domain import GenerateRequest, Sampling
from modelyard_runtime.engine.backends.causal_lm import CausalLM
from modelyard_runtime.engine.generation_core import Job
from modelyard_runtime.engine.scheduler import Feed, Row
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.adapter_vetting import vet_adapters
from modelyard_runtime.loading.detection import detect
from modelyard_runtime.loading.lora import AdaptedLinear
from modelyard_runtime.loading.registry import Wanted
from modelyard_runtime.loading.transformers_folder import load as load_folder
from modelyard_runtime.loading.vetting import vet_folder
from tests.support.lora_adapters import LAYERS, write_adapter, write_merged
from tests.support.tiny_models import GIB, running, write_model

PROMPTS = [tuple(range(3, 3 + length)) for length in (1, 7, 30, 60)]
#: Of no adapter, of two on the same layers, and of one on a layer of its own.
NAMES = ("", "plain", "patterned", "narrow")
PATTERNED = {
    "use_rslora": True,
    "rank_pattern": {"lm_head": 2},
    "alpha_pattern": {r"self_attn\.q_proj": 3},
}
SCALINGS = {
    "plain": dict.fromkeys(LAYERS, 8 / 4),
    "patterned": {
        LAYERS[0]: 3 / sqrt(4),
        LAYERS[1]: 8 / sqrt(4),
        LAYERS[2]: 8 / sqrt(4),
        LAYERS[3]: 8 / sqrt(2),
    },
    "narrow": {LAYERS[0]: 24 / 8},
}


async def read(engine, prompt, adapter="", *, n=1):
    """Texts of the tokens and their chances, of all choices."""
    wanted = Sampling(temperature=0, max_tokens=12, logprobs=1)
    scored = [[] for _ in range(n)]
    request = GenerateRequest("id", prompt, wanted, n, adapter)
    async for chunk in await engine.submit(request):
        scored[chunk.index] += [(one.chosen.text, one.chosen.logprob) for one in chunk.scored]
    return scored


def assert_same(answer, expected):
    assert [text for text, _ in answer] == [text for text, _ in expected]
    chances = [chance for _, chance in expected]
    assert [chance for _, chance in answer] == pytest.approx(chances, abs=1e-4)


@pytest.fixture(scope="module")
def adapters(tiny_llama, tmp_path_factory):
    root = tmp_path_factory.mktemp("adapters")
    write_adapter(root / "plain", tiny_llama)
    write_adapter(root / "patterned", tiny_llama, seed=2, ranks={"lm_head": 2}, **PATTERNED)
    write_adapter(
        root / "narrow", tiny_llama, seed=3, layers=LAYERS[:1], r=8, lora_alpha=24, bias="none"
    )
    return tuple(AdapterConfig(name=name, path=str(root / name)) for name in SCALINGS)


@pytest.fixture(scope="module")
def expected(tiny_llama, adapters, tmp_path_factory):
    """What plain models with merged weights say, by adapter and prompt; the base has its own."""
    folders = {"": tiny_llama}
    for adapter in adapters:
        folder = tmp_path_factory.mktemp(f"merged-{adapter.name}")
        folders[adapter.name] = write_merged(
            folder, tiny_llama, adapter.path, SCALINGS[adapter.name]
        )

    async def ask(folder):
        async with running(folder) as engine:
            return [(await read(engine, prompt))[0] for prompt in PROMPTS]

    return {
        (name, prompt): answer
        for name, folder in folders.items()
        for prompt, answer in zip(PROMPTS, asyncio.run(ask(folder)), strict=True)
    }


async def test_each_answers_as_if_merged(tiny_llama, adapters, expected):
    """Alone; then sixteen at once, so that rows of all four share each pass."""
    async with running(tiny_llama, adapters=adapters) as engine:
        assert engine.info.adapters == ("plain", "patterned", "narrow")
        alone = [(await read(engine, prompt, name))[0] for name, prompt in expected]
        crowd = await asyncio.gather(*(read(engine, prompt, name) for name, prompt in expected))
    for place, (name, prompt) in enumerate(expected):
        assert_same(alone[place], expected[name, prompt])
        assert_same(crowd[place][0], expected[name, prompt])
    # Else nothing was shown.
    assert len({str(expected[name, PROMPTS[2]]) for name in NAMES}) == len(NAMES)


async def test_several_choices_are_all_the_adapters(tiny_llama, adapters, expected):
    async with running(tiny_llama, adapters=adapters) as engine:
        choices, other = await asyncio.gather(
            read(engine, PROMPTS[2], "plain", n=3), read(engine, PROMPTS[2])
        )
    for choice in choices:
        assert_same(choice, expected["plain", PROMPTS[2]])
    assert_same(other[0], expected["", PROMPTS[2]])


async def test_never_mixed_up(tiny_llama, adapters, expected):
    """Whoever asks whatever, whenever."""
    async with running(tiny_llama, adapters=adapters) as engine:
        loop = asyncio.get_running_loop()

        async def ask(key, pause):
            await asyncio.sleep(pause)
            assert_same((await read(engine, key[1], key[0]))[0], expected[key])

        async def ask_all(asked):
            await asyncio.gather(*(ask(key, pause) for key, pause in asked))

        one = st.tuples(st.sampled_from(sorted(expected)), st.sampled_from((0.0, 0.003, 0.02)))

        @settings(
            max_examples=12,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(st.lists(one, min_size=2, max_size=16))
        def prove(asked):
            asyncio.run_coroutine_threadsafe(ask_all(asked), loop).result(120)

        await asyncio.to_thread(prove)


def load(folder, adapters):
    """The backend itself, and its model."""
    vetted = vet_folder(folder)
    detected = detect(vetted, Task.AUTO, Format.AUTO)
    wanted = Wanted(vetted, detected, DType.AUTO, 16 * GIB, adapters=tuple(vet_adapters(adapters)))
    loaded = load_folder(wanted)
    return CausalLM(loaded), loaded


def test_rows_without_adapter_have_the_same_bits(tiny_llama, adapters):
    """One pass with neighbours that have adapters, and one without."""
    backend, _ = load(tiny_llama, adapters)
    jobs = [Job(str(i), [5 + i, 6, 7, 9, 11], 1, Sampling(), 1, asyncio.Queue()) for i in range(3)]
    feeds = [Feed(Row(job, 0, job.tokens), slot, 5) for slot, job in enumerate(jobs)]
    passes = []
    for names in (["", "", ""], ["plain", "", "narrow"]):
        for job, name in zip(jobs, names, strict=True):
            job.adapter = name
        backend.reserve(3, 5)
        passes.append(backend.forward(feeds))
        backend.release()
    assert torch.equal(passes[0][1], passes[1][1])
    assert not torch.allclose(passes[0][0], passes[1][0], atol=1e-3)
    assert not torch.allclose(passes[0][2], passes[1][2], atol=1e-3)


def test_a_wrapped_layer_still_looks_like_the_one_inside(tiny_llama, adapters):
    _, loaded = load(tiny_llama, adapters)
    layer = loaded.model.get_submodule(LAYERS[0])
    assert isinstance(layer, AdaptedLinear)
    assert (layer.in_features, layer.out_features, layer.bias) == (64, 64, None)
    assert layer.weight.shape == (64, 64)


def test_a_backend_that_is_built_anew_steers_the_layers(tiny_llama, adapters):
    _, loaded = load(tiny_llama, adapters)
    backend = CausalLM(loaded)
    assert not isinstance(loaded.model.get_submodule(LAYERS[0]).plain, AdaptedLinear)
    job = Job("id", [5, 6, 7], 1, Sampling(), 1, asyncio.Queue())
    scores = []
    for name in ("", "plain"):
        job.adapter = name
        backend.reserve(1, 3)
        scores.append(backend.forward([Feed(Row(job, 0, job.tokens), 0, 3)]))
    assert not torch.allclose(scores[0], scores[1], atol=1e-3)


async def test_layers_of_gpt2(tmp_path):
    """Its weights are turned around; an adapter's matrices are not."""
    base = write_model(tmp_path / "base", "GPT2LMHeadModel")
    layers = ("transformer.h.0.attn.c_attn", "transformer.h.1.mlp.c_proj")
    folder = write_adapter(tmp_path / "adapter", base, layers=layers, fan_in_fan_out=True)
    merged = write_merged(tmp_path / "merged", base, folder, dict.fromkeys(layers, 2.0))
    adapter = AdapterConfig(name="a", path=str(folder))
    async with running(merged) as engine:
        (expected,) = await read(engine, PROMPTS[1])
    async with running(base, adapters=(adapter,)) as engine:
        (answer,), (other,) = await asyncio.gather(
            read(engine, PROMPTS[1], "a"), read(engine, PROMPTS[1])
        )
    assert_same(answer, expected)
    assert answer != other


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        pytest.param(
            {"hidden_size": 32},
            "its matrices of 'lm_head' are for 32 inputs and 200 outputs, and the model's layer "
            "has 64 inputs and 200 outputs",
            id="of another size",
        ),
        pytest.param(
            {"num_hidden_layers": 5, "layers": ("model.layers.4.mlp.up_proj",)},
            "the model has no layer 'model.layers.4.mlp.up_proj'",
            id="of another depth",
        ),
    ],
)
async def test_an_adapter_of_another_model_is_refused_at_the_start(
    tiny_llama, tmp_path, shape, said
):
    layers = shape.pop("layers", LAYERS)
    other = write_model(tmp_path / "other", "LlamaForCausalLM", **shape)
    folder = write_adapter(
        tmp_path / "adapter", other, layers=layers, base_model_name_or_path="org/other"
    )
    with pytest.raises(CannotStart) as caught:
        await start(tiny_llama, folder)
    assert (caught.value.reason, caught.value.message, caught.value.hint) == (
        Reason.MODEL_UNSUPPORTED,
        f"The adapter 'a' cannot be served: it does not fit this model: {said}",
        "Serve it with the base model that it was trained on (org/other, it says).",
    )


async def test_numbers_that_are_not_finite_are_refused(tiny_llama, tmp_path):
    folder = write_adapter(tmp_path / "adapter", tiny_llama, lora_alpha=1e39)
    with pytest.raises(CannotStart) as caught:
        await start(tiny_llama, folder)
    assert caught.value.reason is Reason.MODEL_UNSUPPORTED
    assert "lora_alpha of 'lm_head' is out of all proportion to 4" in caught.value.message


async def test_layers_that_see_no_rows_are_refused_at_the_start(tmp_path):
    """OPT lays all tokens of a batch into one row before these."""
    base = write_model(tmp_path / "base", "OPTForCausalLM", ffn_dim=96, word_embed_proj_dim=64)
    folder = write_adapter(tmp_path / "a", base, layers=("model.decoder.layers.0.fc1",))
    with pytest.raises(CannotStart) as caught:
        await start(base, folder)
    assert caught.value.reason is Reason.MODEL_UNSUPPORTED
    assert "computes apart from the rows of a batch" in caught.value.message


async def start(base, folder):
    adapter = AdapterConfig(name="a", path=str(folder))
    async with running(base, adapters=(adapter,)):
        pass
