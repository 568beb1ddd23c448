"""The steps of an attempt in their order. A started step is undone in reverse, whatever happened after it."""

from __future__ import annotations

from typing import Tuple, Type

from zaffre.agent.steps.collect import Collect
from zaffre.agent.steps.data import Data
from zaffre.agent.steps.environment import Environment
from zaffre.agent.steps.launch import Launch
from zaffre.agent.steps.log import Log
from zaffre.agent.steps.meet import Meet
from zaffre.agent.steps.result import Result
from zaffre.agent.steps.snapshot import Snapshot
from zaffre.agent.steps.step import Step
from zaffre.agent.steps.watch import Watch

#: Before the code has ended, and after it: the second list also runs when the first failed.
WORK: Tuple[Type[Step], ...] = (Log, Snapshot, Environment, Data, Meet, Launch, Watch)
CLOSING: Tuple[Type[Step], ...] = (Collect, Result)
