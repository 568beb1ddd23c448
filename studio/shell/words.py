"""Sentences that scripts say, in the page's language: static/src/wire.js reads them from the page."""

from functools import cache

from django.utils.html import json_script
from django.utils.safestring import SafeString
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _


def words() -> SafeString:
    """The element that holds them: written once a language, for every page has it."""
    return _in(get_language() or "en")


@cache
def _in(language: str) -> SafeString:
    with override(language):
        return json_script(_all(), "words")


def _all() -> dict[str, str]:
    return (
        _of_charts()
        | _of_outputs()
        | {
            "away": _("The studio does not answer. Try again in a moment."),
            "refused": _("The studio refused this ({status})."),
            "copied": _("Copied"),
            "copy": _("Copy"),
            "listfound": _("{count} of {all}"),
            "nothing": _("Nothing has such a name."),
            "step": _("step"),
            "log": _("Log"),
            "nolog": _("Nothing was written yet."),
            "logended": _("Nothing was written before the end."),
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
            **_of_code(),
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
            "nobell": _("The browser does not allow notes from this site. Allow them in its settings for this page."),
            **_comparison(),
        }
    )


def _of_code() -> dict[str, str]:
    return {
        "codenone": _("No file of these is code."),
        "codemany": _("{count} files, and a snapshot has at most {most}. The fullest folders: {named}"),
        "codelarge": _("{size}, and a snapshot has at most {most}. The biggest files: {named}"),
        "codehow": _("List what is not code in .zaffreignore, and give data as a dataset."),
        "codezip": _("{name} cannot be read as a zip."),
        "codesent1": _("1 file, {size}: the studio has it."),
        "codesent": _("{count} files, {size}: the studio has them."),
        "codeout1": _("1 was left out: {named}"),
        "codeout": _("{count} were left out: {named}"),
        "codewait": _("The run is submitted when its code is sent."),
    }


def _comparison() -> dict[str, str]:
    return {
        "cmp_rows": _("{count} rows, {differ} differ"),
        "cmp_group_params": _("Parameters"),
        "cmp_group_metrics": _("Metrics"),
        "cmp_group_min": _("Lowest values"),
        "cmp_group_max": _("Highest values"),
        "cmp_group_run": _("Run"),
        "cmp_group_tags": _("Tags"),
        "cmp_min": _("lowest"),
        "cmp_max": _("highest"),
        "cmp_run": _("Run"),
        "cmp_colour": _("Colour"),
        "cmp_contours": _("Contours"),
        "cmp_byrun": _("by run"),
        "cmp_byaxis": _("by the last axis"),
        "cmp_addaxis": _("Add an axis…"),
        "cmp_left": _("to the left"),
        "cmp_right": _("to the right"),
        "cmp_flip": _("upside down"),
        "cmp_log": _("logarithmic"),
        "cmp_remove": _("take away"),
        "cmp_all": _("all"),
        "cmp_brush": _(
            "Range of {name}: the arrow keys move its lower end, with Shift its upper end, Escape takes it back"
        ),
        "cmp_parallel_label": _("Parallel coordinates of {runs} runs over {axes}"),
        "cmp_scatter_label": _("{y} over {x} of {runs} runs"),
        "cmp_box_label": _("{y} in {groups} groups by {group}"),
        "cmp_chosen": _("{count} of {all} runs. Drag along an axis to choose a range; click a line to open its run."),
        "cmp_onlythese": _("Compare only these {count}"),
        "cmp_select": _("Select these {count}"),
        "cmp_without": _("{count} runs have no such value and are not drawn."),
        "cmp_groups_left": _("{count} small groups are not drawn."),
        "cmp_group": _("Group by"),
        "cmp_unseen": _("All runs are hidden. Press the eye of one to see it."),
        "cmp_seenrow": _("1 row"),
        "cmp_seenrows": _("{count} rows"),
        "cmp_unseen1": _("1 run is hidden."),
        "cmp_unseenmany": _("{count} runs are hidden."),
        "cmp_astable": _("As a table"),
        "cmp_download": _("Download as {kind}"),
    }


def _of_settings() -> dict[str, str]:
    return {
        "setcharts": _("Settings of all charts"),
        "setsmooth": _("Smoothing"),
        "setema": _("Exponential"),
        "setmean": _("Running average"),
        "setgauss": _("Gaussian"),
        "setnone": _("None"),
        "setby": _("Strength of smoothing"),
        "setx": _("x axis"),
        "setstep": _("Step"),
        "setrelative": _("Time since start"),
        "settime": _("Time of day"),
        "setlogx": _("Logarithmic x"),
        "setlogy": _("Logarithmic y"),
        "setshown": _("Runs"),
        "seteyes_10": _("First 10"),
        "seteyes_20": _("First 20"),
        "seteyes_all": _("All"),
        "seteyes_none": _("None"),
        "seteyes_going": _("Without finished ones"),
        "seteyes_custom": _("As chosen"),
        "setband": _("Around the mean"),
        "setband_ends": _("Lowest to highest"),
        "setband_std": _("Standard deviation"),
        "setclip": _("Without outliers"),
        "setdiff": _("Difference from the baseline"),
    }


