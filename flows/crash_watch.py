"""Runs whose process died unseen, with their worker or their machine: the server marks them as crashed.

A flow run says that it is alive as soon as it begins, and then beats every 30 s (`flows.offline`, and the deployments'
environment). Automations of the server call runs crashed where nothing came for three minutes after a beat, or after
the state Running, and where no process began for five after a worker of our pool took the run: the worker died in
between. One that does not beat at all, because its environment was set otherwise, has said that it is alive and is
left alone. Another run then goes on from where a crashed one stopped.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from flows.artifacts import ALIVE
from storage import runs
from storage.home import Home

BEAT = "prefect.flow-run.heartbeat"
SILENT, UNHEARD = "ponens: runs whose process died", "ponens: runs whose process died at once"
UNBORN = "ponens: runs that no process began"
FLOWS = ("finetune-*", "evaluate-*", "sweep", "reeval*")
ALARMED = "Alarm"  # how a re-evaluation ends whose champion fell
_ENDS = ("Completed", "Failed", "Cancelled", "Crashed", "TimedOut", ALARMED)  # after which the server need not try
_OURS = {"prefect.resource.role": "flow", "prefect.resource.name": list(FLOWS)}
_EACH: dict[str, Any] = {
    "match": {"prefect.resource.id": "prefect.flow-run.*"},
    "for_each": {"prefect.resource.id"},
    "posture": Posture.Proactive,
    "threshold": 1,
}
KILLED = "Its process was killed. Run it again: it goes on where it stopped."
_OPEN = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING, StateType.SCHEDULED)
_SILENT, _UNBORN = timedelta(minutes=3), timedelta(minutes=5)


def crash_the_silent(pool: str, silent: timedelta = _SILENT, unborn: timedelta = _UNBORN) -> list[str]:
    """Have the server mark runs of ours as crashed that were silent so long; the automations' names. Safe to repeat.

    Other flows of the server, which may beat at another pace, are left alone, and runs that wait in another pool than
    `pool`, whose workers may have an image to fetch.
    """
    ends = {f"prefect.flow-run.{end}" for end in _ENDS}
    begun, taken = "prefect.flow-run.Running", {"prefect.flow-run.Pending", "prefect.flow-run.Submitting"}
    here = {"prefect.resource.role": "work-pool", "prefect.resource.name": pool}
    nothing = f"Nothing was heard of its process for {silent}. Run it again: it goes on where it stopped."
    return [
        _crash(
            SILENT,
            EventTrigger(after={BEAT}, expect={BEAT, *ends}, match_related=_OURS, within=silent, **_EACH),
            nothing,
        ),
        _crash(
            UNHEARD,
            EventTrigger(after={begun}, expect={BEAT, ALIVE, *ends}, match_related=_OURS, within=silent, **_EACH),
            nothing,
        ),
        _crash(
            UNBORN,
            EventTrigger(after=taken, expect={begun, *ends}, match_related=[_OURS, here], within=unborn, **_EACH),
            f"A worker took it, and no process began in {unborn}. Run it again: it goes on where it stopped.",
        ),
    ]


def bury(home: Home) -> list[str]:
    """Have runs of this home whose process was killed called crashed at the server that is used now; their ids.

    A run of its own server leaves it with itself, so that the next one is the first that can tell. A server that does
    not know the run, or is not to be asked, changes nothing.
    """
    found = [(id, runs.flow_run(home, id)) for id in runs.killed(home)]
    buried = []
    with suppress(Exception), get_client(sync_client=True) as client:
        for id, flow_run in ((id, UUID(flow)) for id, flow in found if flow):
            with suppress(ObjectNotFound):
                if client.read_flow_run(flow_run).state_type in _OPEN:
                    client.set_flow_run_state(flow_run, Crashed(message=KILLED), force=True)
                    buried.append(id)
    return buried


def _crash(name: str, trigger: EventTrigger, message: str) -> str:
    action = ChangeFlowRunState(state=StateType.CRASHED, name="Crashed", message=message)
    automation = AutomationCore(name=name, description="Set up by ponens deploy.", trigger=trigger, actions=[action])
    with get_client(sync_client=True) as client:
        if known := client.read_automations_by_name(name):
            client.update_automation(known[0].id, automation.model_copy(update={"enabled": known[0].enabled}))
        else:
            client.create_automation(automation)
    return name
