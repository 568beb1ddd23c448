"""Pages of compute targets and their nodes."""

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from studio.kernel.errors import Conflict, Invalid, NotFound
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in
from workspace.compute import forms, kinds, pages, queries, services, words
from workspace.compute.shapes import target_in_full

#: The tabs of the list, and the kinds in each.
TABS = {
    "instances": (kinds.INSTANCE,),
    "clusters": (kinds.CLUSTER,),
    "attached": (kinds.ATTACHED,),
    "machines": (kinds.LOCAL, kinds.JOINED),
}
#: Lines of the history on the page of a target.
HAPPENINGS = 30
#: Kinds that a form of ours makes; another room attaches machines.
MADE = (kinds.INSTANCE, kinds.CLUSTER, kinds.JOINED)


@signed_in
def targets(request: SignedInRequest, ws: str) -> HttpResponse:
    found = list(queries.list_targets(ws, actor=request.actor))
    counts = {tab: sum(one.kind in within for one in found) for tab, within in TABS.items()}
    first = next((tab for tab, count in counts.items() if count), "machines")
    tab = request.GET.get("tab", first)
    if tab not in TABS:
        raise NotFound(_("The page of compute has no tab %(tab)s.") % {"tab": repr(tab[:40])})
    stops = queries.list_stops(ws, actor=request.actor) if tab == "instances" else {}
    listed = [{"target": one, "stops_at": stops.get(one.pk)} for one in found if one.kind in TABS[tab]]
    shown = {"listed": listed, "tab": tab, "counts": counts}
    return render(request, "compute/list.html", shown)


@signed_in
def new(request: SignedInRequest, ws: str, kind: str) -> HttpResponse:
    """The form that makes a target; what was refused comes back with what was typed."""
    if kind not in MADE:
        raise NotFound(_("No form makes compute of the kind %(kind)s.") % {"kind": repr(kind[:20])})
    services.require_new(ws, kind, actor=request.actor)
    given: Mapping[str, Any] = request.POST
    shown: dict[str, Any] = {"kind": kind, "given": given, "schedule": given}
    if request.method == "POST":
        try:
            made = services.open_target(
                ws,
                actor=request.actor,
                name=given.get("name", ""),
                kind=kind,
                description=given.get("description", ""),
                settings=forms.posted_settings(kind, request.POST),
                tags=forms.posted_tags(request.POST),
            )
            return redirect("target", ws, made.name)
        except (Invalid, Conflict) as refused:
            shown["refused"] = refused
    status = 422 if "refused" in shown else 200
    return render(request, "compute/new.html", shown, status=status)


@signed_in
def target(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    """What a target is and has. The text of a new enrolment waits in the session for this one look."""
    shown = pages.frame_of(ws, name, "overview", actor=request.actor)
    shown["nodes"] = list(queries.list_nodes(ws, name, actor=request.actor))
    shown |= pages.overview_of(shown["target"], shown["nodes"])
    shown["happenings"] = list(queries.list_happenings(ws, name, actor=request.actor, limit=HAPPENINGS))
    for one in shown["happenings"]:
        one.told = words.text_of(one)
    shown["reason"] = words.reason_of(shown["target"])
    shown["waits"] = queries.waits_for(shown["target"])
    shown["command"] = request.session.pop("enrolment", None)
    return render(request, "compute/overview.html", shown)


@signed_in
def nodes(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    shown = pages.frame_of(ws, name, "nodes", actor=request.actor)
    shown |= {"nodes": queries.list_nodes(ws, name, actor=request.actor), "now": timezone.now()}
    return render(request, "compute/nodes.html", shown)


@signed_in
def node(request: SignedInRequest, ws: str, name: str, node: str) -> HttpResponse:
    """One node: what it is, how busy it was, what runs there, and what its agent says."""
    shown = pages.frame_of(ws, name, "nodes", actor=request.actor)
    found = services.look_at_node(ws, name, node, actor=request.actor)
    shown |= {"node": found, "note": words.note_of(found), "runs": queries.runs_on(found, actor=request.actor)}
    shown["charts"] = pages.charts_of(queries.list_samples(found, actor=request.actor))
    shown["shelf"] = pages.shelf_of(found, actor=request.actor)
    return render(request, "compute/node.html", shown)


@signed_in
def details(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    shown = pages.frame_of(ws, name, "details", actor=request.actor)
    nodes = list(queries.list_nodes(ws, name, actor=request.actor))
    shown["told"] = target_in_full(shown["target"], nodes)
    shown["api"] = reverse("api:target", args=[ws, name])
    return render(request, "compute/details.html", shown)


@require_POST
@signed_in
def change(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    kind = queries.get_target(ws, name, actor=request.actor).kind
    return post(
        request,
        lambda: services.change_target(
            ws,
            name,
            actor=request.actor,
            description=request.POST.get("description"),
            settings=forms.posted_settings(kind, request.POST),
            tags=forms.posted_tags(request.POST) if "tags" in request.POST else None,
        ),
        said=_("Saved."),
        to=reverse("target", args=[ws, name]),
    )


@require_POST
@signed_in
def delete(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    return post(
        request,
        lambda: services.delete_target(ws, name, actor=request.actor),
        said=_("%(name)s was deleted.") % {"name": name},
        to=reverse("compute", args=[ws]),
        back=reverse("target", args=[ws, name]),
    )


#: What the buttons of an instance do, and the sentence that follows; none where the page shows it by itself.
VERBS: dict[str, Callable[..., Any]] = {
    "start": services.start_instance,
    "stop": services.stop_instance,
    "restart": services.restart_instance,
    "keep": services.keep_instance,
}


@require_POST
@signed_in
def instance(request: SignedInRequest, ws: str, name: str, verb: str) -> HttpResponse:
    if verb not in VERBS:
        raise NotFound(_("An instance has no button %(verb)s.") % {"verb": repr(verb[:20])})
    return post(
        request,
        lambda: VERBS[verb](ws, name, actor=request.actor),
        said=_("It keeps running for an hour at least.") if verb == "keep" else "",
        to=reverse("target", args=[ws, name]),
    )


@require_POST
@signed_in
def enrol(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    """Make the one command that attaches a machine."""
    _, text = services.create_enrolment(ws, name, actor=request.actor)
    request.session["enrolment"] = f"zaffre node start --join {settings.PUBLIC_URL} {text}"
    return redirect("target", ws, name)


@require_POST
@signed_in
def drain(request: SignedInRequest, ws: str, name: str, node: str) -> HttpResponse:
    draining, own_page = request.POST.get("draining") == "1", request.POST.get("from") == "node"
    return post(
        request,
        lambda: services.drain_node(ws, name, node, actor=request.actor, draining=draining),
        said=_("The node takes nothing new.") if draining else _("The node takes runs again."),
        to=reverse("node", args=[ws, name, node]) if own_page else reverse("target_nodes", args=[ws, name]),
    )


@require_POST
@signed_in
def evict(request: SignedInRequest, ws: str, name: str, node: str) -> HttpResponse:
    digest = request.POST.get("digest", "")
    return post(
        request,
        lambda: services.evict_environment(ws, name, node, digest, actor=request.actor),
        said=_("The node removes it now. It is built again when a run needs it."),
        to=reverse("node", args=[ws, name, node]),
    )


@require_POST
@signed_in
def remove(request: SignedInRequest, ws: str, name: str, node: str) -> HttpResponse:
    return post(
        request,
        lambda: services.remove_node(ws, name, node, actor=request.actor),
        said=_("The node was removed."),
        to=reverse("target_nodes", args=[ws, name]),
    )
