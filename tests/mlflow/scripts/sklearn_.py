"""Autologging of scikit-learn, by itself and in a run, metrics after the training, and a search over a grid."""

import json

import mlflow
from sklearn import metrics
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split

client = mlflow.MlflowClient()
mlflow.set_experiment("/Users/ann@example.org/iris & co")
mlflow.sklearn.autolog()
features, labels = load_iris(return_X_y=True)
train_x, test_x, train_y, test_y = train_test_split(features, labels, random_state=0)


def seen(run_id: str) -> dict:
    found = mlflow.get_run(run_id)
    return {
        "id": run_id,
        "status": found.info.status,
        "metrics": sorted(found.data.metrics),
        "params": found.data.params,
        "files": sorted(one.path for one in client.list_artifacts(run_id)),
        "datasets": [one.dataset.name for one in found.inputs.dataset_inputs],
        "models": len(found.outputs.model_outputs) if found.outputs else 0,
    }


model = LogisticRegression(max_iter=500).fit(train_x, train_y)
alone = mlflow.last_active_run().info.run_id
model.score(test_x, test_y)
predicted = model.predict(test_x)
score = metrics.f1_score(test_y, predicted, average="macro")
with mlflow.start_run(run_name="explicit") as explicit:
    LogisticRegression(max_iter=500, C=0.5).fit(train_x, train_y).score(test_x, test_y)
told = {"alone": seen(alone), "explicit": seen(explicit.info.run_id)}
with mlflow.start_run(run_name="grid") as grid:
    GridSearchCV(RandomForestClassifier(n_estimators=3), {"max_depth": [1, 2, 3]}, cv=2).fit(train_x, train_y)
below = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{grid.info.run_id}'", output_format="list")
told["grid"] = seen(grid.info.run_id)
told["folds"] = [seen(one.info.run_id) for one in below]
loaded = mlflow.pyfunc.load_model(f"runs:/{explicit.info.run_id}/model")
told["predicted"] = len(loaded.predict(test_x))
print("RESULT", json.dumps(told))
