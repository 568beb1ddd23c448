"""Autologging of XGBoost."""

import json

import mlflow
import numpy as np
import xgboost

client = mlflow.MlflowClient()
mlflow.set_experiment("boosting")
mlflow.xgboost.autolog()
random = np.random.default_rng(0)
features = random.random((200, 4))
data = xgboost.DMatrix(features, (features[:, 0] > 0.5).astype(int))
settings = {"objective": "binary:logistic", "eval_metric": "logloss"}
with mlflow.start_run() as run:
    xgboost.train(settings, data, num_boost_round=8, evals=[(data, "train")], verbose_eval=False)
run_id = run.info.run_id
found = mlflow.get_run(run_id)
print(
    "RESULT",
    json.dumps(
        {
            "metrics": sorted(found.data.metrics),
            "rounds": found.data.params["num_boost_round"],
            "history": [one.step for one in client.get_metric_history(run_id, "train-logloss")],
            "files": sorted(one.path for one in client.list_artifacts(run_id)),
            "models": len(found.outputs.model_outputs),
            "predicted": len(mlflow.pyfunc.load_model(f"runs:/{run_id}/model").predict(features)),
        }
    ),
)
