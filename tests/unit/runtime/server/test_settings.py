"""Settings come from the environment, and are checked there."""

from pathlib import Path

import pytest

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.settings import Settings, read_settings


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Settings()),
        ({"MODELYARD_PORT": "", "PORT": "1"}, Settings()),
        (
            {
                "MODELYARD_HOST": "::",
                "MODELYARD_PORT": "1234",
                "MODELYARD_GRPC_PORT": "8002",
                "MODELYARD_INTERNAL_PORT": "0",
                "MODELYARD_TERMINATION_LOG": "/x",
                "MODELYARD_LOG_FORMAT": "text",
                "MODELYARD_MAX_BODY_BYTES": "10",
                "MODELYARD_BODY_SECONDS": "5",
                "MODELYARD_MAX_REQUESTS": "2",
                "MODELYARD_LAME_DUCK_SECONDS": "0.5",
                "MODELYARD_PARTING_SECONDS": "1.5",
                "MODELYARD_REVISION": "r1",
            },
            Settings(
                host="::",
                port=1234,
                grpc_port=8002,
                internal_port=0,
                termination_log=Path("/x"),
                log_format="text",
                max_body_bytes=10,
                body_seconds=5,
                max_requests=2,
                lame_duck_seconds=0.5,
                parting_seconds=1.5,
                revision="r1",
            ),
        ),
    ],
    ids=["none", "empty", "all"],
)
def test_what_is_set_is_read(environment, expected):
    assert read_settings(environment) == expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MODELYARD_PORT", "70000"),
        ("MODELYARD_LOG_FORMAT", "xml"),
        ("MODELYARD_MAX_BODY_BYTES", "0"),
        ("MODELYARD_LAME_DUCK_SECONDS", "nan"),
    ],
)
def test_a_bad_value_is_named(variable, value):
    with pytest.raises(CannotStart, match=f"{variable}.*{value}") as caught:
        read_settings({variable: value})
    assert caught.value.reason is Reason.CONFIG_INVALID
