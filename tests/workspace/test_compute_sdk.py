"""The SDK and the command line at the real door: scripts of the Azure ML SDK v1 with another import line."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connections
from django.utils import timezone

from studio.kernel.actors import SYSTEM
from tests.workspace.test_machines import Box, bring_up
from workspace.accounts.models import User
from workspace.accounts.services import create_token
from workspace.compute import services
from workspace.compute.models import ComputeTarget as Row
from workspace.compute.models import Node
from workspace.compute.services import machines
from zaffre.core import Workspace
from zaffre.core.compute import AmlCompute, ComputeInstance, ComputeTarget
from zaffre.core.compute_target import ComputeTargetException

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token(people, lab) -> str:
    return create_token(actor=people.actor("olga"), name="scripts", days=1)[1]


@pytest.fixture
def ws(live_server, token) -> Workspace:
    return Workspace.get("lab", url=live_server.url, token=token)


@pytest.fixture
def keeper(api, lab) -> Iterator[Callable[[], None]]:
    """The relay and the process that keeps the machines, until the test ends."""
    from runs.services.scaling import tend_clusters

    box, end = Box(), threading.Event()
    manager = machines.Manager(box)

    def work() -> None:
        while not end.is_set():
            tend_clusters(actor=SYSTEM)
            services.tend_instances(actor=SYSTEM)
            manager.round(actor=SYSTEM)
            for node in Node.objects.filter(state="preparing", wanted=True, pk__in=box.alive):
                bring_up(node, api)
            end.wait(0.05)
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    yield work
    end.set()
    thread.join(20)


def test_the_classic_sample(ws, capsys, keeper):
    cluster_name = os.environ.get("AML_COMPUTE_CLUSTER_NAME", "cpu-cluster")
    min_nodes, max_nodes = "1", "2"  # as they come from the environment
    try:
        compute_target = ComputeTarget(workspace=ws, name=cluster_name)
        pytest.fail("there is none yet")
    except ComputeTargetException:
        config = AmlCompute.provisioning_configuration(
            vm_size="STANDARD_D2_V2", min_nodes=min_nodes, max_nodes=max_nodes
        )
        compute_target = ComputeTarget.create(ws, cluster_name, config)
        compute_target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=1)
    assert "Minimum number of nodes requested have been provisioned" in capsys.readouterr().out
    assert type(compute_target) is AmlCompute
    assert ws.compute_targets["cpu-cluster"].type == "AmlCompute"
    found = compute_target.get_status().serialize()
    assert found["scaleSettings"] == {"minNodeCount": 1, "maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "PT1800S"}
    assert found["nodeStateCounts"]["idleNodeCount"] == 1 and found["vmSize"] == "STANDARD_D2_V2"
    [node] = compute_target.list_nodes()
    assert node["nodeState"] == "idle" and node["runId"] is None
    compute_target.update(min_nodes=0, max_nodes=4, idle_seconds_before_scaledown=60)
    assert compute_target.scale_settings.maximum_node_count == 4
    compute_target.delete()
    with pytest.raises(ComputeTargetException):
        AmlCompute(ws, cluster_name)


def test_what_cannot_be_is_told_as_the_sdk_tells_it(ws):
    with pytest.raises(ComputeTargetException, match="max_nodes"):
        ComputeTarget.create(ws, "c", AmlCompute.provisioning_configuration(max_nodes=1000))
    made = ComputeTarget.create(ws, "c", AmlCompute.provisioning_configuration(max_nodes=1))
    with pytest.raises(ComputeTargetException, match="already"):
        ComputeTarget.create(ws, "c", AmlCompute.provisioning_configuration(max_nodes=1))
    with pytest.raises(ComputeTargetException, match="min_nodes"):
        made.update(min_nodes=5)
    with pytest.raises(ComputeTargetException, match="no ComputeInstance"):
        ComputeInstance(ws, "c")


def test_sizes_have_the_words_of_the_sdk(ws):
    sizes = AmlCompute.supported_vmsizes(workspace=ws)
    assert {"name", "vCPUs", "gpus", "memoryGB", "maxResourceVolumeMB"} == set(sizes[0])
    made = ComputeTarget.create(ws, "c", AmlCompute.provisioning_configuration(vm_size=sizes[0]["name"], max_nodes=1))
    assert made.vm_size == sizes[0]["name"]
    assert Row.objects.get().settings["node"]["cpus"] in {0, sizes[0]["vCPUs"]}


def test_an_instance_is_started_and_stopped(ws, capsys, keeper):
    config = ComputeInstance.provisioning_configuration(vm_size="STANDARD_DS3_V2", idle_minutes=30)
    desk = ComputeTarget.create(ws, "desk", config)
    assert isinstance(desk, ComputeInstance)
    desk.wait_for_completion(show_output=True)
    assert desk.get_status().state == "Running"
    desk.stop(wait_for_completion=True)
    assert desk.get_status().serialize()["state"] == "Stopped"
    desk.start(wait_for_completion=True, show_output=True)
    assert "desk: Running" in capsys.readouterr().out


@pytest.fixture
def zaffre(live_server, token, tmp_path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    told = {"ZAFFRE_URL": live_server.url, "ZAFFRE_TOKEN": token, "ZAFFRE_WORKSPACE": "lab", "HOME": str(tmp_path)}
    command = Path(sys.executable).parent / "zaffre"

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(command), *words],
            env={**os.environ, **told},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_the_command_line(zaffre, api):
    words = ("compute", "create", "cluster", "few", "--max-nodes", "2", "--slots", "2", "--json")
    assert json.loads(zaffre(*words).stdout)["settings"]["node"]["slots"] == 2
    assert "max nodes" in zaffre("compute", "show", "few").stdout
    changed = zaffre("compute", "update", "few", "--max-nodes", "3", "--json")
    assert json.loads(changed.stdout)["settings"]["max_nodes"] == 3
    refused = zaffre("compute", "update", "few", "--min-nodes", "9")
    assert refused.returncode == 1 and "min_nodes is 9" in refused.stderr
    node = Node.objects.create(
        id="01N", target=Row.objects.get(), name="box", secret_hash="x", last_seen=timezone.now()
    )
    assert "box" in zaffre("compute", "nodes", "few").stdout
    assert "takes nothing new" in zaffre("compute", "drain", "few", "box").stdout
    node.refresh_from_db()
    assert node.draining is not None
    assert "takes runs again" in zaffre("compute", "drain", "few", "box", "--undo").stdout
    missing = zaffre("compute", "drain", "few", "nobody")
    assert missing.returncode == 1 and "There are: box" in missing.stderr
    assert zaffre("compute", "delete", "few").returncode == 1, "nobody can be asked"
    assert zaffre("compute", "delete", "few", "--yes").returncode == 0
    assert "few" not in zaffre("compute", "list").stdout
    assert zaffre("compute", "create", "instance", "desk", "--idle-minutes", "5").returncode == 0
    assert "desk: stopping" in zaffre("compute", "stop", "desk").stdout


def test_a_node_drains_itself(live_server, token, api, tmp_path):
    """`zaffre node drain`, on the machine, with nothing but the node's own folder."""
    target = services.open_target("lab", actor=User.objects.get(username="olga").as_actor(), name="p", kind="joined")
    invited = api("olga").post("/api/v1/workspaces/lab/compute/p/enrolments", {}, format="json").json()["token"]
    head = {"Authorization": f"Bearer {invited}"}
    joined = api(None).post("/agent/v1/nodes/register", {"name": "box"}, format="json", headers=head).json()
    (tmp_path / "state").mkdir()
    identity = {"url": live_server.url, "node_id": joined["node_id"], "token": joined["token"]}
    (tmp_path / "state" / "identity.json").write_text(json.dumps(identity))
    for words, draining in [((), True), (("--undo",), False)]:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "zaffre"), "node", "drain", "--dir", str(tmp_path), *words],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert (target.nodes.get().draining is not None) is draining
    assert api("olga").post("/agent/v1/nodes/drain", {}, format="json").status_code == 403


def test_tags_are_kept_and_low_priority_says_that_it_has_no_effect(ws, zaffre):
    config = AmlCompute.provisioning_configuration(
        vm_priority="lowpriority", max_nodes=1, tags={"team": "vision", "empty": ""}
    )
    with pytest.warns(UserWarning, match="lowpriority has no effect"):
        made = ComputeTarget.create(ws, "cheap", config)
    assert (made.tags, made.vm_priority) == ({"team": "vision", "empty": ""}, "LowPriority")
    made.update(tags={"team": "speech"})
    assert ComputeTarget(ws, "cheap").tags == {"team": "speech"}
    done = zaffre("compute", "update", "cheap", "--tag", "cost=7", "--max-nodes", "2")
    assert done.returncode == 0 and "lowpriority has no effect" in done.stderr
    assert "cost=7" in zaffre("compute", "show", "cheap").stdout
