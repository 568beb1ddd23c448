"""Reading what a run logged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, cast

from zaffre import protocol
from zaffre.core.logs import merged_table
from zaffre.files import quoted
from zaffre.protocol import SYSTEM_PREFIX
from zaffre.recorder import flush_everything
from zaffre.values import cells_from_wire, from_wire

if TYPE_CHECKING:
    from zaffre.core.run import Run
    from zaffre.transport import Client

#: The studio thins longer series when they are read.
MOST_POINTS = 10_000
_KEYS_AT_ONCE = 100
_NUMBERS = ("scalar", "list")
_TABLES = (protocol.ROW, protocol.TABLE)


class MetricsOfRun:
    """The part of `Run` that reads metrics."""

    client: "Client"
    address: str
    id: str

    def get_metrics(
        self,
        name: Optional[str] = None,
        recursive: bool = False,
        run_type: Optional[str] = None,
        populate: bool = False,
    ) -> Dict[str, Any]:
        """What was logged, by name: once gives the value, several times the list of values.

        Numbers come in the order of their steps, 10 000 at most for a series (with its extremes). A table is a dict
        of lists. A chart is its document, an image the path of its file; with `populate` an image is its bytes, and
        a chart that was too large for a request is read from its file. With `recursive` the answer has the run and
        all that is below it, {run id: metrics}, of the type `run_type` if it is given. What the node sampled of the
        machine (`system/…`) is given when it is asked for by name.
        """
        if recursive:
            flush_everything(10.0)
            cast("Run", self).refresh()
            runs = [cast("Run", self), *cast("Run", self).get_children(recursive=True)]
            wanted = [run for run in runs if run_type is None or run.type == run_type or run.kind == run_type]
            # The list has told what each of them logged: one question for all that is no series.
            return {run.id: run._chosen(run.known["metrics"], name, populate) for run in wanted}
        cast("Run", self)._flush_own()
        return self._chosen(self.client.get(f"{self.address}/metrics")["metrics"], name, populate)

    def _chosen(self, found: Dict[str, Dict[str, Any]], name: Optional[str], populate: bool) -> Dict[str, Any]:
        if name is None:
            chosen = {key: told for key, told in found.items() if not key.startswith(SYSTEM_PREFIX)}
        else:
            chosen = {key: told for key, told in found.items() if key == name}
        return {key: value for key, value in self._read(chosen, populate).items() if key in chosen}

    def _read(self, chosen: Dict[str, Dict[str, Any]], populate: bool) -> Dict[str, Any]:
        metrics: Dict[str, Any] = dict.fromkeys(chosen)  # in the order of the studio
        numbers = [key for key, told in chosen.items() if told.get("kind", "list") in _NUMBERS]
        for key in [key for key in numbers if chosen[key]["count"] == 1]:
            metrics[key] = from_wire(chosen[key]["last"])
        many = [key for key in numbers if chosen[key]["count"] != 1]
        for at in range(0, len(many), _KEYS_AT_ONCE):
            asked = {"key": many[at : at + _KEYS_AT_ONCE], "points": MOST_POINTS}
            answer = self.client.call("GET", f"{self.address}/series", query=asked).json()
            for key, series in answer["series"].items():
                metrics[key] = [from_wire(value) for value in series["value"]]
        others = [key for key in chosen if key not in set(numbers)]
        held: Dict[str, List[Dict[str, Any]]] = {}
        for item in self._items(others):
            held.setdefault(item["key"], []).append(item)
        for key, items in held.items():
            metrics[key] = self._value(items, populate)
        return metrics

    def _items(self, keys: List[str]) -> Iterator[Dict[str, Any]]:
        for at in range(0, len(keys), _KEYS_AT_ONCE):
            after: Optional[int] = 0
            while after is not None:
                asked = {"key": keys[at : at + _KEYS_AT_ONCE], "after": after, "limit": 1000}
                page = self.client.call("GET", f"{self.address}/items", query=asked).json()
                yield from page["items"]
                after = page["next"]

    def _value(self, items: List[Dict[str, Any]], populate: bool) -> Any:
        if items[0]["kind"] in _TABLES:
            table = merged_table(item["value"] for item in items)
            return {column: cells_from_wire(cells) for column, cells in table.items()}
        values = [self._one(item["kind"], item["value"], populate) for item in items]
        return values[0] if len(values) == 1 else values

    def _one(self, kind: str, value: Any, populate: bool) -> Any:
        if not isinstance(value, dict) or "path" not in value:
            return value
        path = str(value["path"])
        if not populate:
            return path
        content = self.client.call("GET", f"{self.address}/artifacts/{quoted(path)}").body
        return content if kind == protocol.IMAGE else json.loads(content)
