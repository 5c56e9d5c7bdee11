"""Names of images: hashes of what goes in."""

import pytest

from modelyard_local import oci, recipes
from modelyard_local.errors import LocalError
from modelyard_local.recipes import Recipe

RECIPE = Recipe("app", "app/Dockerfile", "app.lock", ("app/package",))
DOCKERFILE = "# words\nARG A\nFROM ${A} AS deps\nRUN x\n\nFROM ${B}\nCOPY y y\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "app/package").mkdir(parents=True)
    (tmp_path / "app/Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "app.lock").write_text("a==1")
    (tmp_path / "app/package/main.py").write_text("print()")
    return tmp_path


def changed(root, path, text):
    before = recipes.build_names(RECIPE, root, None)
    file = root / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    after = recipes.build_names(RECIPE, root, None)
    pairs = {
        "base": (before.base, after.base),
        "deps": (before.deps, after.deps),
        "code": (before.code, after.code),
    }
    return {name for name, (old, new) in pairs.items() if old != new}


@pytest.mark.parametrize(
    ("path", "text", "rebuilt"),
    [
        pytest.param("app/package/main.py", "print(1)", {"code"}, id="code"),
        pytest.param("app/package/new.py", "", {"code"}, id="a new file"),
        pytest.param("app.lock", "a==2", {"deps", "code"}, id="the lock"),
        pytest.param("app/Dockerfile", DOCKERFILE + "USER 1\n", {"code"}, id="the last stage"),
        pytest.param(
            "app/Dockerfile", DOCKERFILE.replace("RUN x", "RUN z"), {"deps", "code"}, id="the first"
        ),
        pytest.param("app/Dockerfile", "# other" + DOCKERFILE, set(), id="a comment"),
        pytest.param("app/package/__pycache__/x.pyc", "x", set(), id="bytecode"),
        pytest.param("README.md", "x", set(), id="anything else"),
    ],
)
def test_only_what_changed_is_built_again(root, path, text, rebuilt):
    assert changed(root, path, text) == rebuilt


def test_another_base_changes_everything(root):
    ours, theirs = (recipes.build_names(RECIPE, root, base) for base in (None, "python:3.13-slim"))
    assert theirs.base == "python:3.13-slim"
    assert (ours.deps, ours.code) != (theirs.deps, theirs.code)


def test_a_missing_lock_is_named(root):
    (root / "app.lock").unlink()
    with pytest.raises(LocalError, match=r"app\.lock does not exist"):
        recipes.build_names(RECIPE, root, None)


def test_parts_do_not_run_into_one_another():
    assert recipes.hash_parts([b"ab", b"c"]) != recipes.hash_parts([b"a", b"bc"])


def build(layout, reference, folder):
    layout.name(reference, layout.add_image(layout.add_folder(folder), {}))
    return layout.get(reference)


def test_the_same_folder_gives_the_same_image(tmp_path):
    layout = oci.Layout(tmp_path / "layout")
    layout.create()
    for name, mode in (("one", 0o600), ("two", 0o644)):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub/weights.bin").write_bytes(b"x" * 5000)
        (tmp_path / name / "sub/weights.bin").chmod(mode)
    one = build(layout, "localhost/models/one:1", tmp_path / "one")
    two = build(layout, "localhost/models/two:1", tmp_path / "two")
    assert one.manifest == two.manifest


def test_forgetting_a_name_frees_its_blobs_and_no_others(tmp_path):
    layout = oci.Layout(tmp_path / "layout")
    layout.create()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
        build(layout, f"localhost/models/{name}:1", tmp_path / name)
    layout.forget(["localhost/models/one:1"])
    assert layout.find("localhost/models/one:1") is None
    kept = layout.get("localhost/models/two:1")
    assert {path.name for path in layout.blobs.iterdir()} == {blob.hex for blob in kept.blobs}


def test_an_unknown_image_is_refused_with_the_known(tmp_path):
    layout = oci.Layout(tmp_path)
    layout.create()
    with pytest.raises(LocalError, match="there are: none"):
        layout.get("localhost/models/x:1")
