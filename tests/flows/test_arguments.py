"""Large results as arguments of tasks."""

from typing import Any

from prefect import flow, runtime, task
from prefect.client.orchestration import get_client

from mtmd.flows.arguments import whole

_Result = dict[str, list[int]]


@task(persist_result=False)
def make() -> _Result:
    return {"numbers": [1, 2]}


@task(persist_result=False)
def take(result: _Result) -> tuple[_Result, Any]:
    return result, runtime.task_run.id


@flow(name="of-arguments", persist_result=False)
def hand_on() -> tuple[_Result, _Result, Any]:
    made = make()
    taken, task_run = take(whole(made))
    return made, taken, task_run


def test_a_task_gets_the_result_itself_and_stays_linked_to_the_task_that_made_it(prefect_server: str) -> None:
    made, taken, task_run = hand_on()
    assert taken is made
    with get_client(sync_client=True) as client:
        inputs = client.read_task_run(task_run).task_inputs
    assert [type(one).__name__ for one in inputs["result"]] == ["TaskRunResult"]
