"""A model that begins to speak TLS: its Service leads old clients to old pods, new ones to new."""

from collections import Counter

ACCESS = {"tlsSecretRef": {"name": "qwen-tls"}}
#: Pods that no node takes: the update stays where it is.
NOWHERE = {"nodeSelector": {"example.com/nowhere": "yes"}}


def ports(team):
    """What the Service offers for HTTP, and where it leads to: port, target, pods behind it."""
    behind = Counter()
    for item in team.list("endpointslices"):
        for port in item.get("ports") or ():
            behind[port["name"]] += len(item.get("endpoints") or ())
    return [
        (port["name"], port["port"], port["targetPort"], behind[port["name"]])
        for port in team.get("service")["spec"]["ports"]
        if port["name"] != "grpc"
    ]


def wait_ports(team, *expected):
    team.wait(lambda: ports(team) == [*expected], f"ports are {expected}")


def test_the_service_follows_what_the_pods_speak(team):
    team.apply()
    team.wait_good()
    wait_ports(team, ("http", 80, 8080, 1))
    assert team.status()["url"] == f"http://qwen.{team.name}.svc"

    team.apply(access=ACCESS, podTemplate=NOWHERE)
    wait_ports(team, ("https", 443, "https", 0), ("http", 80, "http", 1))

    team.apply(access=ACCESS)
    team.wait_ready()
    team.wait_good()
    wait_ports(team, ("https", 443, "https", 1))
    assert team.status()["url"] == f"https://qwen.{team.name}.svc"

    team.apply()
    team.wait_ready()
    team.wait_good()
    wait_ports(team, ("http", 80, 8080, 1))


def test_secrets_that_change_restart_nothing(team):
    """The operator reads no Secret, and pods are mounted whatever there is."""
    team.apply(access={"keysSecretRef": {"name": "qwen-keys"}, "audit": True})
    revision = team.wait_good()
    team.kubectl("create", "secret", "generic", "qwen-keys", "--from-literal=alice=" + "0" * 64)
    team.kubectl("delete", "secret", "qwen-keys")
    # Whatever came of it would come before the next change.
    team.apply(
        access={"keysSecretRef": {"name": "qwen-keys"}, "audit": True}, scaling={"replicas": 2}
    )
    team.wait(lambda: team.status().get("readyReplicas") == 2, "two pods")
    assert team.wait_good() == revision
    pod = team.list("pods")[0]
    volumes = {each["name"]: each.get("secret") for each in pod["spec"]["volumes"]}
    assert volumes["keys"] == {"secretName": "qwen-keys", "defaultMode": 0o440, "optional": True}
