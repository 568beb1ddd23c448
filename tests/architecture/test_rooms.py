"""The rules inside rooms that import-linter cannot see."""

import ast
import tomllib

from tests.architecture.sources import DOORS, PACKAGES, ROOMS, ROOT, calls, functions, layer, python

#: Public functions of services and queries without an actor, and why that is right.
WITHOUT_ACTOR = {
    # They turn a credential into an actor.
    "workspace/accounts/queries.py:actor_of_token",
    "workspace/accounts/queries.py:actor_of_proof",
    "workspace/accounts/queries.py:actor_of_token_id",
    "workspace/compute/queries.py:actor_of_token",
    "workspace/compute/queries.py:actor_of_enrolment",
    "runs/queries.py:actor_of_token",
    "runs/queries.py:actor_of_token_id",
    # The actor is all they are asked about.
    "workspace/accounts/queries.py:user_of",
    "workspace/accounts/queries.py:require_site_admin",
    # Whoever logs in is nobody before.
    "workspace/accounts/services.py:log_in",
    "workspace/accounts/services.py:prove",
    # Inside a workspace that the caller has opened for an actor already.
    "workspace/environments/queries.py:resolve",
    "workspace/datasets/queries.py:resolve_version",
    "workspace/compute/queries.py:resolve",
    "workspace/quotas/queries.py:limits_of",
    "runs/services/turning.py:next_turn",
    "workspace/secrets/queries.py:resolve",
    "workspace/compute/queries.py:holders",
    "workspace/compute/queries.py:nodes_of",
    "workspace/compute/queries.py:node_among",
    "workspace/compute/queries.py:is_online",
    "workspace/compute/queries.py:log_is_wanted",
    "workspace/compute/queries.py:stops_at",
    "workspace/compute/queries.py:target_named",
    "workspace/compute/queries.py:waits_for",
    "runs/snapshots/queries.py:resolve",
    "registry/queries.py:resolve",
    "runs/queries.py:last_sign",
    "runs/services/submit.py:open_experiment",
    # Rows that the caller has chosen for its actor.
    "runs/services/warning.py:warn",
    "workspace/environments/queries.py:as_spec",
    "workspace/environments/queries.py:packages_of",
    "workspace/environments/queries.py:used_by",
    "workspace/environments/services/reporting.py:forget_old",
    "workspace/environments/services/telling.py:tell",
    "runs/queries.py:shown",
    "runs/services/children.py:close_children",
    "runs/tensorboards/queries.py:can_show",
    "runs/tensorboards/queries.py:event_files",
    "runs/tensorboards/queries.py:has_event_files",
    # Values of a row that the caller was given.
    "workspace/attached/queries.py:attachment_out",
    "workspace/attached/queries.py:host_out",
    "workspace/compute/queries.py:built_of",
    "workspace/secrets/queries.py:sealed",
    "workspace/secrets/queries.py:context",
    "workspace/secrets/queries.py:kept",
    "runs/queries.py:run_out",
    "runs/queries.py:run_in_full",
    "runs/tables/queries.py:view_out",
    "runs/reports/queries.py:report_out",
    "runs/tensorboards/queries.py:board_out",
    "registry/endpoints/queries.py:endpoint_out",
    "registry/endpoints/queries.py:deployment_out",
    "runs/snapshots/services.py:refuse_announced",
    "runs/logs/queries.py:bytes_between",
    "runs/logs/queries.py:marks_between",
    "runs/logs/queries.py:pieces_of",
    "runs/metrics/services.py:frame",
    "runs/services/leases.py:lease_of",
    "runs/services/reaper.py:first_look_after",
    # Parts of another service's transaction, after its check.
    "workspace/compute/services/happenings.py:happened",
    "workspace/compute/services/machines.py:admit",
    "workspace/compute/services/pool.py:add_node",
    "workspace/compute/services/pool.py:is_busy",
    "workspace/compute/services/pool.py:present",
    "workspace/compute/services/pool.py:tidy",
    "workspace/compute/services/scaling.py:apply",
    "workspace/compute/services/scaling.py:node_capacity",
    "workspace/compute/services/scaling.py:views_of",
    # What nobody looks at any more.
    "workspace/compute/services/happenings.py:forget_old",
    "runs/queries.py:run_as_submitted",
    "runs/services/beginning.py:begin_all",
    "runs/services/hints.py:ring",
    "runs/services/telling.py:put_away",
    "runs/services/telling.py:tell",
    "runs/services/secrets.py:refusal",
    "runs/services/secrets.py:of_attempt",
    "runs/tensorboards/services/opening.py:end",
    "runs/tensorboards/services/placing.py:place",
    "runs/tensorboards/services/placing.py:wait_again",
    "runs/tensorboards/services/telling.py:hint_node",
    "runs/tensorboards/services/telling.py:tell",
    "runs/services/closing.py:again",
    "runs/services/closing.py:finish",
    "runs/services/closing.py:lock_briefly",
    "runs/services/seats.py:failed_attempts",
    "runs/services/seats.py:line_up",
    "runs/services/seats.py:meet",
    "runs/services/orders.py:order_of",
    "runs/services/seats.py:others_for",
    "runs/services/seats.py:seats_of",
    "runs/services/seats.py:settle",
    "registry/endpoints/services/placing.py:add_replicas",
    "registry/endpoints/services/placing.py:place",
    "registry/endpoints/services/telling.py:hint_nodes",
    "registry/endpoints/services/telling.py:reroute",
    "registry/endpoints/services/telling.py:tell",
    "registry/endpoints/services/upkeep.py:advance_deployment",
    "registry/endpoints/services/making.py:locked",
    # Each deed names its actor.
    "workspace/audit/services.py:record_all",
    # Ends of a process.
    "runs/logs/services.py:drain",
    "runs/metrics/services.py:drain",
    "runs/services/beginning.py:drain",
}
#: Rows that hold a role; who may do what because of it is workspace/access.py's to say.
MAY_NAME_ROLES = {
    "workspace/access.py",
    "workspace/models.py",
    # A workspace always has an owner: its founder, and the last one stays.
    "workspace/services.py",
    "workspace/accounts/services.py",
}


