"""Long steps: what is said, and what is raised."""

import re

import pytest

from modelyard_local.errors import CommandFailed, LocalError, WaitTimedOut
from modelyard_local.progress import run_logged, wait_until


def test_a_short_step_says_nothing(tmp_path):
    said = []
    run_logged(["true"], title="step", log=tmp_path / "log", report=said.append)
    assert said == []


def test_a_long_step_says_that_it_began_where_its_log_is_and_its_time(tmp_path):
    said = []
    log = tmp_path / "log"
    run_logged(["sleep", "2.5"], title="step", log=log, report=said.append)
    began, ended = said
    assert began == f"step …, log: {log}"
    assert float(re.fullmatch(r"step: (\d+\.\d) s", ended)[1]) >= 2.5


def test_a_failed_step_carries_its_own_last_lines(tmp_path):
    log = tmp_path / "log"
    log.write_text("of an earlier step\n")
    with pytest.raises(CommandFailed) as failure:
        run_logged(["sh", "-c", "echo why; exit 3"], title="step", log=log, report=print)
    assert (failure.value.code, failure.value.tail) == (3, "why\n")


def test_a_missing_program_is_named(tmp_path):
    with pytest.raises(LocalError, match="cannot run no-such-program"):
        run_logged(["no-such-program"], title="step", log=tmp_path / "log", report=print)


def test_a_state_that_does_not_come_is_named():
    with pytest.raises(WaitTimedOut, match="waiting for rain: not so after 0 s"):
        wait_until(lambda: False, title="waiting for rain", timeout_seconds=0.1, report=print)
