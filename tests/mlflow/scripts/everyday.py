"""What a client of MLflow 2 does every day. It is the same for 3."""

import json

import mlflow
from mlflow import MlflowClient

client = MlflowClient()
NAME = f"day {mlflow.__version__}"  # an experiment for each release
made = mlflow.set_experiment(NAME)
mlflow.set_experiment_tag("release", mlflow.__version__)
with mlflow.start_run(run_name="outer", tags={"a": "1"}, description="About it.") as outer:
    mlflow.log_params({"lr": 0.1, "depth": 4})
    for step in range(3):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_text("hello", "notes/hello.txt")
    inner = mlflow.start_run(run_name="inner", nested=True)
    with mlflow.start_run(run_name="innermost", nested=True) as innermost:
        mlflow.log_metric("loss", 0.5)
    mlflow.end_run()
client.set_tag(outer.info.run_id, "late", "2")
client.delete_tag(outer.info.run_id, "a")
gone = client.create_run(made.experiment_id, run_name="gone", start_time=1234567890123).info
client.delete_run(gone.run_id)
hidden = [one.info.run_name for one in client.search_runs([made.experiment_id])]
client.restore_run(gone.run_id)
found = mlflow.get_run(outer.info.run_id)
old = mlflow.set_experiment(f"{NAME}, second")
client.rename_experiment(old.experiment_id, f"{NAME}, renamed")
client.delete_experiment(old.experiment_id)
stage = client.get_experiment(old.experiment_id).lifecycle_stage
client.restore_experiment(old.experiment_id)
of_release = f"tags.release = '{mlflow.__version__}'"
print(
    "RESULT",
    json.dumps(
        {
            "version": mlflow.__version__,
            "outer": outer.info.run_id,
            "params": found.data.params,
            "metrics": found.data.metrics,
            "tags": {key: value for key, value in found.data.tags.items() if not key.startswith("mlflow.")},
            "note": found.data.tags["mlflow.note.content"],
            "parents": [mlflow.get_run(one.info.run_id).data.tags["mlflow.parentRunId"] for one in (inner, innermost)]
            == [outer.info.run_id, inner.info.run_id],
            "text": mlflow.artifacts.load_text(found.info.artifact_uri + "/notes/hello.txt"),
            "hidden": hidden,
            "gone": client.get_run(gone.run_id).info.start_time,
            "release": client.get_experiment(made.experiment_id).tags["release"],
            "renamed": [client.get_experiment(old.experiment_id).name, stage],
            "found": [one.name for one in client.search_experiments(filter_string=of_release)],
        }
    ),
)
