"""Lightning: MLflow's autologging, and Lightning's own logger for MLflow."""

import json
import os

import lightning
import mlflow
import torch
from lightning.pytorch.loggers import MLFlowLogger

mlflow.set_experiment("lightning")
client = mlflow.MlflowClient()


class Net(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch, _):
        x, y = batch
        loss = torch.nn.functional.mse_loss(self.layer(x), y)
        self.log("loss", loss, on_step=True, on_epoch=True)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05)


features = torch.rand(64, 4)
data = torch.utils.data.TensorDataset(features, features.sum(1, keepdim=True))


def train(**more) -> None:
    batches = torch.utils.data.DataLoader(data, batch_size=16)
    quiet = {"enable_progress_bar": False, "enable_checkpointing": False, "enable_model_summary": False}
    lightning.Trainer(max_epochs=3, accelerator="cpu", log_every_n_steps=1, **quiet, **more).fit(Net(), batches)


mlflow.pytorch.autolog(checkpoint=False)
with mlflow.start_run() as run:
    train(logger=False)
mlflow.pytorch.autolog(disable=True)
logger = MLFlowLogger(experiment_name="lightning", tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
logger.log_hyperparams({"lr": 0.05, "layers": [4, 1]})
train(logger=logger)
told = {}
for name, run_id in (("autolog", run.info.run_id), ("logger", logger.run_id)):
    found = mlflow.get_run(run_id)
    told[name] = {
        "status": found.info.status,
        "metrics": sorted(found.data.metrics),
        "params": found.data.params,
        "models": len(found.outputs.model_outputs) if found.outputs else 0,
        "steps": len(client.get_metric_history(run_id, "loss_step")),
    }
print("RESULT", json.dumps(told))
