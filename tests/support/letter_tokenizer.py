"""A tokenizer of the kind that BERT has, whose vocabulary is small enough for tiny models.

A few words are a token each, all others are read letter by letter. It marks pairs of texts, and
knows at which character each token stands.
"""

import string
from pathlib import Path

import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("the", "is", "in", "who", "where", "this", "example", "live", "berlin", "angela", "##s")
SIGNS = tuple(string.ascii_lowercase + string.digits + ".,?!'-")
VOCABULARY = (*SPECIAL, *WORDS, *SIGNS, *(f"##{sign}" for sign in SIGNS))


def write_letter_tokenizer(folder: Path, **settings) -> Path:
    ids = {token: number for number, token in enumerate(VOCABULARY)}
    backend = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **settings,
    )
    tokenizer.save_pretrained(folder)
    return folder
