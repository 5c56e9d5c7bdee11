"""What the layout of the repository must keep to."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tracked(pattern):
    done = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_the_operator_folder_never_shadows_the_standard_library():
    """An operator/__init__.py, conftest.py or test there would replace the module `operator`."""
    assert [p for p in tracked("operator/*.py") if p.count("/") == 1] == []


def test_tests_hold_no_packages():
    """With importlib mode an __init__.py in tests makes equal file names collide."""
    assert tracked("tests/**/__init__.py") == []


def test_lock_files_name_no_registry():
    locks = sorted((ROOT / "requirements").glob("*.lock"))
    naming = [p.name for p in locks if "://" in p.read_text()]
    assert (len(locks), naming) == (5, [])
