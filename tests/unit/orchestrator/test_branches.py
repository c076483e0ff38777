from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthcare_ops.orchestrator.asl import findings, load
from healthcare_ops.orchestrator.interpreter import Interpreter, TaskFailure, World
from healthcare_ops.orchestrator.virtual import VirtualClock
from unit.orchestrator.flows import PASS, chain, play, task, wait

BAD = {"throw": {"Error": "Bad", "Cause": "it is"}}


def parallel(*branches, **fields):
    return {"Type": "Parallel", "Branches": list(branches)} | fields


def each(processor, **fields):
    return {"Type": "Map", "ItemProcessor": processor} | fields


# Parallel


@pytest.mark.spec("Parallel State")
def test_branches_see_the_same_input_and_their_outputs_are_an_array_in_their_order():
    fan = parallel(chain(A=wait(5), A2=PASS), chain(B=PASS | {"Result": "b"}), chain(C=PASS | {"InputPath": "$.x"}))

    execution, _ = play(chain(Fan=fan), {"x": 1})

    assert execution.output == [{"x": 1}, "b", 1]


@pytest.mark.spec("Parallel State")
def test_branches_run_at_the_same_time():
    execution, diary = play(chain(Fan=parallel(chain(A=wait(5)), chain(B=wait(3), B2=wait(3))), After=PASS))

    assert execution.status == "SUCCEEDED"
    assert (diary.when("-Fan[0]/A"), diary.when("-Fan[1]/B2"), diary.when("+After")) == ([5], [6], [6])


@pytest.mark.spec("Parallel State")
def test_input_and_output_of_a_parallel_are_processed_as_those_of_a_task():
    fan = parallel(
        chain(A=PASS),
        chain(B=PASS),
        InputPath="$.in",
        Parameters={"n.$": "$.n"},
        ResultSelector={"first.$": "$[0].n", "all.$": "$[*].n"},
        ResultPath="$.fan",
        OutputPath="$.fan",
    )

    assert play(chain(Fan=fan), {"in": {"n": 7}})[0].output == {"first": 7, "all": [7, 7]}


@pytest.mark.spec("Parallel State")
def test_a_branch_that_fails_stops_the_others_and_the_state_fails_with_its_error():
    fan = parallel(chain(A=task()), chain(B=wait(1000), B2=task("never")))

    execution, diary = play(chain(Fan=fan), mocks={"job": [BAD | {"seconds": 2}], "never": [{"return": 1}]})

    assert (execution.status, execution.error, execution.cause) == ("FAILED", "Bad", "it is")
    assert (diary.when("-Fan[1]/B"), diary.when("+Fan[1]/B2"), diary.when("-Fan")) == ([2], [], [2])


@pytest.mark.spec("Parallel State")
def test_a_fail_state_in_a_branch_fails_the_parallel():
    execution, _ = play(
        chain(Fan=parallel(chain(Stop={"Type": "Fail", "Error": "Own", "Cause": "told"}), chain(B=PASS)))
    )

    assert (execution.status, execution.error, execution.cause) == ("FAILED", "Own", "told")


@pytest.mark.spec("Parallel State")
def test_a_succeed_state_ends_its_branch_only():
    execution, _ = play(chain(Fan=parallel(chain(A=PASS, Done={"Type": "Succeed"}), chain(B=PASS)), After=PASS), 1)

    assert [entry.name for entry in execution.history] == ["Fan", "A", "Done", "B", "After"]


@pytest.mark.spec("Errors: Retrying after error")
def test_a_parallel_that_is_tried_again_begins_all_its_branches_again():
    fan = parallel(chain(A=task()), chain(B=PASS), Retry=[{"ErrorEquals": ["Bad"], "IntervalSeconds": 10}])

    execution, diary = play(chain(Fan=fan), mocks={"job": [BAD, BAD, {"return": 1}]})

    assert execution.output == [1, {}]
    assert diary.when("+Fan[1]/B") == [0, 10, 30]
    assert [attempt.error for attempt in execution.history[0].attempts] == ["Bad", "Bad", None]


