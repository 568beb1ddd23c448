"""What a form submits, as the command and as the code that would do the same. Pure thinking, no database."""

import shlex
from collections.abc import Mapping
from typing import Any


def command_line(submitted: Mapping[str, Any]) -> str:
    """`zaffre run submit …` in the folder of the code; a run's own words stand behind `--`."""
    config = submitted["config"]
    found = ["zaffre run submit", f"--experiment {shlex.quote(submitted['experiment'])}"]

    def say(flag: str, value: Any) -> None:
        if value not in (None, "", 0, [], {}):
            found.append(f"{flag} {shlex.quote(str(value))}")

    say("--name", submitted.get("name"))
    say("--target", config.get("target"))
    say("--environment", config.get("environment"))
    for name, given in (config.get("inputs") or {}).items():
        say("--input", f"{name}={given['dataset']}")
    for name, value in (config.get("environment_variables") or {}).items():
        say("--env", f"{name}={value}")
    for one in config.get("secrets") or []:
        say("--secret", one)
    for name, value in (submitted.get("tags") or {}).items():
        say("--tag", f"{name}={value}")
    resources = config.get("resources") or {}
    for flag, key in (("--cpus", "cpus"), ("--memory", "memory_gb"), ("--gpus", "gpus")):
        say(flag, resources.get(key))
    for name, value in (resources.get("labels") or {}).items():
        say("--label", f"{name}={value}")
    say("--priority", config.get("priority"))
    _distributed(config, say)
    say("--max-retries", config.get("max_retries"))
    say("--max-user-retries", config.get("max_user_retries"))
    say("--max-duration", config.get("max_duration_seconds"))
    if config.get("command"):
        found.append("--command")
    words = config.get("command") or [config.get("script"), *(config.get("arguments") or [])]
    found.append("-- " + shlex.join(str(word) for word in words))
    return " \\\n  ".join(found)


def _distributed(config: Mapping[str, Any], say: Any) -> None:
    if (config.get("node_count") or 1) > 1:
        say("--nodes", config["node_count"])
    if told := config.get("distribution"):
        backend = f":{told['backend']}" if told.get("backend") else ""
        say("--distribution", f"{told['kind']}{backend}")
        say("--processes", told.get("processes_per_node"))


def sdk_code(submitted: Mapping[str, Any]) -> str:
    """The same with the SDK."""
    config = submitted["config"]
    words: list[tuple[str, Any]] = [("source_directory", ".")]
    if config.get("command"):
        words.append(("command", config["command"]))
    else:
        words += [("script", config.get("script")), ("arguments", config.get("arguments"))]
    words += [
        ("compute_target", config.get("target")),
        ("environment", config.get("environment")),
        ("inputs", {name: given["dataset"] for name, given in (config.get("inputs") or {}).items()}),
        ("environment_variables", config.get("environment_variables")),
        ("secrets", config.get("secrets")),
        ("resources", config.get("resources")),
        ("max_retries", config.get("max_retries")),
        ("max_user_retries", config.get("max_user_retries")),
        ("max_run_duration_seconds", config.get("max_duration_seconds")),
    ]
    lines = [f"    {name}={value!r}," for name, value in words if value not in (None, "", 0, [], {})]
    found = ["from zaffre.core import Experiment, ScriptRunConfig, Workspace", "", "ws = Workspace.from_config()"]
    found += ["config = ScriptRunConfig(", *lines, ")"]
    for name in ("node_count", "distribution", "priority"):
        if config.get(name) and (name, config[name]) != ("node_count", 1):
            found.append(f"config.run_config.{name} = {config[name]!r}")
    if history := config.get("history"):
        found.append(f"config.run_config.history.output_collection = {history['output_collection']!r}")
        found.append(f"config.run_config.history.directories_to_watch = {history['directories_to_watch']!r}")
    tags = f", tags={submitted['tags']!r}" if submitted.get("tags") else ""
    found.append(f"run = Experiment(ws, {submitted['experiment']!r}).submit(config{tags})")
    return "\n".join(found)
