"""`python -m modelyard_runtime`: serve the model that MODELYARD_CONFIG describes, or fetch one."""

import argparse
import os

_DESCRIPTION = """\
Without a command: serve the model that MODELYARD_CONFIG describes, on port 8080.
(On a machine of your own, `modelyard serve DIR` sets all of that up.)
"""

_FETCH = """\
Fetch a model from a hub or S3 onto a volume: what the init container of a model pod does.

MODELYARD_FETCH says what, as JSON (the operator writes it):
  uri            hf://ORG/NAME, or hf://ORG/NAME/FILE-OR-FOLDER for a part of the repository;
                 s3://BUCKET, or s3://BUCKET/FOLDER-OR-FILE
  revision       hf://: commit, 40 hex digits; with --resolve also a branch or tag (default:
                 main). s3://: the digest that --resolve prints (default: whatever is there)
  endpoint       the hub, default https://huggingface.co; a mirror must give sizes and hashes
  s3             endpoint, region: an S3 server where the Secret names none (default: AWS, in
                 us-east-1); ownEndpoints: false: no Secret may name another one
  adapter        what clients call the LoRA adapter that this is; a model, if it is left out
  destination    the volume, default /download; the model becomes DESTINATION/model
  secretPath     folder with the files `token` and `host`, default /etc/modelyard/secret;
                 the token is sent to that host (default huggingface.co) and to no other.
                 s3://: `accessKeyId`, `secretAccessKey` and `host` (default: that of
                 `endpoint`, else AWS); and `sessionToken`, `endpoint`, `region` where needed
  patienceSeconds  how long nothing may move before it is given up, default 300

Files are resumed where an earlier start stopped, verified by the hub's hashes (those of S3 held
to the sizes and ETags that were listed), and appear together as DESTINATION/model once all of
them are there. If they are already, nothing is sent.
"""

_EXAMPLE = """\
exit codes: 0 done; 78 it cannot be had, and a report in the termination log says why and what
to do; 143 asked to stop, and what was fetched is kept.

example:
  mkdir -p /tmp/download
  MODELYARD_FETCH='{"uri": "hf://Qwen/Qwen2.5-0.5B-Instruct"}' \\
    python -m modelyard_runtime fetch --resolve          # prints the commit, or the digest
  MODELYARD_FETCH='{"uri": "hf://Qwen/Qwen2.5-0.5B-Instruct", "revision": "<that commit>",
    "destination": "/tmp/download"}' python -m modelyard_runtime fetch
  modelyard serve /tmp/download/model
"""


def main() -> None:
    """Do what the command line says, then end the process."""
    parser = _build_parser()
    arguments = parser.parse_args()
    # Each command imports its own part: the downloader runs in a small container, and neither
    # torch nor the server would fit there.
    if arguments.command == "fetch":
        from modelyard_runtime.fetch.command import run_fetch  # noqa: PLC0415

        run_fetch(os.environ, only_resolve=arguments.resolve)
    _serve()


def _serve() -> None:
    from modelyard_api.serving import ServingConfig  # noqa: PLC0415
    from modelyard_runtime.capacity import read_capacity  # noqa: PLC0415
    from modelyard_runtime.engine.base import BatchEngine, GenerationEngine  # noqa: PLC0415
    from modelyard_runtime.engine.start import start_engine  # noqa: PLC0415
    from modelyard_runtime.launch import launch  # noqa: PLC0415

    async def start(config: ServingConfig) -> GenerationEngine | BatchEngine:
        return await start_engine(config, read_capacity())

    launch(os.environ, start)


def _build_parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m modelyard_runtime", description=_DESCRIPTION, formatter_class=layout
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    fetch = commands.add_parser(
        "fetch",
        help="fetch the model that MODELYARD_FETCH describes (fetch --help)",
        description=_FETCH,
        epilog=_EXAMPLE,
        formatter_class=layout,
    )
    fetch.add_argument(
        "--resolve",
        action="store_true",
        help="only print which commit the revision is; needs no volume, and fetches nothing",
    )
    return parser


if __name__ == "__main__":
    main()
