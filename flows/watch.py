"""Runs whose process died unseen, with their worker or their machine: the server marks them as crashed.

A flow run beats every 30 s (`flows.offline`, and the deployments' environment). Where no beat and no end came for
three minutes, an automation of the server calls the run crashed; another run then goes on from where it stopped.
"""

from __future__ import annotations

from datetime import timedelta

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

BEAT = "prefect.flow-run.heartbeat"
NAME = "ponens: runs whose process died"
FLOWS = ("finetune-*", "evaluate-*", "sweep", "reeval*")
ALARMED = "Alarm"  # how a re-evaluation ends whose champion fell
_ENDS = ("Completed", "Failed", "Cancelled", "Crashed", "TimedOut", ALARMED)  # events are named by a state's own name
_SILENT = timedelta(minutes=3)


def crash_the_silent(silent: timedelta = _SILENT) -> str:
    """Have the server mark a run of ours as crashed once it was silent so long; the automation's name. Safe to repeat.

    Other flows of the server, which may beat at another pace, are left alone.
    """
    automation = AutomationCore(
        name=NAME,
        description="Set up by ponens deploy.",
        trigger=EventTrigger(
            after={BEAT},
            expect={BEAT, *(f"prefect.flow-run.{end}" for end in _ENDS)},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.role": "flow", "prefect.resource.name": list(FLOWS)},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=silent,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name="Crashed",
                message=f"Nothing was heard of its process for {silent}. Run it again: it goes on where it stopped.",
            )
        ],
    )
    with get_client(sync_client=True) as client:
        if known := client.read_automations_by_name(NAME):
            client.update_automation(known[0].id, automation.model_copy(update={"enabled": known[0].enabled}))
        else:
            client.create_automation(automation)
    return NAME
