"""There are no open datasets of the service; importing this says what to do instead."""

from zaffre.absent import absent

raise absent(
    __name__,
    "Download the files, and make a dataset of them: Dataset.File.from_files(folder).register(workspace, name).",
)
