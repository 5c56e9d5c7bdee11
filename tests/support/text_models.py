"""Folders of small classifiers of texts with random weights and three labels."""

from tests.support.letter_tokenizer import VOCABULARY, write_letter_tokenizer
from tests.support.tiny_models import write_model


def write_bert(folder):
    config = {"vocab_size": len(VOCABULARY), "pad_token_id": 0, "num_labels": 3}
    write_model(folder, "BertForSequenceClassification", **config)
    return write_letter_tokenizer(folder)


def write_decoder(folder):
    """A model that finds the end of a text by its tokens; each label is a question of its own."""
    settings = {"num_labels": 3, "problem_type": "multi_label_classification"}
    return write_model(folder, "LlamaForSequenceClassification", **settings)
