"""There are no pipelines; importing this, or what was below it, says what to do instead."""

from zaffre.absent import absent

raise absent(
    __name__,
    "Submit the steps one after another from a script: wait_for_completion waits for one, run.download_files and "
    "Dataset.File.upload_directory hand its files on, and submit_child keeps them below one run.",
)
