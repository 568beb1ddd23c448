"""One replica: a scoring server around a model and its code."""

from __future__ import annotations

from typing import Any, Dict, Optional

from zaffre.agent import package
from zaffre.agent.blobs import DamagedContent
from zaffre.agent.disk import UnsafePath
from zaffre.agent.door import DoorError, Stopped
from zaffre.agent.environments import EnvironmentFailed
from zaffre.agent.script import base_environment
from zaffre.agent.service import FAILED, Service, parent_pid

#: Exit codes of `zaffre.serve`: the script is not usable at all; its init() raised.
EXIT_BAD_SCRIPT, EXIT_INIT_FAILED = 65, 70
_INIT_FAILURES = 2


class Replica(Service):
    """One copy of a deployment."""

    noun, plural, mark = "replica", "replicas", "ZAFFRE_REPLICA_ID"
    _init_failures = 0

    def prepare(self) -> Optional[Dict[str, Any]]:
        """Environment, model and code."""
        try:
            found = self.shop.environments.provide(
                self.spec.get("environment") or {}, until=self._stop.is_set, say=self.say, owner=self.folder
            )
            place = package.provide(
                self.config.cache, self.shop.blobs, self.spec, door=self.shop.door, until=self._stop.is_set
            )
            if found.container is not None:
                raise EnvironmentFailed(
                    "Endpoints run in packages, not in container images: use the kind pip or conda."
                )
        except Stopped:
            return None
        except EnvironmentFailed as error:
            self.show(FAILED, str(error))
            return None
        except (DoorError, UnsafePath, DamagedContent, OSError) as error:
            self.show(FAILED, f"The model or its code could not be fetched: {error}")
            return None
        code = place / package.CODE
        env = base_environment(
            home=str(self.folder / "home"), tmp=str(self.folder / "home"), path_first=found.bin, sdk=self.shop.sdk
        )
        env.update(found.variables)
        env.update(
            {
                "AZUREML_MODEL_DIR": str(place.joinpath(*package.model_folder(self.spec).split("/"))),
                "AML_APP_ROOT": str(code),
                "AZUREML_ENTRY_SCRIPT": str(self.spec["entry_script"]),
                "SERVICE_NAME": str(self.spec.get("endpoint", "")),
                "WORKSPACE_NAME": str(self.spec.get("workspace", "")),
                "PYTHONDONTWRITEBYTECODE": "1",
            }
        )
        argv = [found.python, "-m", "zaffre.serve", "--socket", str(self.socket), "--parent", parent_pid()]
        return {"argv": [*argv, "--script", str(self.spec["entry_script"])], "env": env, "cwd": str(code)}

    def hopeless(self, code: Optional[int]) -> bool:
        self._init_failures += code == EXIT_INIT_FAILED
        return code == EXIT_BAD_SCRIPT or self._init_failures >= _INIT_FAILURES

    def recovered(self) -> None:
        super().recovered()
        self._init_failures = 0

    def why(self, code: Optional[int], seconds: float) -> str:
        if code == EXIT_BAD_SCRIPT:
            return "The scoring script cannot be used; its log says why."
        if code == EXIT_INIT_FAILED:
            return "init() of the scoring script raised an exception; the log shows it."
        return super().why(code, seconds)
