"""The digest that stands for what a bucket holds."""

import hashlib

import pytest

from modelyard_runtime.fetch.listing import RemoteFile
from modelyard_runtime.fetch.manifest import digest_manifest

FILES = [RemoteFile("m/größe.json", 2, etag='"b"'), RemoteFile("m/a.gguf", 10, etag='"a-2"')]


def test_it_is_that_of_the_sorted_lines():
    lines = 'm/a.gguf\t10\t"a-2"\nm/größe.json\t2\t"b"\n'
    assert digest_manifest(FILES) == hashlib.sha256(lines.encode()).hexdigest()
    assert digest_manifest(reversed(FILES)) == digest_manifest(FILES)


@pytest.mark.parametrize(
    "other",
    [
        RemoteFile("m/b.gguf", 10, etag='"a-2"'),
        RemoteFile("m/a.gguf", 11, etag='"a-2"'),
        RemoteFile("m/a.gguf", 10, etag='"a-3"'),
    ],
    ids=["another name", "another size", "another ETag"],
)
def test_every_part_of_a_file_counts(other):
    assert digest_manifest([FILES[0], other]) != digest_manifest(FILES)
    assert digest_manifest(FILES[:1]) != digest_manifest(FILES)
