"""The sizes of nodes that people may choose by name. No Django: what this host has, cut into parts."""

import os
import shutil
from functools import cache
from typing import Any

WHOLE = "whole-machine"


@cache
def sizes() -> list[dict[str, Any]]:
    """[{name, vCPUs, gpus, memoryGB, maxResourceVolumeMB}], the smallest first; the last is all of the machine.

    Each has its share of the memory. The disk is one for all.
    """
    cpus = os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    disk = shutil.disk_usage("/").total // 10**6
    found = [
        {"name": f"cpu-{part}", "vCPUs": part, "gpus": 0, "memoryGB": max(1, int(memory * part / cpus))}
        for part in (1, 2, 4, 8, 16, 32, 64)
        if part < cpus
    ]
    found.append({"name": WHOLE, "vCPUs": cpus, "gpus": 0, "memoryGB": max(1, int(memory))})
    return [{**one, "maxResourceVolumeMB": disk} for one in found]


def size_named(name: str) -> dict[str, int] | None:
    """{cpus, memory_gb} of a size; None for a name that is none of ours, such as that of a machine of a cloud.

    The whole machine is 0 of both: a node says itself what it has.
    """
    known = next((one for one in sizes() if one["name"] == name.lower()), None)
    if known is None:
        return None
    whole = known["name"] == WHOLE
    return {"cpus": 0 if whole else known["vCPUs"], "memory_gb": 0 if whole else known["memoryGB"]}