def test_services_and_queries_take_an_actor():
    """By keyword, so that nobody passes something else in its place."""
    without = set()
    for name, module in python(*ROOMS):
        if layer(name) not in {"services", "queries"}:
            continue
        for node in module.body:
            public = isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
            if public and "actor" not in {one.arg for one in node.args.kwonlyargs}:
                without.add(f"{name}:{node.name}")
    assert without - WITHOUT_ACTOR == set()
    assert WITHOUT_ACTOR - without == set(), "listed as an exception, and not there any more"


def test_doors_never_ask_tables():
    asked = [
        f"{name}:{node.lineno}"
        for name, module in python(*ROOMS, "studio")
        if layer(name) in DOORS and not name.startswith("studio/kernel/")  # the doors' frame, no door
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and node.attr in {"objects", "_default_manager"}
    ]
    assert asked == []


def test_runs_and_attempts_change_by_compare_and_swap_only():
    """`save()` writes every column and undoes what another writer did meanwhile."""
    saved = [f"{name}:{call.lineno}" for name, module in python("runs") for call in calls(module, "save")]
    assert saved == []


def test_foreign_keys_name_a_class_and_never_reach_up():
    by_text = [
        f"{name}:{call.lineno}"
        for name, module in python(*ROOMS, "studio")
        for call in calls(module, "ForeignKey", "OneToOneField", "ManyToManyField")
        if call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value != "self"
    ]
    assert by_text == []


def test_imports_are_at_the_top():
    """An inner import is a circle that somebody stepped around. The client is another matter: it starts quickly."""
    inner = [
        f"{name}:{node.lineno}"
        for name, module in python(*PACKAGES[:4])
        for function in functions(module)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert inner == []


def test_the_contract_names_every_module_of_the_client_but_the_protocol():
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    server = next(one for one in contracts if one["name"] == "the server imports only the protocol of the client")
    own = ROOT / "client" / "src" / "zaffre"
    found = {f"zaffre.{one.stem}" for one in own.iterdir() if one.suffix == ".py" or (one / "__init__.py").exists()}
    assert set(server["forbidden_modules"]) == found - {
        "zaffre.__init__",
        "zaffre.packs",
        "zaffre.protocol",
        "zaffre.tfevents",
    }


def test_only_the_rule_book_compares_roles():
    compared = [
        f"{name}:{node.lineno}"
        for name, module in python(*ROOMS, "studio")
        if name not in MAY_NAME_ROLES
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Role"
        if node.attr.isupper()
    ]
    assert compared == []


def test_no_two_advisory_locks_are_one():
    """Who holds a lock for its whole life would stop whoever takes another one of the same number for a moment."""
    numbers = [
        node.value
        for _, module in python(*ROOMS, "studio")
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, int) and 7_305_000 <= node.value <= 7_305_999
    ]
    assert len(numbers) >= 4
    assert sorted(numbers) == sorted(set(numbers))
