"""There is no search for hyperparameters by the service; importing this says what to do instead."""

from zaffre.absent import absent

raise absent(
    __name__,
    "Submit a run for each set of values, in a loop over Experiment.submit: the page of the experiment compares them, "
    "and Experiment.get_runs(filter=…) finds the best.",
)
