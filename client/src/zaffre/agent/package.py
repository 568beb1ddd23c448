"""The immutable folder of a deployment: its model and its code, named by their content."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict

from zaffre.agent.disk import safe_parts
from zaffre.agent.door import Door
from zaffre.protocol import AGENT

if TYPE_CHECKING:
    from zaffre.agent.blobs import Blobs

CODE = "azureml-app"
MODELS = "azureml-models"


def model_folder(spec: Dict[str, Any]) -> str:
    """Where the model lies inside the package: azureml-models/<name>/<version>. Raises UnsafePath."""
    model = spec["model"]
    return "/".join(safe_parts(f"{MODELS}/{model['name']}/{model['version']}"))


def provide(cache: Path, blobs: Blobs, spec: Dict[str, Any], *, door: Door, until: Callable[[], bool]) -> Path:
    """The package of a replica, made when this node has none with the same content.

    Raises UnsafePath, Refused, Stopped, DamagedContent, OSError.
    """
    parts = {model_folder(spec): spec["model"].get("files") or [], CODE: (spec.get("code") or {}).get("files") or []}
    said = json.dumps(
        {
            where: sorted((one["path"], one["sha256"], one.get("mode", 0) & 0o111) for one in files)
            for where, files in parts.items()
        },
        sort_keys=True,
    )
    place = cache / "packages" / hashlib.sha256(said.encode()).hexdigest()[:24]
    if place.is_dir():
        return place
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=str(place.parent)))
    try:
        address = f"{AGENT}/replicas/{spec['id']}/blobs"
        for where, files in parts.items():
            target = building.joinpath(*safe_parts(where))
            blobs.lay_out(files, target, door=door, address=address, until=until, link=True)
        try:
            os.rename(str(building), str(place))
        except OSError:  # another replica of the same deployment was faster
            if not place.is_dir():
                raise
    finally:
        shutil.rmtree(str(building), ignore_errors=True)
    return place