@pytest.mark.spec("Errors: Fallback states")
@pytest.mark.parametrize("names", [["Bad"], ["States.BranchFailed"], ["States.TaskFailed"], ["States.ALL"]])
def test_a_parallel_catches_the_failure_of_its_branches(names):
    fan = parallel(
        chain(A=task()), Catch=[{"ErrorEquals": names, "Next": "Caught", "ResultPath": "$.failure"}], End=True
    )

    execution, _ = play(chain(Fan=fan, Caught={"Type": "Succeed"}), {"x": 1}, {"job": [BAD]})

    assert execution.output == {"x": 1, "failure": {"Error": "Bad", "Cause": "it is"}}


@pytest.mark.spec("Errors: Fallback states")
def test_a_branch_that_catches_its_own_failure_does_not_fail_the_parallel():
    inner = chain(
        A=task(Catch=[{"ErrorEquals": ["Bad"], "Next": "Mended"}], Next="Mended"), Mended=PASS | {"Result": "ok"}
    )

    assert play(chain(Fan=parallel(inner, chain(B=PASS))), mocks={"job": [BAD]})[0].output == ["ok", {}]


def test_a_branch_within_a_branch_stops_with_the_outer_one():
    inner = parallel(chain(C=wait(500)), chain(D=wait(600)))
    fan = parallel(chain(Inner=inner), chain(B=task()))

    execution, diary = play(chain(Fan=fan), mocks={"job": [BAD | {"seconds": 3}]})

    assert execution.error == "Bad"
    assert diary.when("-Fan[0]/Inner[0]/C") == diary.when("-Fan[0]/Inner") == diary.when("-Fan") == [3]


def test_the_machine_s_time_ends_within_branches_too():
    definition = chain(
        Fan=parallel(
            chain(A=wait(100)), chain(B=wait(200)), Catch=[{"ErrorEquals": ["States.ALL"], "Next": "C"}], End=True
        ),
        C=PASS,
    )

    execution, diary = play(definition | {"TimeoutSeconds": 60})

    assert (execution.status, diary.when("-Fan")) == ("TIMED_OUT", [60])


@pytest.mark.parametrize(
    ("fan", "finding"),
    [
        (parallel(), "Branches [] is not a list of at least one"),
        ({"Type": "Parallel"}, "a Parallel needs Branches"),
        (parallel({"StartAt": "A"}), "there are no States"),
        (parallel(chain(A=PASS) | {"TimeoutSeconds": 5}), "field 'TimeoutSeconds' is not supported"),
        (parallel(chain(A=PASS | {"Next": "Fan"})), "leads to 'Fan', which is not a state"),
        (parallel(chain(A=PASS), chain(A=PASS)), "another state has the same name"),
        (parallel(chain(Fan=PASS)), "another state has the same name"),
        (each(chain(A=PASS), ItemReader={}), "field 'ItemReader' is not supported"),
        (each(chain(A=PASS), ToleratedFailureCount=1), "field 'ToleratedFailureCount' is not supported"),
        (each(chain(A=PASS) | {"ProcessorConfig": {"Mode": "DISTRIBUTED"}}), "items are processed inline only"),
        (each(chain(A=PASS) | {"ProcessorConfig": {"Mode": "INLINE", "ExecutionType": "EXPRESS"}}), "inline only"),
        (each(chain(A=PASS), Iterator=chain(B=PASS)), "a Map needs one of ItemProcessor, Iterator"),
        (each(chain(A=PASS), ItemSelector={}, Parameters={}), "give either ItemSelector or Parameters"),
        (each(chain(A=PASS), ItemsPath="$.a[*]"), "it is not a reference path"),
        (each(chain(A=PASS), MaxConcurrency=-1), "MaxConcurrency -1 is not a whole number"),
    ],
)
def test_branches_that_cannot_run_are_refused_with_the_state_s_name(fan, finding):
    messages = [str(found) for found in findings(json.dumps(chain(Fan=fan)))]

    assert any(finding in message for message in messages), messages
    assert all(message.startswith(("state 'Fan'", "state 'A'")) for message in messages)


