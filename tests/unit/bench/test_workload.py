"""What the API server is asked for."""

from bench.workload import NAMESPACES, build_copy, build_names, create_all, create_at


def test_names_are_spread_over_the_namespaces_and_unique():
    names = build_names("burst", 25)
    assert names[:2] == [(NAMESPACES[0], "burst-00000"), (NAMESPACES[1], "burst-00001")]
    assert len(set(names)) == 25
    assert {namespace for namespace, _ in names} == set(NAMESPACES)


def test_a_copy_is_of_another_model_and_of_no_owner():
    child = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "burst-00000", "uid": "1", "ownerReferences": [{"uid": "2"}]},
        "spec": {"selector": {"model": "burst-00000"}, "clusterIP": "10.0.0.1", "ports": [80]},
        "status": {"loadBalancer": {}},
    }
    assert build_copy(child, ("bench-1", "floor-7")) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "bench-1", "name": "floor-7", "labels": {"bench": "floor-7"}},
        "spec": {"selector": {"model": "floor-7"}, "ports": [80]},
    }


async def test_each_is_created_once_however_it_is_paced():
    names, created = build_names("x", 50), []

    async def create(name):
        created.append(name)

    await create_all(create, names)
    await create_at(create, names, 10_000)
    assert sorted(created) == sorted(names * 2)
