"""What MLflow's door says of itself."""

import pytest

from tests.mlflow.conftest import Enter


async def test_everybody_may_ask_what_it_can(enter: Enter):
    visitor = enter(None).caller
    health, version = await visitor.get("/mlflow/lab/health"), await visitor.get("/mlflow/lab/version")
    assert (health.status, health.body) == (200, b"OK")
    assert version.body.startswith(b"3.")
    for prefix in ("api", "ajax-api"):
        told = (await visitor.get(f"/mlflow/nowhere/{prefix}/3.0/mlflow/server-info")).json()
        assert (told["workspaces_enabled"], told["features_enabled"]) == (True, {"gateway": False})


@pytest.mark.parametrize(("named", "status"), [("lab", 200), ("", 200), ("den", 400), ("default", 400)])
async def test_a_header_that_names_another_workspace_is_refused(enter: Enter, named, status):
    carl = enter("carl").caller
    carl.headers["x-mlflow-workspace"] = named
    answer = await carl.get("/mlflow/lab/api/2.0/mlflow/experiments/search")
    assert answer.status == status
    if status == 400:
        assert named in answer.json()["message"]