# Map


@pytest.mark.spec("Map State")
def test_every_item_is_processed_and_the_results_stand_in_the_order_of_the_items():
    execution, _ = play(chain(Map=each(chain(A=PASS), ItemsPath="$.l", ResultPath="$.r")), {"l": [3, 1, 2]})

    assert execution.output == {"l": [3, 1, 2], "r": [3, 1, 2]}


@pytest.mark.spec("Map State")
def test_the_manual_s_example_of_a_selector_sees_the_map_s_input_and_the_item():
    selector = {"parcel.$": "$$.Map.Item.Value", "number.$": "$$.Map.Item.Index", "courier.$": "$.courier"}
    given = {"ship": {"courier": "UQS", "shipped": ["a", "b"]}}

    for name in ("ItemSelector", "Parameters"):
        fan = each(chain(A=PASS), InputPath="$.ship", ItemsPath="$.shipped", **{name: selector})
        assert play(chain(Map=fan), given)[0].output == [
            {"parcel": "a", "number": 0, "courier": "UQS"},
            {"parcel": "b", "number": 1, "courier": "UQS"},
        ]


@pytest.mark.spec("Map State")
def test_the_item_is_in_the_context_within_the_processor_and_not_behind_it():
    inside = chain(A=PASS | {"Parameters": {"v.$": "$$.Map.Item.Value", "s.$": "$$.State.Name"}})

    execution, _ = play(chain(Map=each(inside), After=PASS | {"Parameters": {"v.$": "$$.Map.Item.Value"}}), [8])

    assert execution.history[0].output == [{"v": 8, "s": "A"}]
    assert execution.error == "States.Runtime"


@pytest.mark.spec("Map State")
@pytest.mark.parametrize(
    ("fields", "given", "ends"),
    [
        ({"MaxConcurrency": 1}, {}, 40),
        ({"MaxConcurrency": 3}, {}, 20),
        ({"MaxConcurrency": 0}, {}, 10),
        ({}, {}, 10),
        ({"MaxConcurrencyPath": "$.most"}, {"most": 2}, 20),
    ],
)
def test_no_more_items_are_at_work_than_allowed(fields, given, ends):
    fan = each(chain(A=wait(10)), ItemsPath="$.l", **fields)

    _, diary = play(chain(Map=fan), {"l": [1, 2, 3, 4]} | given)

    assert diary.when("-Map") == [ends]


@pytest.mark.spec("Map State")
def test_forty_items_are_at_work_at_once_and_no_more():
    _, diary = play(chain(Map=each(chain(A=wait(10)))), list(range(41)))

    assert diary.when("-Map") == [20]


@pytest.mark.spec("Map State")
def test_no_item_is_no_work():
    assert play(chain(Map=each(chain(A=task()))), [])[0].output == []


@pytest.mark.spec("Map State")
@pytest.mark.parametrize("field", ["Iterator", "ItemProcessor"])
def test_a_processor_may_be_called_iterator(field):
    processor = chain(A=PASS) | {"ProcessorConfig": {"Mode": "INLINE"}}

    assert play(chain(Map={"Type": "Map", field: processor}), [1])[0].output == [1]


@pytest.mark.spec("Map State")
def test_an_item_that_fails_stops_the_others_and_the_state_may_be_caught():
    fan = each(
        chain(A=task(Parameters={"JobName.$": "$.job"})),
        Catch=[{"ErrorEquals": ["Bad"], "Next": "Caught", "ResultPath": None}],
        MaxConcurrency=2,
        End=True,
    )
    mocks = {"slow": [{"return": 1, "seconds": 100}], "bad": [BAD | {"seconds": 4}]}

    execution, diary = play(
        chain(Map=fan, Caught={"Type": "Succeed"}), [{"job": "slow"}, {"job": "bad"}, {"job": "never"}], mocks
    )

    assert execution.status == "SUCCEEDED"
    assert (diary.when("-Map"), diary.when("+Map[2]/A")) == ([4], [])