def _of_charts() -> dict[str, str]:
    return {
        "chartfull": _("Full screen"),
        "chartmenu": _("More of this chart"),
        "chartlogy": _("Logarithmic y"),
        "chartlegend": _("Legend"),
        "chartpng": _("Save as picture (PNG)"),
        "momentlog": _("Log at this moment"),
        "momenthow": _("Click into the chart, or move its crosshair with the arrow keys and press l"),
        "momentline": _("Line {number} of the log"),
        "momentopen": _("Open the log at line {number}"),
        "momentnone": _("No line of the log is known to be from then."),
        "momentunknown": _("It is not known when this was logged."),
        "chartsvg": _("Save as picture (SVG)"),
        "chartmove": _("Move this chart"),
        "chartmovehow": _("Drag it, or press the arrow keys"),
        "chartremove": _("Take this chart away"),
        "chartcsv": _("Save data as CSV"),
        "chartjson": _("Save data as JSON"),
        "chartfewer": _("Fewer runs"),
        "chartmore": _("{count} more of {all} runs"),
        "chartall": _("All"),
        "chartnone": _("None"),
        "chartlate": _("{count} new points"),
        "chartwhole": _("Show all"),
        "chartempty": _("No point was logged under this name yet."),
        "chartunchosen": _("No run is chosen in the legend."),
        "chartless": _("Difference from the baseline {name}"),
        "chartapart": _("The baseline {name} has no points where these runs have theirs."),
        "chartlog": _("A logarithmic axis shows positive values only, and there are none here."),
        "charthere": _("There is no point in this part of the axis."),
        "chartmorelines": _("and {count} more"),
        "chartbefore": _("Previous chart (←)"),
        "chartnext": _("Next chart (→)"),
        "chartclose": _("Close"),
        **_of_settings(),
        "boardplain": _("Metrics"),
        "boardsystem": _("System"),
        "boardsystemnote": _(
            "What the processes of this run use of their machine. Steps are seconds since the script began."
        ),
        "boardmore": _("Show more ({count})"),
        "boardusual": _("Usual order"),
        "boardone": _("1 metric"),
        "boardmany": _("{count} of {all} metrics"),
    }


def _of_outputs() -> dict[str, str]:
    """What the pages of logs and files say."""
    return {
        "leftoutuncounted": _(
            "{size} were left out here, and nobody counted their lines: the numbers below are lower than the program's."
        ),
        "linecut": _(" … and {size} more of this line, in the download"),
        "nosift": _("No line of the log is like this. Lines from before times were kept have neither time nor stream."),
        "stderr": _("standard error"),
        "searching": _("Searching…"),
        "hits": _("{count} lines"),
        "hitsatleast": _("at least {count} lines"),
        "hitof": _("{at} of {count}"),
        "hitofatleast": _("{at} of at least {count}"),
        "nohits": _("Nothing found"),
        "nohitsyet": _("Nothing found in 10 seconds: the search ended there"),
        "nohitsgoon": _("Nothing found in 10 seconds; Enter searches on from there"),
        "counting": _("Counting lines: {done} of {size}"),
        "following": _("following"),
        "noerror": _("No line looks like an error"),
        "files": _("Files"),
        "nofiles": _("Nothing yet. What the script writes to outputs/ appears here, also when it fails."),
        "nofilesleft": _("The script wrote nothing to outputs/."),
        "morefiles": _("More of this folder"),
        "zipped": _("{folder} as a zip"),
        "nofile": _("The run has no such file."),
        "tolog": _("Back to the log"),
        "copypath": _("Copy the path"),
        "download": _("Download"),
        "nopreview": _("Files of this kind are not shown here. Download it."),
        "astext": _("Show it as text"),
        "toolarge": _("{size} is too much to be shown here (at most {most}). Download it."),
        "jsonlarge": _("More than {size} of JSON is shown as text."),
        "shownas": _("How the file is shown"),
        "rendered": _("Rendered"),
        "source": _("Source"),
        "markdowncut": _("Only the beginning is shown like this; its source has all of it."),
        "emptyfile": _("The file is empty."),
        "rowsmore": _("{count} rows are shown; more come as you scroll."),
        "morerows": _("{count} more"),
        "parquet": _("{rows} rows, {columns} columns"),
        "scriptsoff": _("Shown without its scripts, cut off from the studio and from the network."),
        "scriptson": _("Its scripts run here, cut off from the studio and from the network."),
        "withscripts": _("Run its scripts"),
        "withoutscripts": _("Show without scripts"),
        "outputleft": _("Left out: {kind}"),
        "nocells": _("This notebook has no cells."),
        "ofpictures": _("{at} of {count} pictures"),
        "ofstep": _("step {step}"),
        "previouspicture": _("Previous picture"),
        "nextpicture": _("Next picture"),
        "close": _("Close"),
        "actualsize": _("Size as it is"),
        "morecells": _("{count} more cells are in the download."),
    }
