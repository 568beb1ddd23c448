"""500 metrics without waiting, the machine's metrics beside them, and a run that goes on after its end."""

import json
import time

import mlflow

client = mlflow.MlflowClient()
mlflow.set_experiment("asynchronous")
mlflow.enable_system_metrics_logging()
mlflow.set_system_metrics_sampling_interval(0.2)
mlflow.set_system_metrics_samples_before_logging(1)
with mlflow.start_run() as run:
    for at in range(500):
        mlflow.log_metric("loss", 1 / (at + 1), step=at, synchronous=False)
    mlflow.flush_async_logging()
    deadline = time.monotonic() + 60
    while not any(key.startswith("system/") for key in mlflow.get_run(run.info.run_id).data.metrics):
        assert time.monotonic() < deadline
        time.sleep(0.2)
mlflow.disable_system_metrics_logging()
run_id = run.info.run_id
first = mlflow.get_run(run_id).info
with mlflow.start_run(run_id=run_id):
    between = mlflow.get_run(run_id).info
    mlflow.log_metric("again", 1)
client.log_param(run_id, "late", "yes")
found = mlflow.get_run(run_id)
print(
    "RESULT",
    json.dumps(
        {
            "id": run_id,
            "steps": sorted(one.step for one in client.get_metric_history(run_id, "loss")),
            "system": sorted(key for key in found.data.metrics if key.startswith("system/")),
            "again": found.data.metrics["again"],
            "late": found.data.params["late"],
            "states": [first.status, between.status, found.info.status],
            "ends": [first.end_time is None, between.end_time is None, found.info.end_time > first.end_time],
        }
    ),
)
