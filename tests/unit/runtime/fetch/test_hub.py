"""The one redirect on which the HTTP library itself would take the token along."""

import httpx2

from modelyard_runtime.fetch import hub

HOME = "http://hub.example.com/acme/tiny/resolve/main/config.json"


def test_a_token_does_not_follow_to_another_port_of_the_same_host():
    seen = []

    def answer(request):
        seen.append((str(request.url), request.headers.get("authorization")))
        if request.url.scheme == "http":
            return httpx2.Response(302, headers={"Location": HOME.replace("http:", "https:")})
        return httpx2.Response(200)

    client = hub._build_client(hub._guard(httpx2.URL(HOME).origin))
    client._mounts = {}
    client._transport = httpx2.MockTransport(answer)
    with client:
        client.get(HOME, headers={"Authorization": "Bearer hf_x"})
    assert seen == [(HOME, "Bearer hf_x"), (HOME.replace("http:", "https:"), None)]
