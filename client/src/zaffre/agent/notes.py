"""What a step did, as a code with its facts, which the pages of the studio say in their language; and in English."""

from __future__ import annotations

from typing import Any, Dict

from zaffre.progress import size_text

#: {code, …}: what each code comes with stands in `in_english`.
Said = Dict[str, Any]


def amount(code: str, count: int, size: int) -> Said:
    """So many `files` or `inputs`; `no_files`, `no_inputs` where there is none."""
    return {"code": code, "count": count, "size": size} if count else {"code": f"no_{code}"}


def in_english(said: Said) -> str:
    """A note for the log, the command and studios that do not know the code."""
    code = said.get("code")
    if code in ("files", "inputs"):
        plural = "" if said["count"] == 1 else "s"
        text = f"{said['count']} {code[:-1]}{plural}, {size_text(said['size'])}"
    elif code == "not_collected":
        text = f"not collected: {said['error']}"
    elif code == "built":
        text = f"built, {said['packages']} packages"
    elif code in ("own", "interpreter"):
        where = f"the node's Python {said['python']}" if code == "own" else f"Python {said['python']} at {said['at']}"
        text = f"{where}, as it is, {said['packages']} packages" if "packages" in said else where
    elif code in ("image", "image_here"):
        text = f"the image {said['image']}" + (", which is on this node" if code == "image_here" else "")
    else:
        plain = {"no_files": "no files", "no_inputs": "no inputs", "kept": "from the node's cache"}
        text = plain.get(str(code), "")
    if said.get("left_out"):
        text += f"; left out: {', '.join(said['left_out'])}"
    return f"{said['name']}: {text}" if said.get("name") else text
