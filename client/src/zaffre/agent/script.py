"""How users' code is started: its words, and every variable of its environment."""

from __future__ import annotations

import os
import pwd
import re
from typing import Dict, List

from zaffre import protocol
from zaffre.agent.job import Job, StepFailed
from zaffre.agent.outputs import OUTPUTS

#: What may pass from the node: nothing that could be a secret.
_ALLOWED = (
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
)
#: Variables that are read once, when a process starts.
_AT_START = ("PYTHON", "LD_", "GLIBC_", "MALLOC_", "LC_", "LANG", "OPENSSL_", "SSL_")
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


def command(job: Job) -> List[str]:
    """The words to execute. Raises StepFailed when the configuration names none."""
    config = job.spec.get("config") or {}
    words = [with_path(job, str(word)) for word in config.get("command") or []]
    if words:
        return [job.python if words[0] in ("python", "python3") else words[0], *words[1:]]
    script = config.get("script")
    if not script:
        raise StepFailed("launch_failed", "The run names neither a script nor a command.")
    if not (job.place.work / script).is_file():
        raise StepFailed("launch_failed", f"The script {script!r} is not in the snapshot.")
    return [job.python, str(script), *[with_path(job, str(word)) for word in config.get("arguments") or []]]


def with_path(job: Job, word: str) -> str:
    """The word, or the path of the input or output that it stands for; the folder of an output is made."""
    if word.startswith(protocol.OUTPUT_WORD):
        name = word[len(protocol.OUTPUT_WORD) :]
        if not protocol.OUTPUT_NAME_RE.match(name):
            return word
        folder = job.place.work / OUTPUTS / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StepFailed("launch_failed", f"The folder outputs/{name} cannot be made: {error.strerror}.") from None
        return str(folder)
    if not word.startswith(protocol.INPUT_WORD):
        return word
    name = word[len(protocol.INPUT_WORD) :]
    return input_path(job, name) if name in (job.spec.get("inputs") or {}) else word


def input_path(job: Job, name: str) -> str:
    """What a script is given for an input: its folder, or the file where the dataset was made of one."""
    given, folder = job.spec["inputs"][name], job.place.inputs / name
    return str(folder / given["files"][0]["path"] if given.get("single_file") else folder)


def may_be_forked(job: Job, argv: List[str]) -> bool:
    """Whether a warm interpreter may go on as the program: a script of Python, whose variables do not ask for another
    start of the interpreter or of the libraries that it has loaded."""
    config = job.spec.get("config") or {}
    chosen = [str(name) for name in config.get("environment_variables") or {}]
    odd = [name for name in chosen if name.startswith(_AT_START) and name != "PYTHONPATH"]
    return not odd and argv[:2] == [job.python, config.get("script")]


def base_environment(*, home: str, tmp: str, path_first: str, sdk: str) -> Dict[str, str]:
    """What every process of users gets, in a run and in a replica."""
    env = {name: os.environ[name] for name in _ALLOWED if name in os.environ}
    env.update(
        {
            "PATH": f"{path_first}:{_SYSTEM_PATH}",
            "HOME": home,
            "TMPDIR": tmp,
            "LANG": "C.UTF-8",
            "USER": _user(),
            "PYTHONPATH": sdk,
            "PYTHONUNBUFFERED": "1",
        }
    )
    return env


def environment(job: Job) -> Dict[str, str]:
    """All variables of the script. What the run's configuration sets may not replace who the run is."""
    place, url, spec = job.place, job.door.url, job.spec
    env = base_environment(home=str(place.home), tmp=str(place.tmp), path_first=job.path_first, sdk=job.shop.sdk)
    chosen = (spec.get("config") or {}).get("environment_variables") or {}
    for name, given in {**job.variables, **chosen}.items():
        value = with_path(job, str(given))
        env[str(name)] = f"{job.shop.sdk}:{value}" if name == "PYTHONPATH" else value
    secrets = spec.get("secrets") or {}
    for entry in (spec.get("config") or {}).get("secrets") or []:
        variable, _, name = entry.partition("=")
        if name in secrets:
            env[variable] = secrets[name]
    workspace, experiment = str(spec.get("workspace", "")), str(spec.get("experiment", ""))
    env.update(
        {
            protocol.ENV_URL: url,
            protocol.ENV_RUN_ID: job.run,
            protocol.ENV_RUN_TOKEN: spec["token"],
            protocol.ENV_WORKSPACE: workspace,
            protocol.ENV_EXPERIMENT: experiment,
            protocol.ENV_ATTEMPT: str(job.attempt),
            protocol.ENV_SPOOL: str(place.spool),
            "AZUREML_RUN_ID": job.run,
            "AZUREML_RUN_TOKEN": spec["token"],
            "AZUREML_EXPERIMENT_ID": experiment,
            "AZUREML_ARM_PROJECT_NAME": experiment,
            "AZUREML_ARM_WORKSPACE_NAME": workspace,
            "AZUREML_ARM_RESOURCEGROUP": workspace,
            "AZUREML_ARM_SUBSCRIPTION": "zaffre",
            "AZUREML_SERVICE_ENDPOINT": url,
            "MLFLOW_TRACKING_URI": f"{url}/mlflow/{workspace}",
            "MLFLOW_TRACKING_TOKEN": spec["token"],
            "MLFLOW_RUN_ID": job.run,
            "MLFLOW_EXPERIMENT_NAME": experiment,
        }
    )
    if job.shop.shelf.names:  # exactly its own, or none
        env["CUDA_VISIBLE_DEVICES"] = ",".join(job.gpus)
    cpus = (spec.get("limits") or {}).get("cpus")
    if cpus:
        # Libraries would start a thread for each processor of the machine, and wait for each other within the share.
        env.setdefault("OMP_NUM_THREADS", str(max(1, int(cpus))))
    for name in spec.get("inputs") or {}:
        env[input_variable(name)] = env[f"AZUREML_DATAREFERENCE_{name}"] = input_path(job, name)
    return env


def input_variable(name: str) -> str:
    """ZAFFRE_INPUT_<NAME> for an input: upper case, every other character than letters and digits is `_`."""
    return protocol.ENV_INPUT_PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper())


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return "zaffre"
