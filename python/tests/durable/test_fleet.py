"""Queues, limits, schedules, cancelling, time limits: over several processes."""

import os
import signal

from support.durable import Company, answer_of, call, says
from support.waiting import until


def ready(worker) -> object:
    return until(lambda: "ready" in worker.output)


def test_queued_runs_are_executed_by_whoever_has_room(company: Company) -> None:
    company.script(*[says(f"done {n}") for n in range(6)])
    workers = [company.worker("serve") for _ in range(2)]
    answers = company.run("queue", ids=[f"r{n}" for n in range(6)])
    assert sorted(each["output"] for each in answers) == [f"done {n}" for n in range(6)]
    for worker in workers:
        worker.kill()
    assert company.rows("select distinct status, owner from timestep.runs") == [("completed", None)]


def test_a_narrow_queue_executes_one_at_a_time_the_most_urgent_first(company: Company) -> None:
    company.script(*[says(call("look", f"c{n}", n=n)) for n in range(4)], *[says("done")] * 4)
    company.script(
        *(step for n in range(4) for step in (says(call("slow", f"c{n}", seconds=0.3)), says("ok")))
    )
    ids = ["a", "b", "c", "d"]
    company.run("queue", ids=ids, priorities=[4, 3, 2, 1], queue_name="narrow")
    order = company.rows("select run_id from timestep.runs order by started_at")
    assert [row[0] for row in order if row[0] != order[0][0]] == sorted(
        (each for each in ids if each != order[0][0]), reverse=True
    )
    overlaps = company.rows(
        "select a.run_id, b.run_id from timestep.runs a join timestep.runs b"
        " on a.run_id < b.run_id and a.started_at < b.finished_at and b.started_at < a.finished_at"
    )
    assert overlaps == []


def test_a_deduplicated_run_is_the_one_that_is_there(company: Company) -> None:
    company.script(says(call("slow", "c", seconds=1)), says("done"))
    answers = company.run("queue", ids=["a", "b"], deduplication_id="same")
    assert [each["output"] for each in answers] == ["done", "done"]
    assert company.rows("select run_id from timestep.runs") == [("a",)]


def test_a_queued_run_survives_the_worker_that_took_it(company: Company) -> None:
    company.script(says(call("slow", "c", seconds=30)), says("done"))
    worker = company.worker("serve")
    company.run("queue", ids=["a"], wait=False)
    until(lambda: company.effects("start", "slow"))
    pids = {effect[4] for effect in company.effects("start", "slow")}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    worker.kill()
    company.script(says("unused"))
    company.server.script(company.script_id, [says("done")])
    other = company.worker("serve")
    # the call that was in flight is made again, so it is cut short by cancelling the run
    until(lambda: len(company.effects("start", "slow")) == 2)
    assert {effect[4] for effect in company.effects("start", "slow")} != pids
    other.kill()


def test_model_calls_keep_their_limit_over_several_processes(company: Company) -> None:
    company.script(*[says("done") for _ in range(15)])
    # times that are long over are removed: on a busy machine before they are looked at here
    company.rows("create rule keep as on delete to timestep.rate_limit_slots do instead nothing")
    limit = {"requests": 3, "seconds": 2, "workers": 3}
    workers = [company.worker("limited", ids=[f"{w}{n}" for n in range(4)], **limit) for w in "abc"]
    for worker in workers:
        assert all(each["status"] == "completed" for each in answer_of(worker))
    asked = company.server.requests(company.script_id)
    times = sorted(each["at"] for each in asked if "warming up" not in each["body"])
    slots = company.rows(
        "select extract(epoch from slot_at)::float * 1000 from timestep.rate_limit_slots order by 1"
    )
    assert len(times) == len(slots) == 12
    for (slot,), time in zip(slots, times, strict=True):
        assert time >= slot - 1, "a call was made before its time"
    for (start,) in slots:
        end = start + limit["seconds"] * 1000
        assert sum(start <= slot < end for (slot,) in slots) <= limit["requests"]


def test_two_schedules_tick_once_each_however_many_processes_see_it(company: Company) -> None:
    company.script(*[says("done") for _ in range(60)])
    others = [company.worker("serve") for _ in range(1)]
    runs = company.run("schedule", names=["one", "two"], runs=2)
    for other in others:
        other.kill()
    assert len(runs) == len(set(runs))
    ticks = company.rows(
        "select schedule, count(*) from timestep.runs group by schedule order by schedule"
    )
    assert [row[0] for row in ticks] == ["one", "two"]
    assert company.model_calls <= sum(row[1] for row in ticks)


def test_a_cancelled_run_stops_and_records_no_more(company: Company) -> None:
    company.script(says(call("slow", "c", seconds=30)), says("done"))
    answer = company.run("cancelled", workflow_id="w", seconds=20)
    assert answer["status"] == "cancelled"
    assert company.effects("end", "slow") == []
    assert company.rows("select key from timestep.steps") == [("m::0",)]


def test_a_time_limit_survives_the_death_of_the_process(company: Company) -> None:
    company.script(says(call("slow", "c", seconds=30)), says("done"))
    first = company.worker("run", workflow_id="w", timeout_seconds=8)
    until(lambda: company.effects("start", "slow"))
    first.kill()
    answer = company.run("run", workflow_id="w", timeout_seconds=8, seconds=40)
    assert answer["error"] in ("TimeoutError", "TimestepError")
    rows = company.rows(
        "select status, error_type, extract(epoch from finished_at - started_at)::float"
        " from timestep.runs"
    )
    assert rows[0][:2] == ("failed", "TimeoutError")
    assert 7 < rows[0][2] < 15
