"""Settings come from the environment, once."""

from pathlib import Path

import pytest

from modelyard_operator.errors import SettingsInvalid
from modelyard_operator.settings import Settings, read_settings


def test_an_empty_environment_gives_the_defaults():
    assert read_settings({}) == Settings()


def test_each_field_is_a_variable_of_its_own_type():
    settings = read_settings(
        {
            "MODELYARD_POLICY": "/p.yaml",
            "MODELYARD_WORKERS": "4",
            "MODELYARD_AUDIT_SECONDS": "2.5",
            "MODELYARD_POD_NAME": "operator-0",
            "KUBECONFIG": "/k",
        }
    )
    assert settings == Settings(
        policy=Path("/p.yaml"),
        workers=4,
        audit_seconds=2.5,
        pod_name="operator-0",
        kubeconfig="/k",
    )


def test_a_word_where_a_number_is_needed_is_named():
    with pytest.raises(SettingsInvalid, match="MODELYARD_WORKERS"):
        read_settings({"MODELYARD_WORKERS": "many"})


def test_a_log_level_that_is_none_is_named():
    with pytest.raises(SettingsInvalid, match="MODELYARD_LOG_LEVEL: 'loud' is none of debug"):
        read_settings({"MODELYARD_LOG_LEVEL": "loud"})
