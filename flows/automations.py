"""Automations at a Prefect server: a deployment that runs whenever a champion changes."""

from __future__ import annotations

from datetime import timedelta

from prefect.client.orchestration import get_client
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from flows.announce import EVENT
from storage.records import UsageError

_TOLD = ("adapter", "before")  # of the event, what a deployment is told if it has a parameter of this name


def on_champion(deployment: str) -> str:
    """Have FLOW/DEPLOYMENT run at each new champion; the automation's name. Safe to repeat.

    UsageError where there is no such deployment, or no server to keep the automation.
    """
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
        automation = AutomationCore(
            name=f"champion changed: {deployment}",
            description="Set up by ponens deploy --on-champion.",
            trigger=EventTrigger(
                expect={EVENT},
                match={"prefect.resource.id": "ponens.adapter.*"},
                posture=Posture.Reactive,
                threshold=1,
                within=timedelta(0),
            ),
            actions=[
                RunDeployment(
                    source="selected",
                    deployment_id=found.id,
                    parameters={name: f"{{{{ event.payload.{name} }}}}" for name in _TOLD if name in taken},
                )
            ],
        )
        if known := client.read_automations_by_name(automation.name):
            client.update_automation(known[0].id, automation)
        else:
            client.create_automation(automation)
    return automation.name
