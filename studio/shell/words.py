"""Sentences that scripts say, in the page's language: static/src/wire.js reads them from the page."""

from django.utils.translation import gettext as _


def words() -> dict[str, str]:
    return {
        "away": _("The studio does not answer. Try again in a moment."),
        "refused": _("The studio refused this ({status})."),
        "copied": _("Copied"),
        "copy": _("Copy"),
        "nothing": _("Nothing has such a name."),
        "step": _("step"),
        "log": _("Log"),
        "nolog": _("Nothing was written yet."),
        "leftout": _("{size} were left out here: of a long log the beginning and the end are kept."),
        "line": _("1 line"),
        "lines": _("{count} lines"),
        "toend": _("Jump to end · {count} new lines"),
        "toend0": _("Jump to end"),
        "lost": _("The live connection is lost. This page asks every few seconds until it is back."),
        "insecure": _(
            "Files are checked in the browser, which it allows only over https or on localhost. "
            "Use `zaffre dataset create` on the command line, or open the studio over https."
        ),
        "chosen1": _("1 file, {size}"),
        "chosen": _("{count} files, {size}"),
        "choosefirst": _("Choose files and a name first."),
        "hashing": _("Reading file {at} of {count}…"),
        "sending": _("Sending {done} of {size}…"),
        "notjson": _("This is not JSON"),
        "row": _("1 row"),
        "rows": _("{count} rows"),
        "lastrows": _("The last {count} of {all} rows."),
        "which": _("Which of them is shown"),
        "notyet": _("{path} is not there yet: the run sends it when the studio can be reached, or at its end."),
        "counts": _("Counts"),
        "shares": _("Shares of each row"),
        "truth": _("true"),
        "predicted": _("predicted"),
        "ideal": _("ideal"),
        "acrossmatrix": _("Rows are true, columns are predicted."),
        "ofmatrix": _("{count} of {truth} were taken for {found}"),
        "precisionrecall": _("Precision and recall"),
        "precision": _("precision"),
        "recall": _("recall"),
        "fpr": _("false positive rate"),
        "tpr": _("true positive rate"),
        "residual": _("residual"),
        "count": _("count"),
    }
