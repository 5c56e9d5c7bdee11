"""What a hub refuses, in words that say what to do."""

import pytest

from tests.support.fetch_process import run

NO_COMMIT = "0" * 40
SECRET_HINT = (
    "The token belongs into a Secret that spec.model.secretRef names: kubectl create secret "
    "generic NAME --from-literal=host={host} --from-literal=token=…"
)

REFUSED = [
    pytest.param(
        {"uri": "hf://acme/other"},
        "",
        (
            "Unauthorized",
            (
                "The hub refuses acme/other at {commit}: {host} answers 401: Invalid username or "
                "password. No token was sent."
            ),
            "The repository is private, or does not exist (the hub answers both alike). "
            + SECRET_HINT,
        ),
        id="a repository that strangers may not see, or that is none",
    ),
    pytest.param(
        {"uri": "hf://acme/other"},
        "good",
        (
            "ModelNotFound",
            (
                "The hub does not know acme/other at {commit}: {host} answers 404: Repository "
                "not found"
            ),
            "Check spec.model.uri; upper and lower case count.",
        ),
        id="a repository that is none, to somebody who is known",
    ),
    pytest.param(
        {"revision": NO_COMMIT},
        "",
        (
            "ModelNotFound",
            (
                f"The hub does not know acme/tiny at {NO_COMMIT}: {{host}} answers 404: Invalid "
                f"rev id: {NO_COMMIT}"
            ),
            "Check spec.model.revision; upper and lower case count.",
        ),
        id="a revision that is none",
    ),
    pytest.param(
        {"uri": "hf://acme/tiny/Q4"},
        "",
        (
            "ModelNotFound",
            (
                "hf://acme/tiny has no file or folder 'Q4'; it holds config.json, "
                "model.safetensors, pytorch_model.bin"
            ),
            "Correct the path in spec.model.uri; upper and lower case count.",
        ),
        id="a path that is none",
    ),
    pytest.param(
        {"revision": "main"},
        "",
        (
            "ConfigInvalid",
            "MODELYARD_FETCH: the revision 'main' is not a commit",
            (
                "Fetching takes the 40 hex digits of a commit, so that all pods serve the same "
                "weights; `fetch --resolve` finds that of a branch or tag."
            ),
        ),
        id="a branch, which may move between two pods",
    ),
    pytest.param(
        {"destination": "/nonexistent/volume"},
        "",
        (
            "ConfigInvalid",
            (
                "The volume at /nonexistent/volume cannot be used: /nonexistent/volume/lock: No "
                "such file or directory"
            ),
            "The init container needs a writable volume there.",
        ),
        id="a volume that is not there",
    ),
]


@pytest.mark.parametrize(("settings", "token", "expected"), REFUSED)
def test_it_says_what_is_refused(scene, settings, token, expected):
    if token:
        scene.place.add_secret(token=token, host=scene.hub.host)
    outcome = run(scene.config(**settings), room=scene.room)
    assert outcome.code == 78, outcome.log
    reason, message, hint = (
        text.format(host=scene.hub.host, commit=scene.tiny.commit) for text in expected
    )
    assert outcome.error == (reason, message, hint)
    line = outcome.events("cannot_start")[0]
    assert (line["reason"], line["explanation"], line["hint"]) == (reason, message, hint)


@pytest.mark.parametrize(
    ("token", "status", "given"),
    [("", 401, "No token was sent."), ("stranger", 403, "The Secret's token was sent.")],
    ids=["nobody", "somebody who has not accepted the terms"],
)
def test_a_gated_repository_says_what_to_accept(scene, token, status, given):
    scene.hub.protect("acme/tiny", "friend", gated=True)
    if token:
        scene.place.add_secret(token=token, host=scene.hub.host)
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 78
    reason, message, hint = outcome.error
    name = message.removeprefix("The hub refuses ").partition(":")[0]
    assert name in {"config.json", "model.safetensors"}
    assert (reason, message, hint) == (
        "Unauthorized",
        (
            f"The hub refuses {name}: {scene.hub.host} answers {status}: Access to model acme/tiny "
            f"is restricted. {given}"
        ),
        "The repository is gated: accept its terms on the hub with the account of the token. "
        + SECRET_HINT.format(host=scene.hub.host),
    )


def test_names_that_leave_the_folder_are_refused_before_anything_is_written(scene):
    name = "../../etc/cron.d/evil.json"
    scene.hub.odd_entries.append({"rfilename": name, "size": 1, "blobId": NO_COMMIT})
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 78
    assert outcome.error[:2] == (
        "ModelUnsafe",
        (
            "The hub lists a file with the name '../../etc/cron.d/evil.json', which could leave "
            "the model folder"
        ),
    )
    assert [path.name for path in scene.place.volume.iterdir()] == ["lock"]


NO_HUB = [
    pytest.param({}, "KeyError: 'id'", id="JSON of another kind"),
    pytest.param(
        {"rfilename": "vocab.txt"},
        "ValueError: it gives no size or no hash of 'vocab.txt'",
        id="files without hashes",
    ),
]


@pytest.mark.parametrize(("entry", "problem"), NO_HUB)
def test_an_endpoint_that_does_not_answer_as_a_hub_is_named(scene, entry, problem):
    if entry:
        scene.hub.odd_entries.append(entry)
    else:
        scene.hub.fail("", status=200)
    outcome = run(scene.config(), room=scene.room)
    assert outcome.code == 78
    assert outcome.error == (
        "DownloadFailed",
        f"{scene.hub.host} does not answer as a hub does: {problem}",
        (
            "Check the endpoint in the platform's policy. A mirror must speak the hub's API with "
            "sizes and hashes (/api/models/…/revision/…?blobs=true)."
        ),
    )
