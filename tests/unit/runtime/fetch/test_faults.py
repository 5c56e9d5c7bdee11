"""What a volume refuses, and how sizes are told."""

import errno

import pytest

from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.faults import format_bytes, translated_disk_errors

REFUSED = [
    (OSError(errno.ENOSPC, "No space left on device"), "NotEnoughDisk", "became full"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), "NotEnoughDisk", "became full"),
    (
        PermissionError(errno.EACCES, "Permission denied", "{folder}/lock"),
        "ConfigInvalid",
        "cannot be used: {folder}/lock: Permission denied",
    ),
]


@pytest.mark.parametrize(("error", "reason", "message"), REFUSED)
def test_what_a_volume_refuses_is_told(tmp_path, error, reason, message):
    if error.filename:
        error.filename = error.filename.format(folder=tmp_path)
    with pytest.raises(CannotStart) as caught, translated_disk_errors(tmp_path):
        raise error
    assert caught.value.reason == reason
    assert message.format(folder=tmp_path) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError(errno.ENOENT, "No such file", "/etc/ssl/cert.pem"), OSError("odd")],
    ids=["a file elsewhere", "no file at all"],
)
def test_what_has_nothing_to_do_with_the_volume_is_left_alone(tmp_path, error):
    with pytest.raises(OSError) as caught, translated_disk_errors(tmp_path):  # noqa: PT011
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (5 * 1024**3, "5.0 GiB"),
        (3 * 1024**4, "3.0 TiB"),
    ],
)
def test_sizes_are_told_as_people_read_them(count, text):
    assert format_bytes(count) == text
