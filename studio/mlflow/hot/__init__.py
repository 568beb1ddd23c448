"""The raw doors, one file for each part of MLflow's interface."""
