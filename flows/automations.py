"""Automations at a Prefect server: what is done whenever a champion changes, or has fallen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.actions import ActionTypes, DoNothing, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from flows.notify import ALARM, EVENT
from storage.records import UsageError

FALLEN = "champion fell"


def on_champion(deployment: str) -> str:
    """Have FLOW/DEPLOYMENT run at each new champion; the automation's name. Safe to repeat.

    It is told what it has parameters for: `adapter` and `before`. UsageError where there is no such deployment, or no
    server to keep the automation.
    """
    return _run(f"champion changed: {deployment}", EVENT, deployment, ("adapter", "before"))


def on_alarm(deployment: str) -> str:
    """Have FLOW/DEPLOYMENT run whenever a champion fell; it is told `champion`, `round`, `page`."""
    return _run(f"{FALLEN}: {deployment}", ALARM, deployment, ("champion", "round", "page"))


def watch(client: SyncPrefectClient) -> str:
    """The place for a person's own action when a champion fell, such as a notification: made once, then left alone."""
    if not client.read_automations_by_name(FALLEN):
        told = "A re-evaluation raised an alarm. Put an action here, such as a notification: ponens deploy leaves it."
        client.create_automation(_automation(FALLEN, told, ALARM, [DoNothing()]))
    return FALLEN


def _run(name: str, event: str, deployment: str, told: Sequence[str]) -> str:
    if get_current_settings().api.url is None:
        raise UsageError("an automation needs a Prefect server", hint="start one and set PREFECT_API_URL")
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(deployment)
        except (ObjectNotFound, ValueError):
            raise UsageError(
                "there is no such deployment",
                seen=deployment,
                expected="FLOW/DEPLOYMENT as `prefect deployment ls` has it",
            ) from None
        taken = (found.parameter_openapi_schema or {}).get("properties", {})
        parameters = {one: f"{{{{ event.payload.{one} }}}}" for one in told if one in taken}
        action = RunDeployment(source="selected", deployment_id=found.id, parameters=parameters)
        automation = _automation(name, "Set up by ponens deploy.", event, [action])
        if known := client.read_automations_by_name(name):
            client.update_automation(known[0].id, automation.model_copy(update={"enabled": known[0].enabled}))
        else:
            client.create_automation(automation)
    return name


def _automation(name: str, about: str, event: str, actions: list[ActionTypes]) -> AutomationCore:
    trigger = EventTrigger(
        expect={event},
        match={"prefect.resource.id": "ponens.adapter.*"},
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    return AutomationCore(name=name, description=about, trigger=trigger, actions=actions)