@pytest.mark.spec("Map State")
@pytest.mark.parametrize("items", [{"a": 1}, "text", None, 5])
def test_what_is_no_array_cannot_be_gone_through(items):
    execution, _ = play(chain(Map=each(chain(A=PASS), ItemsPath="$.l")), {"l": items})

    assert (execution.status, execution.error) == ("FAILED", "States.Runtime")
    assert execution.cause.endswith('Reference path "$.l" must point to array.')


@pytest.mark.spec("Map State")
def test_items_that_are_not_there_are_told_as_the_service_does():
    execution, _ = play(chain(Map=each(chain(A=PASS), ItemsPath="$.discovery.objects")), {"discovery": {}})

    assert execution.error == "States.ReferencePathConflict"
    assert execution.cause.endswith('Unable to apply step "objects" to input {"discovery":{}}')


def test_a_map_within_a_map_has_the_item_of_the_inner_one():
    inner = each(chain(A=PASS), ItemSelector={"n.$": "States.MathAdd($$.Map.Item.Value, $$.Map.Item.Index)"})

    execution, _ = play(chain(Map=each(chain(Inner=inner))), [[1, 2], [3]])

    assert execution.output == [[{"n": 1}, {"n": 3}], [{"n": 3}]]


# The clock that branches share


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 50), max_size=4), min_size=1, max_size=5), st.integers(1, 5))
def test_virtual_branches_take_as_long_as_they_would_and_always_go_the_same_way(waits, limit):
    def run():
        clock, seen = VirtualClock(), []
        begun = clock.now()

        def branch(number, seconds):
            for second in seconds:
                clock.sleep(second)
                seen.append((number, (clock.now() - begun).total_seconds()))
            return number

        results = clock.run([lambda n=n, s=s: branch(n, s) for n, s in enumerate(waits)], limit)
        return results, seen, (clock.now() - begun).total_seconds()

    results, seen, seconds = run()

    free = [0] * limit  # when each of the places is free again
    for branch in waits:
        place = free.index(min(free))
        free[place] += sum(branch)
    assert results == list(range(len(waits)))
    assert [moment for _, moment in seen] == sorted(moment for _, moment in seen)
    assert seconds == max(free)
    assert run() == (results, seen, seconds)


# Real threads


class RealTasks:
    """Tasks that meet: each waits until all are at work."""

    def __init__(self, together):
        self._barrier = threading.Barrier(together)

    def run(self, resource, parameters, *, timeout_s):
        if resource == "bad":
            raise TaskFailure("Bad", "it is")
        self._barrier.wait(timeout=10)
        return parameters


class Silent:
    def entered(self, entry):
        pass

    def attempted(self, entry, attempt):
        pass

    def left(self, entry):
        pass


def run_for_real(definition, given, tasks):
    world = World(tasks, Silent(), lambda: datetime.now(UTC), time.sleep, lambda: 0.5)
    return Interpreter(load(json.dumps(definition)), world).run(given, execution_id="run-1")


def test_items_are_really_worked_on_at_once():
    assert run_for_real(chain(Map=each(chain(A=task()))), [1, 2, 3, 4], RealTasks(4)).output == [1, 2, 3, 4]


def test_a_thread_that_waits_is_stopped_by_the_failure_of_another():
    fan = parallel(chain(A=wait(60)), chain(B=task("bad")), chain(In=parallel(chain(C=wait(60)))))
    begun = time.monotonic()

    execution = run_for_real(chain(Fan=fan), {}, RealTasks(1))

    assert (execution.status, execution.error) == ("FAILED", "Bad")
    assert time.monotonic() - begun < 10
    assert [entry.output for entry in execution.history] == [None] * len(execution.history)
