"""Runs below a run: beginning them, and finding them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Sequence, cast

from zaffre.errors import UserErrorException

if TYPE_CHECKING:
    from zaffre.core.experiment import Wanted
    from zaffre.core.run import Run
    from zaffre.core.script_run_config import ScriptRunConfig
    from zaffre.core.workspace import Workspace
    from zaffre.transport import Client

#: Children of one request.
_AT_ONCE = 500


class FamilyOfRun:
    """The part of `Run` that is about its parent and its children."""

    client: "Client"
    workspace: "Workspace"
    address: str
    own_address: str
    inside: bool
    id: str

    @property
    def parent(self) -> "Optional[Run]":
        """The run that this one is a part of."""
        from zaffre.core.run import Run

        found = cast("Run", self).known.get("parent")
        return Run.get(self.workspace, found) if found else None

    def child_run(
        self, name: Optional[str] = None, run_id: Optional[str] = None, outputs: Optional[str] = None
    ) -> "Run":
        """Begin a run below this one, in its experiment: log to it, then `complete()`, `fail()` or `cancel()` it.

        Inside of a script it belongs to the script's run: what the script leaves open ends with it. `outputs` is a
        folder that is uploaded as `outputs/` when the child completes or fails. Ids are given by the studio.
        """
        if run_id is not None:
            raise UserErrorException("The studio gives ids to runs.", hint="Give a name, or a tag, to find it again.")
        made = self._begin([{"name": name} if name else {}])[0]
        made._outputs = outputs
        return made

    def create_children(
        self,
        count: Optional[int] = None,
        tag_key: Optional[str] = None,
        tag_values: Optional[Sequence[Any]] = None,
    ) -> "List[Run]":
        """Begin several runs below this one: `count` of them, or one for each of `tag_values`, tagged with it.

        Raises UserErrorException when the two do not agree.
        """
        if tag_values is not None and tag_key is None:
            raise UserErrorException("tag_values needs the tag_key that they are the values of.")
        if count is None and tag_values is None:
            raise UserErrorException("create_children takes count, or tag_key and tag_values.")
        if count is not None and tag_values is not None and count != len(tag_values):
            raise UserErrorException(f"count is {count}, and there are {len(tag_values)} tag_values.")
        if tag_values is None:
            tagged: List[Dict[str, Any]] = [{} for _ in range(count or 0)]
        else:
            tagged = [{"tags": {str(tag_key): str(value)}} for value in tag_values]
        found: List[Run] = []
        for at in range(0, len(tagged), _AT_ONCE):
            found += self._begin(tagged[at : at + _AT_ONCE])
        return found

    def submit_child(self, config: "ScriptRunConfig", tags: Optional[Mapping[str, str]] = None, **more: Any) -> "Run":
        """Submit a script as a run below this one, as `Experiment.submit` does.

        Raises UserErrorException inside of a script, which may not submit.
        """
        if self.inside:
            raise UserErrorException(
                "A script may not submit runs: its token is for its own run and what is below it.",
                hint="Log in with a token of yours (Workspace.from_config), or use child_run for work of this process.",
            )
        return cast("Run", self).experiment.submit(config, tags, parent=self.id, **more)

    def get_children(
        self,
        recursive: bool = False,
        tags: "Wanted" = None,
        properties: "Wanted" = None,
        type: Optional[str] = None,
        status: Optional[str] = None,
    ) -> "Iterator[Run]":
        """The runs below this one, the oldest first; with `recursive` also those below them.

        `tags` and `properties`: a dict asks for each of its values, a text for the presence of that name. `type` is
        `script` or `interactive`, `status` a word such as `Completed`.
        """
        from zaffre.core.details_of_run import status_word
        from zaffre.core.experiment import has

        after: Optional[str] = None
        while True:
            page = self.client.get(f"{self.address}/children", recursive=int(recursive), limit=100, after=after)
            for one in page["runs"]:
                run = self._related(one)
                if type is not None and type not in (run.type, run.kind):
                    continue
                if status is not None and status_word(one["status"]).lower() != status.replace("_", "").lower():
                    continue
                if has(one.get("tags") or {}, tags) and has(one.get("properties") or {}, properties):
                    yield run
            after = page.get("next")
            if not after:
                return

    def _begin(self, children: List[Dict[str, Any]]) -> "List[Run]":
        made = self.client.post(f"{self.own_address}/children", {"children": children})["runs"]
        return [self._related(one, own=True) for one in made]

    def _related(self, found: Mapping[str, Any], *, own: bool = False) -> "Run":
        """A run below this one; `own` when this process carries it on."""
        from zaffre import protocol
        from zaffre.core.run import Run

        run = Run.from_json(cast("Run", self).experiment, found)
        if self.inside:
            run.own_address = f"{protocol.AGENT}/runs/{run.id}"
            run.blobs_address = cast("Run", self).blobs_address
            run.inside, run.is_child = True, True
            if own:
                run._spool = cast("Run", self)._spool / run.id
        return run
