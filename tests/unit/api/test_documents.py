"""The documents that the parts pass to one another."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_api import report, serving
from modelyard_api.durations import format_seconds, parse_seconds
from modelyard_api.meta import Reason
from modelyard_api.report import ReportedError, RuntimeReport, State
from modelyard_api.serving import ServingConfig
from modelyard_api.v1alpha1 import DType, Format, Task

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("1h1m1s", 3661), ("0s", 0)],
)
def test_a_duration_is_read_in_seconds(text, seconds):
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "1.5h", "-1s", "1s1m", "1 h", "１s ", "9999999s"])
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="write for example 90s, 30m or 1h30m"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0s"), (9.44, "9.4s"), (60, "1m"), (125.2, "2m5s"), (3600, "1h"), (3725, "1h2m5s")],
)
def test_seconds_are_shown_to_people(seconds, text):
    assert format_seconds(seconds) == text


def test_a_config_travels_without_its_defaults_and_with_dollars_doubled():
    text = serving.encode_config(ServingConfig(model_name="a$(HOME)"))
    assert text == '{"modelName":"a$$(HOME)"}'


@given(
    st.builds(
        ServingConfig,
        model_name=TEXTS,
        model_path=TEXTS,
        task=st.sampled_from(Task),
        format=st.sampled_from(Format),
        dtype=st.sampled_from(DType),
        drain_seconds=st.integers(0, 3600),
    )
)
def test_a_config_survives_the_way_through_the_kubelet(config):
    # The kubelet turns $$ into $, and $(NAME) into the variable's value if it has one.
    text = serving.encode_config(config).replace("$$", "$")
    assert serving.decode_config(text) == config


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"modelName": 1}', '{"modelName": "m", "version": 2}', '{"modelName": "m"'],
)
def test_what_is_no_config_is_refused(text):
    with pytest.raises(ValueError, match="ServingConfig"):
        serving.decode_config(text)


@given(TEXTS, st.text(st.characters(codec="utf-8"), max_size=9000))
def test_a_report_fits_the_termination_message_and_keeps_reason_and_hint(hint, message):
    error = ReportedError(reason=Reason.MODEL_FILE_CORRUPT, message=message, hint=hint)
    text = report.encode_termination_message(RuntimeReport(state=State.FAILED, error=error))
    assert len(text.encode()) <= report.MAX_TERMINATION_MESSAGE_BYTES
    read = report.decode_report(text)
    assert read is not None
    assert read.error is not None
    assert (read.error.reason, read.error.hint) == (error.reason, hint)


def test_a_short_report_is_kept_word_for_word():
    error = ReportedError(reason="LoadFailed", message="no such tensor: 'ü'", hint="Check it.")
    given_report = RuntimeReport(state=State.FAILED, model_name="m", error=error)
    assert report.decode_report(report.encode_termination_message(given_report)) == given_report


@pytest.mark.parametrize("text", ["", "Traceback (most recent call last):", "{}", '{"state": "?"}'])
def test_log_lines_are_not_a_report(text):
    assert report.decode_report(text) is None


def test_a_report_of_a_newer_runtime_is_read():
    text = json.dumps({"version": 1, "state": "ready", "later": {"x": 1}})
    assert report.decode_report(text) == RuntimeReport(state=State.READY)
