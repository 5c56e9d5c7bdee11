"""How each family of translation models is told from which language into which."""

from types import SimpleNamespace

import pytest

from modelyard_runtime.engine.backends.languages import Direction, find_languages
from modelyard_runtime.errors import InvalidRequest

T5 = {
    "summarization": {"prefix": "summarize: "},
    "translation_en_to_de": {"prefix": "English to German: "},
    "translation_en_to_fr": {"prefix": "English to French: "},
    "translation_de_to_en": {"prefix": "German to English: "},
    "broken": None,
}


class Vocabulary:
    """A tokenizer that knows words, some of them special."""

    def __init__(self, *special, words=()):
        self.all_special_tokens = list(special)
        self.unk_token_id = 0
        self._words = ["<unk>", *special, *words]

    def get_vocab(self):
        return {word: number for number, word in enumerate(self._words)}

    def convert_tokens_to_ids(self, word):
        return self.get_vocab().get(word, 0)


class Multilingual(Vocabulary):
    """One that is told the source language."""

    src_lang = "eng_Latn"


class Listed(Multilingual):
    """One with a list of its languages, not all of which this model has."""

    def __init__(self):
        super().__init__("a")
        self.lang_code_to_id = {"de": 4, "fr": 5, "xx": 0}


def find(tokenizer=None, *, first_token=None, start_token=1, **config):
    generation = SimpleNamespace(
        forced_bos_token_id=first_token, decoder_start_token_id=start_token
    )
    tokenizer = tokenizer or Vocabulary(words=["a"])
    return find_languages(SimpleNamespace(**config), tokenizer, generation)


NLLB = Multilingual("<s>", "eng_Latn", "fra_Latn", "zh_CN", "not-a-code")
MARIAN = Vocabulary(words=[">>fr<<", ">>de<<", "a", ">>"])
MODELS = {
    "one pair": find(),
    "one pair, with a prefix": find(prefix=" "),
    "T5": find(task_specific_params=T5),
    "T5, one pair": find(task_specific_params={"translation_en_to_de": {"prefix": "d: "}}),
    "T5, summaries only": find(task_specific_params={"summarization": {"prefix": "s: "}}),
    "NLLB": find(NLLB),
    "NLLB, one pair": find(NLLB, first_token=3),
    "mBART of 2020": find(NLLB, start_token=4),
    "M2M100": find(Listed()),
    "Marian": find(MARIAN),
}


@pytest.mark.parametrize(
    ("model", "source", "target", "direction"),
    [
        ("one pair", "", "", Direction()),
        ("one pair, with a prefix", "", "", Direction(" ")),
        ("T5", "en", "de", Direction("English to German: ")),
        ("T5", "de", "en", Direction("German to English: ")),
        ("T5, one pair", "", "", Direction("d: ")),
        ("T5, one pair", "en", "de", Direction("d: ")),
        ("T5, summaries only", "", "", Direction()),
        ("NLLB", "eng_Latn", "zh_CN", Direction(source="eng_Latn", first_token=4)),
        ("NLLB, one pair", "", "", Direction(source="eng_Latn")),
        ("mBART of 2020", "", "", Direction(source="eng_Latn")),
        ("mBART of 2020", "zh_CN", "fra_Latn", Direction(source="zh_CN", start_token=3)),
        ("NLLB, one pair", "fra_Latn", "eng_Latn", Direction(source="fra_Latn", first_token=2)),
        ("M2M100", "de", "fr", Direction(source="de", first_token=5)),
        ("Marian", "", "fr", Direction(">>fr<< ")),
    ],
)
def test_a_direction_that_the_model_knows(model, source, target, direction):
    assert MODELS[model].choose(source, target) == direction


@pytest.mark.parametrize("model", MODELS)
def test_any_direction_can_be_chosen(model):
    languages = MODELS[model]
    assert isinstance(languages.choose(*languages.name_any()), Direction)


@pytest.mark.parametrize(
    ("model", "source", "target", "field", "message"),
    [
        ("one pair", "en", "", "source", "translates in one direction only; leave out source"),
        ("one pair", "", "de", "target", "translates in one direction only; leave out target"),
        ("T5", "", "", "source", "source: it is missing; it takes de, en"),
        ("T5", "en", "", "target", "target: it is missing; it takes de, fr"),
        ("T5", "de", "fr", "target", "'fr' is not one of this model's languages; it takes en"),
        ("T5", "ro", "fr", "source", "'ro' is not one of this model's languages; it takes de, en"),
        ("NLLB", "", "zh_CN", "source", "it is missing; it takes eng_Latn, fra_Latn, zh_CN"),
        ("NLLB, one pair", "", "deu_Latn", "source", "it is missing"),
        ("M2M100", "de", "xx", "target", "'xx' is not one of this model's languages"),
        ("Marian", "en", "fr", "source", "told only the target language; leave out source"),
        ("Marian", "", "", "target", "it is missing; it takes de, fr"),
    ],
)
def test_what_the_model_cannot_do_is_refused(model, source, target, field, message):
    with pytest.raises(InvalidRequest, match=message) as caught:
        MODELS[model].choose(source, target)
    assert caught.value.param == field


def test_of_many_languages_a_few_are_named():
    many = find(Multilingual(*(f"a{letter}_XX" for letter in "abcdefghijkl")))
    with pytest.raises(InvalidRequest, match=r"it takes aa_XX, .*, ah_XX and 4 more$"):
        many.choose("de", "fr")
