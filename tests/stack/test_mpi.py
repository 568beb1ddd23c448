"""MPI over two nodes by the real mpirun: ranks reduce together, fail and are canceled together."""

import pytest

from tests.agent.test_mpi import MPI, needs_mpi
from tests.stack.running import until
from tests.stack.test_distributed import log_of
from zaffre.agent import sandbox

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900), needs_mpi]

REDUCE = """
print("the sum is", all_reduce(rank + 1.0), "of", rank, os.environ["RANK"], os.environ["OMPI_COMM_WORLD_LOCAL_RANK"],
      "on node", os.environ["NODE_RANK"], os.environ["AZUREML_NODE_COUNT"], flush=True)
mpi.MPI_Finalize()
"""  # fmt: skip
TWO = {"node_count": 2, "distribution": {"kind": "mpi"}}


def test_ranks_of_two_nodes_reduce_inside_of_their_sandboxes(studio, bring_node, tmp_path):
    bwrap = sandbox.binary()
    if bwrap is None or not sandbox.works(bwrap, tmp_path):
        pytest.skip("bubblewrap makes no sandbox on this machine")
    for name in ("a", "b"):
        bring_node(name, flags=("--isolation", "bubblewrap"))
    run = studio.submit({"train.py": MPI + REDUCE}, **TWO)
    studio.wait_for(run, "completed")
    assert log_of(studio, run, 1) == "the sum is 3.0 of 1 1 0 on node 1 2\n"


def test_a_rank_that_fails_is_named_with_its_node_and_ends_the_others(studio, bring_node):
    bring_node("a"), bring_node("b")
    run = studio.submit({"train.py": MPI + "if rank == 1:\n    sys.exit(3)\ntime.sleep(600)\n"}, **TWO)
    done = studio.wait_for(run, "failed")
    assert (done["reason"]["code"], done["exit_code"]) == ("script_failed", 3)
    assert done["reason"]["message"].startswith("Rank 1 on node ")
    assert "exited with 3" in done["reason"]["message"]


def test_a_cancel_lets_every_rank_say_goodbye(studio, bring_node, tmp_path):
    bring_node("a"), bring_node("b")
    code = """
def bye(*_):
    time.sleep(rank)
    print("goodbye", rank, flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, bye)
pathlib.Path(sys.argv[1] + str(rank)).touch()
time.sleep(600)
"""
    run = studio.submit({"train.py": MPI + code}, arguments=[str(tmp_path / "rank")], **TWO)
    until(lambda: all((tmp_path / f"rank{rank}").exists() for rank in range(2)), "both ranks")
    assert studio.ask("POST", f"{studio.ws}/runs/{run}/cancel").status in (200, 202)
    studio.wait_for(run, "canceled")
    assert [log_of(studio, run, rank) for rank in range(2)] == ["goodbye 0\n", "goodbye 1\n"]
