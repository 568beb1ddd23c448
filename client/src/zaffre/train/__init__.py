"""Estimators: how scripts described a training before ScriptRunConfig."""
