"""The registry: from a trained model to one that is loaded by its alias, with everything that is said about it."""

import json

import mlflow
import numpy as np
from sklearn.linear_model import LinearRegression

client = mlflow.MlflowClient()
mlflow.set_experiment("registry")
features = np.arange(6.0).reshape(6, 1)
fitted = LinearRegression().fit(features, features[:, 0] * 2)
info = []
for _ in range(2):
    with mlflow.start_run() as run:
        info.append(
            mlflow.sklearn.log_model(
                fitted, name="line", registered_model_name="the line", input_example=features[:1], params={"slope": 2}
            )
        )
        mlflow.log_metric("rmse", 0.5, model_id=info[-1].model_id)
client.set_registered_model_alias("the line", "champion", "1")
client.set_registered_model_alias("the line", "champion", "2")
client.set_registered_model_alias("the line", "old", "1")
client.delete_registered_model_alias("the line", "old")
client.set_registered_model_tag("the line", "team", "vision")
client.set_model_version_tag("the line", "2", "checked", "yes")
client.set_model_version_tag("the line", "2", "gone", "yes")
client.delete_model_version_tag("the line", "2", "gone")
client.update_registered_model("the line", description="A line.")
client.update_model_version("the line", "2", description="The second.")
by_hand = mlflow.register_model(f"runs:/{run.info.run_id}/line", "by hand")
copied = client.copy_model_version("models:/the line@champion", "copy")
champion = client.get_model_version_by_alias("the line", "champion")
client.rename_registered_model("by hand", "by my hand")
predictions = [
    float(mlflow.pyfunc.load_model(uri).predict(features[1:2])[0])
    for uri in (
        "models:/the line@champion",
        "models:/the line/1",
        "models:/copy/1",
        f"models:/{info[0].model_id}",
        info[0].model_uri,
    )
]
logged = mlflow.get_logged_model(info[1].model_id)
client.delete_model_version("copy", "1")
client.delete_registered_model("copy")
print(
    "RESULT",
    json.dumps(
        {
            "predictions": predictions,
            "champion": [champion.version, champion.description, champion.tags, list(champion.aliases)],
            "model_id": [champion.source.removeprefix("models:/"), info[1].model_id],
            "by_hand": by_hand.version,
            "copied": copied.version,
            "models": [one.name for one in client.search_registered_models()],
            "tagged": [one.name for one in client.search_registered_models("tags.team = 'vision'")],
            "versions": sorted(one.version for one in client.search_model_versions("name = 'the line'")),
            "tags": client.get_registered_model("the line").tags,
            "logged": [logged.status.value, {one.key: one.value for one in logged.metrics}, logged.params],
            "found": [
                one.model_id
                for one in mlflow.search_logged_models(
                    filter_string="metrics.rmse < 1",
                    output_format="list",
                    max_results=5,
                    experiment_ids=[run.info.experiment_id],
                )
            ],
            "run": run.info.run_id,
        }
    ),
)
