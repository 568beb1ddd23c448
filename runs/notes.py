"""What a node says of a step that is done, in the reader's language: a code with its facts, else the node's English."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from studio.kernel.sizes import size_text


def in_words(step: Mapping[str, Any]) -> str:
    """The note of a step."""
    note, said = str(step.get("note") or ""), step.get("said")
    if not isinstance(said, Mapping):
        return note
    try:
        text = _text(said)
    except (KeyError, TypeError, ValueError):  # a later node, which says more or other things
        return note
    if not text:
        return note
    if left := said.get("left_out"):
        text = _("%(what)s; left out: %(names)s") % {"what": text, "names": ", ".join(left)}
    return f"{said['name']}: {text}" if said.get("name") else text


def _text(said: Mapping[str, Any]) -> str:
    code, facts = said["code"], dict(said)
    if code in ("files", "inputs"):
        count, facts["size"] = int(said["count"]), size_text(said["size"])
        if code == "files":
            return ngettext("%(count)d file, %(size)s", "%(count)d files, %(size)s", count) % facts
        return ngettext("%(count)d input, %(size)s", "%(count)d inputs, %(size)s", count) % facts
    if code in ("own", "interpreter"):
        where = _("the node’s Python %(python)s") if code == "own" else _("Python %(python)s at %(at)s")
        if "packages" not in said:
            return where % facts
        count, facts["where"] = int(said["packages"]), where % facts
        text = ngettext("%(where)s as it is, %(packages)d package", "%(where)s as it is, %(packages)d packages", count)
        return text % facts
    if code == "built":
        count = int(said["packages"])
        return ngettext("built, %(packages)d package", "built, %(packages)d packages", count) % facts
    found = {
        "no_files": _("no files"),
        "no_inputs": _("no inputs"),
        "not_collected": _("not collected: %(error)s"),
        "kept": _("from the node’s cache"),
        "image": _("the image %(image)s"),
        "image_here": _("the image %(image)s, which is on this node"),
    }.get(code)
    return found % facts if found else ""
