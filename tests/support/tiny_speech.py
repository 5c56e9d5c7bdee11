"""Speech models with random weights. Their windows are two seconds."""

import json
from pathlib import Path

import torch
import transformers
from transformers.convert_slow_tokenizer import bytes_to_unicode

WINDOW_SECONDS = 2
LANGUAGES = ("en", "de")


def write_whisper(folder: Path, *, languages: tuple[str, ...] = LANGUAGES) -> Path:
    """A Whisper whose tokens are bytes."""
    words = {letter: number for number, letter in enumerate(bytes_to_unicode().values())}
    named = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{word}|>" for word in languages)]
    named += ["<|translate|>", "<|transcribe|>", "<|startofprev|>", "<|nospeech|>"]
    named += ["<|notimestamps|>", *(f"<|{place * 0.02:.2f}|>" for place in range(101))]
    ids = {word: len(words) + place for place, word in enumerate(named)}
    tokenizer = transformers.WhisperTokenizer(vocab=words | {named[0]: ids[named[0]]}, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": named[1:]})
    assert tokenizer.convert_tokens_to_ids(named) == list(ids.values())
    tokenizer.save_pretrained(folder)
    transformers.WhisperFeatureExtractor(chunk_length=WINDOW_SECONDS).save_pretrained(folder)
    end = ids["<|endoftext|>"]
    torch.manual_seed(5)
    model = transformers.WhisperForConditionalGeneration(
        transformers.WhisperConfig(
            vocab_size=len(words) + len(named),
            d_model=32,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=48,
            decoder_ffn_dim=48,
            max_source_positions=50 * WINDOW_SECONDS,
            max_target_positions=24,
            decoder_start_token_id=ids["<|startoftranscript|>"],
            eos_token_id=end,
            bos_token_id=end,
            pad_token_id=end,
            init_std=0.4,
        )
    )
    config = model.generation_config
    # Else it would be made anew from config.json, without the languages.
    config._from_model_config = False
    if languages:
        config.is_multilingual = True
        config.lang_to_id = {f"<|{word}|>": ids[f"<|{word}|>"] for word in languages}
        config.task_to_id = {word: ids[f"<|{word}|>"] for word in ("transcribe", "translate")}
    else:
        config.is_multilingual = False
    config.begin_suppress_tokens = [end]
    config.no_timestamps_token_id = ids["<|notimestamps|>"]
    # Texts of plain letters: all else is never said.
    letters = range(words["a"], words["z"] + 1)
    config.suppress_tokens = [n for n in range(len(words) + len(named)) if n not in {*letters, end}]
    model.save_pretrained(folder)
    return folder


def write_wav2vec2(folder: Path) -> Path:
    """A model that writes a letter each 20 samples."""
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghij"]
    folder.mkdir(exist_ok=True)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({letter: place for place, letter in enumerate(letters)}))
    transformers.Wav2Vec2CTCTokenizer(str(vocabulary)).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
    torch.manual_seed(5)
    model = transformers.Wav2Vec2ForCTC(
        transformers.Wav2Vec2Config(
            vocab_size=len(letters),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            conv_dim=[16, 16],
            conv_kernel=[10, 8],
            conv_stride=[20, 16],
            num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=2,
            initializer_range=0.5,
            pad_token_id=0,
        )
    )
    model.save_pretrained(folder)
    return folder
