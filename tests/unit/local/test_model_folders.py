"""Model folders that scripts write can be read by whoever serves them."""

from modelyard_local.model_folders import copy_minilm, write_folder


class Part:
    """Saves one file, as safetensors does: for its owner only."""

    def __init__(self, name):
        self.name = name

    def save_pretrained(self, folder):
        path = folder / self.name
        path.write_text(self.name)
        path.chmod(0o600)


def test_all_parts_and_a_card_are_written_and_weights_are_for_all_to_read(tmp_path):
    write_folder(tmp_path, Part("model.safetensors"), Part("tokenizer.json"), card="# A model")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "README.md": "# A model",
        "model.safetensors": "model.safetensors",
        "tokenizer.json": "tokenizer.json",
    }
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o644


def test_the_encoder_comes_with_how_its_vectors_are_made(tmp_path):
    copy_minilm(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size > 80_000_000
    assert (tmp_path / "1_Pooling" / "config.json").exists()
