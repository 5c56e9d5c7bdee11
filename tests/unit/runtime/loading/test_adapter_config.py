"""What adapter_config.json says of an adapter's strength, and which kinds are refused."""

from math import sqrt

import pytest

from modelyard_runtime.loading.adapter_config import Damaged, NotPlain, parse_lora_config

PLAIN = {"peft_type": "LORA", "r": 4, "lora_alpha": 8}
#: As peft 0.21 writes it.
WHOLE = PLAIN | {
    "alora_invocation_tokens": None,
    "alpha_pattern": {},
    "auto_mapping": None,
    "base_model_name_or_path": "org/base",
    "bias": "none",
    "fan_in_fan_out": False,
    "inference_mode": True,
    "init_lora_weights": True,
    "layer_replication": None,
    "loftq_config": {},
    "lora_bias": False,
    "lora_dropout": 0.05,
    "megatron_core": "megatron.core",
    "modules_to_save": None,
    "peft_version": "0.21.2",
    "qalora_group_size": 16,
    "rank_pattern": {},
    "target_modules": ["q_proj"],
    "task_type": "CAUSAL_LM",
    "trainable_token_indices": None,
    "use_dora": False,
    "use_rslora": False,
}
Q0, Q10 = "model.layers.0.self_attn.q_proj", "model.layers.10.self_attn.q_proj"


@pytest.mark.parametrize(
    ("changes", "module", "rank", "scaling"),
    [
        pytest.param({}, Q0, 4, 2, id="alpha by rank"),
        pytest.param({"use_rslora": True}, Q0, 4, 8 / sqrt(4), id="by its root"),
        pytest.param({"lora_alpha": 1.5}, Q0, 4, 1.5 / 4, id="a broken alpha"),
        pytest.param({"rank_pattern": {"q_proj": 16}}, Q0, 16, 8 / 16, id="another rank"),
        pytest.param({"alpha_pattern": {"q_proj": 3}}, Q0, 4, 3 / 4, id="another alpha"),
        pytest.param({"alpha_pattern": {"proj": 3}}, Q0, 4, 2, id="the end of a word is none"),
        pytest.param({"alpha_pattern": {"0.self_attn.q_proj": 3}}, Q10, 4, 2, id="10 is not 0"),
        pytest.param({"alpha_pattern": {f"^{Q0}": 3}}, Q0, 4, 3 / 4, id="from the beginning"),
        pytest.param({"alpha_pattern": {"^q_proj": 3}}, Q0, 4, 2, id="not from the beginning"),
        pytest.param({"rank_pattern": {r"attn\.q_proj": 2}}, Q0, 4, 2, id="the end of a part"),
        pytest.param(
            {"rank_pattern": {r"self_attn\.q_proj": 2, "q_proj": 3}}, Q0, 2, 4, id="the first"
        ),
    ],
)
def test_strength(changes, module, rank, scaling):
    config = parse_lora_config(WHOLE | changes)
    assert (config.rank_of(module), config.scaling_of(module)) == (rank, scaling)


def test_what_peft_adds_by_itself_changes_nothing():
    assert parse_lora_config(WHOLE).base == "org/base"
    assert parse_lora_config(PLAIN).scaling_of(Q0) == parse_lora_config(WHOLE).scaling_of(Q0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"peft_type": "ADALORA"}, "peft_type is 'ADALORA'"),
        ({"task_type": "SEQ_CLS"}, "task_type is 'SEQ_CLS'"),
        ({"use_dora": True}, "use_dora is True"),
        ({"bias": "all"}, "bias is 'all'"),
        ({"lora_bias": True}, "lora_bias is True"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save is ['lm_head']"),
        ({"trainable_token_indices": [7]}, "trainable_token_indices is [7]"),
        ({"layer_replication": [[0, 4]]}, "layer_replication is [[0, 4]]"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa'"),
        ({"alora_invocation_tokens": [1]}, "alora_invocation_tokens is [1]"),
        ({"of_a_newer_peft": "on"}, "of_a_newer_peft is 'on'"),
        ({"alpha_pattern": {"(a+)+$": 2}}, "alpha_pattern has the regular expression '(a+)+$'"),
    ],
)
def test_what_is_not_plain_is_named(changes, said):
    with pytest.raises(NotPlain) as caught:
        parse_lora_config(WHOLE | changes)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "it is no JSON object"),
        ({}, "it has no peft_type"),
        (PLAIN | {"r": 0}, "r is 0.0, not a whole number from 1"),
        (PLAIN | {"r": "4"}, "r is '4', not a number"),
        (PLAIN | {"r": True}, "r is True, not a number"),
        ({"peft_type": "LORA", "r": 4}, "lora_alpha is None, not a number"),
        (PLAIN | {"lora_alpha": float("inf")}, "lora_alpha is inf, not a number"),
        (PLAIN | {"use_rslora": "yes"}, "use_rslora is 'yes', not true or false"),
        (PLAIN | {"rank_pattern": ["q"]}, "rank_pattern is ['q'], not an object"),
        (PLAIN | {"rank_pattern": {"q": 0}}, "rank_pattern gives 'q' 0.0, less than 1"),
    ],
)
def test_what_cannot_be_read_is_named(document, said):
    with pytest.raises(Damaged) as caught:
        parse_lora_config(document)
    assert str(caught.value) == said
