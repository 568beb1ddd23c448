"""MLflow's REST interface for its unmodified client: translation only, without tables and rules of its own."""
