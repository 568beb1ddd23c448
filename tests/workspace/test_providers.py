"""What every provider does, whatever its machines are: one contract, run against each of them.

The rows and the manager are the real ones, and people enter by the API; tests/workspace/stands.py has the machines.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from runs.services.scaling import tend_cluster
from studio.kernel.actors import SYSTEM
from tests.workspace.kubeapi import client_of, running_api
from tests.workspace.stands import URL, OfMachines, OfPods, OfProcesses, Stand
from tests.workspace.test_machines import bring_up
from workspace.compute.models import ComputeTarget, Node
from workspace.compute.providers import Order, ProviderError, registry
from workspace.compute.services import machines
from workspace.compute.services.machines import Manager

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

PATIENCE = 120.0
MOST = 2


@pytest.fixture(params=["process", "ssh", "kubernetes"])
def stand(request, settings, tmp_path, monkeypatch, lab) -> Iterator[Stand]:
    settings.KEKS, settings.ACTIVE_KEK, settings.KEY_RING = {}, "", str(tmp_path / "keyring.json")
    settings.SSH_LOOK_SECONDS = 0.05
    settings.KUBERNETES_NAMESPACE = "ns"
    registry.providers.cache_clear()
    with ExitStack() as stack:
        stack.callback(registry.providers.cache_clear)
        if request.param == "kubernetes":
            api = stack.enter_context(running_api())
            made: Stand = OfPods(api, client_of(api))
        else:
            made = {"process": OfProcesses, "ssh": OfMachines}[request.param](monkeypatch, tmp_path)
        stack.callback(made.close)
        yield made


class House:
    """A cluster and its manager, round after round; each round asserts that there never were too many machines."""

    def __init__(self, stand: Stand, api: Any) -> None:
        self.stand, self.api = stand, api
        self.restart()

    def restart(self) -> None:
        """Another process keeps the machines from now on."""
        self.manager = Manager(self.stand.provider())

    @property
    def provider(self) -> Any:
        return self.manager.provider

    def make(self, **settings: Any) -> None:
        made = self.stand.make(self.api("olga"), max_nodes=MOST, **settings)
        assert made.status_code == 201, made.content
        self.cluster = ComputeTarget.objects.get(name="c")

    def round(self) -> None:
        tend_cluster(self.cluster.pk, actor=SYSTEM)
        self.manager.round(actor=SYSTEM)
        assert len(self.stand.machines()) <= MOST

    def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, ([vars(one) for one in Node.objects.all()], self.provider.list())
            self.round()
            time.sleep(0.02)

    def grown(self, nodes: int) -> list[Node]:
        """So many nodes with a machine each."""
        ComputeTarget.objects.filter(pk=self.cluster.pk).update(
            settings={**self.cluster.settings, "min_nodes": nodes, "idle_seconds_before_scaledown": 3600}
        )
        self.until(lambda: len(self.stand.machines()) == nodes and self.listed() == self.stand.machines())
        return list(present().order_by("pk"))

    def listed(self) -> set[str]:
        return {key for key, machine in self.provider.list().items() if machine.alive}

    def shrink(self) -> None:
        """It keeps nothing without need from now on."""
        settings = {**self.cluster.settings, "min_nodes": 0, "idle_seconds_before_scaledown": 3600}
        ComputeTarget.objects.filter(pk=self.cluster.pk).update(settings=settings)


def present() -> Any:
    return Node.objects.filter(removed__isnull=True, wanted=True)


@pytest.fixture
def house(stand, api) -> House:
    made = House(stand, api)
    made.make()
    return made


def test_what_is_wanted_is_started_once_and_told_whom_it_serves(house, stand):
    nodes = house.grown(MOST)
    for _ in range(3):
        house.round()
    assert stand.machines() == {node.pk for node in nodes} == house.listed()
    for node in nodes:
        told = stand.config(node.pk)
        assert (told["name"], told["target"], told["slots"]) == (node.name, "c", 1)
        assert told["token"].startswith("zaf_reg_") and told["url"].startswith("http")
        node.refresh_from_db()
        assert json.loads(json.dumps(node.handle))["machine"], "the row says what the provider calls the machine"
        assert node.handle["starts"] == 1


def test_every_call_may_be_repeated(house, stand):
    [node] = house.grown(1)
    asked: list[str] = []

    def token() -> str:
        asked.append("x")
        return "zaf_reg_another"

    order = Order(node=node.pk, name=node.name, target="c", url="http://studio", token=token)
    first = house.provider.start(order)
    assert house.provider.start(order) == first != {} and not asked, "what runs keeps its token"
    assert stand.config(node.pk)["token"] != "zaf_reg_another"
    house.provider.stop(node.pk)
    house.provider.stop(node.pk)
    Node.objects.update(wanted=False)
    house.until(lambda: not stand.machines() and not house.listed())
    house.provider.stop(node.pk, kill=True)
    house.provider.stop(node.pk, forget=True)
    house.provider.stop(node.pk, forget=True)
    assert node.pk not in house.provider.list()
    house.provider.stop("01NOBODY", kill=True)
    assert house.provider.tail("01NOBODY") == ""


def test_a_drained_node_gives_its_machine_back(house, stand, api):
    one, other = house.grown(MOST)
    bring_up(one, api)
    house.shrink()
    at = f"{URL}/c/nodes/{one.pk}"
    assert api("olga").patch(at, {"draining": True}, format="json").status_code == 204
    house.until(lambda: Node.objects.get(pk=one.pk).removed is not None)
    house.until(lambda: one.pk not in house.provider.list())
    assert stand.machines() == {other.pk}


def test_a_removed_node_leaves_nothing(house, stand, api):
    one, other = house.grown(MOST)
    house.shrink()
    assert api("olga").delete(f"{URL}/c/nodes/{one.pk}").status_code == 204
    house.until(lambda: one.pk not in house.provider.list())
    assert stand.machines() == {other.pk}


def test_a_deleted_cluster_leaves_nothing(house, stand, api):
    house.grown(MOST)
    assert api("olga").delete(f"{URL}/c").status_code == 204
    house.until(lambda: not stand.machines() and not house.provider.list())


def test_the_next_process_finds_all_and_starts_none_twice(house, stand):
    nodes = house.grown(MOST)
    house.restart()
    assert set(house.provider.list()) == {node.pk for node in nodes} == house.listed()
    for _ in range(3):
        house.round()
    assert stand.machines() == {node.pk for node in nodes} == {node.pk for node in present()}
    assert set(present().values_list("handle__starts", flat=True)) == {1}
    # It is also who ends them.
    Node.objects.update(wanted=False, state=Node.State.LEAVING)
    house.shrink()
    house.until(lambda: not stand.machines())


def test_a_lost_machine_is_made_good_and_never_twice(house, stand):
    house.grown(MOST)
    lost = present().first()
    stand.lose(lost.pk)
    house.until(lambda: lost.pk not in stand.machines() or house.listed() == stand.machines())
    house.until(lambda: len(stand.machines()) == MOST and stand.machines() == house.listed())
    assert stand.machines() == {node.pk for node in present()}


def test_it_is_made_good_by_the_next_process_too(house, stand):
    [node] = house.grown(1)
    stand.lose(node.pk)
    house.restart()
    house.until(lambda: len(stand.machines()) == 1 and stand.machines() == house.listed())
    assert stand.machines() == {one.pk for one in present()}


def test_while_it_is_away_nothing_is_lost_and_nothing_is_made_twice(house, stand):
    [running] = house.grown(1)
    ComputeTarget.objects.filter(pk=house.cluster.pk).update(settings={**house.cluster.settings, "min_nodes": MOST})
    with stand.away():
        for _ in range(3):
            with suppress(ProviderError):
                house.round()
    assert {node.pk for node in present()} > {running.pk} and len(present()) == MOST
    house.until(lambda: len(stand.machines()) == MOST and stand.machines() == house.listed())
    assert stand.machines() == {node.pk for node in present()}


def test_a_machine_that_does_not_go_is_killed(house, stand, monkeypatch):
    [node] = house.grown(1)
    house.provider.stop(node.pk, kill=True)
    monkeypatch.setattr(machines, "STOP_SECONDS", -1.0)
    Node.objects.update(wanted=False, state=Node.State.LEAVING)
    house.shrink()
    house.until(lambda: Node.objects.get(pk=node.pk).removed is not None)
    assert not stand.machines()
