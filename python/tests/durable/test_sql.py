"""The functions of spec/schema/0002_durable_runs.sql, called by many connections at once."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from support.waiting import until

CROWD = 12
RECORD = (
    "select timestep.record_step_v1('r', 1, %s, 'tool', 'done', 'a', 't', 'c', '', '{}',"
    " null, null, null, 'python', now())"
)


class Fleet:
    """Connections that act at the same moment."""

    def __init__(self, url: str) -> None:
        self.url = url

    def one(self, sql: str, *values: object) -> Any:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), values)
            return cursor.fetchone() if cursor.description else None

    def all(self, sql: str, *values: object) -> list[Any]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql.encode(), values).fetchall()

    def at_once(self, act: Callable[[psycopg.Connection, int], Any], crowd: int = CROWD) -> list:
        start = threading.Barrier(crowd)

        def member(number: int) -> Any:
            with psycopg.connect(self.url, autocommit=True) as connection:
                start.wait(10)
                return act(connection, number)

        with ThreadPoolExecutor(crowd) as threads:
            return list(threads.map(member, range(crowd)))

    def executor(self, name: str | None = None, lease: float = 60.0) -> str:
        instance = str(uuid.uuid4())
        self.one(
            "select timestep.register_executor_v1(%s, %s, 'app-py', 'python', 'host', 1, %s)",
            instance, name or instance, lease,
        )  # fmt: skip
        return instance

    def run(self, run_id: str = "r", owner: str | None = None, **columns: object) -> str:
        queue = columns.get("queue")
        self.one(
            "select timestep.create_run_v1(%s, 'a', %s, 'python', %s, '\"x\"', 'hash', '{}', %s,"
            " null, %s)",
            run_id, columns.get("session"), owner, queue, columns.get("timeout"),
        )  # fmt: skip
        return run_id

    def claim(self, run_id: str, instance: str, segment: int = 0, epoch: int | None = None) -> Any:
        return self.one(
            "select claimed, reason, epoch, deadline_seconds"
            " from timestep.claim_run_v1(%s, %s, 'python', %s, %s, 'w')",
            run_id, instance, segment, epoch,
        )  # fmt: skip

    def record(self, run_id: str, epoch: int, key: str, body: str = "{}") -> bool:
        return self.one(
            "select timestep.record_step_v1(%s, %s, %s, 'tool', 'done', 'a', 't', %s, '{}', %s,"
            " null, null, null, 'python', now())",
            run_id, epoch, key, key, body,
        )[0]  # fmt: skip

    def adopt(self, instance: str) -> list[Any]:
        return self.all(
            "select run_id, epoch, status from timestep.adopt_runs_v1(%s, 'python', '{a}', 100)",
            instance,
        )


@pytest.fixture
def fleet(database_url: str) -> Fleet:
    return Fleet(database_url)


def test_of_a_crowd_that_creates_one_run_one_made_it(fleet: Fleet) -> None:
    made = fleet.at_once(
        lambda c, n: c.execute(
            "select created, conflict from timestep.create_run_v1('r', 'a', null, 'python', null,"
            " '\"x\"', 'hash', '{}', null, null, null)"
        ).fetchone()
    )
    assert [each[0] for each in made].count(True) == 1
    assert {each[1] for each in made} == {None}


def test_the_same_id_with_another_input_agent_or_session_is_told_apart(fleet: Fleet) -> None:
    fleet.run()
    conflict = (
        "select conflict from timestep.create_run_v1('r', %s, %s, 'python', null, '', %s, '{}',"
        " null, null, null)"
    )
    assert fleet.one(conflict, "a", None, "other") == ("input",)
    assert fleet.one(conflict, "b", None, "hash") == ("agent",)
    assert fleet.one(conflict, "a", "s", "hash") == ("session",)


def test_of_a_crowd_that_claims_a_queued_run_one_executes_it(fleet: Fleet) -> None:
    crowd = [fleet.executor() for _ in range(CROWD)]
    fleet.run(queue="q")
    claims = fleet.at_once(
        lambda c, n: c.execute(
            "select claimed, reason from timestep.claim_run_v1('r', %s, 'python', 0, null, 'w')",
            [crowd[n]],
        ).fetchone()
    )
    assert sorted(claims, key=str) == [(False, "owned")] * (CROWD - 1) + [(True, None)]


def test_a_run_of_a_live_process_is_nobody_elses(fleet: Fleet) -> None:
    owner, other = fleet.executor(), fleet.executor()
    fleet.run(owner=owner)
    assert fleet.claim("r", other)[:2] == (False, "owned")
    assert fleet.claim("r", owner)[:3] == (True, None, 1)
    assert fleet.adopt(other) == []


def test_a_crowd_of_reapers_takes_each_orphan_once(fleet: Fleet) -> None:
    dead = fleet.executor(lease=0.0)
    runs = {fleet.run(f"r{n}", owner=dead) for n in range(30)}
    crowd = [fleet.executor() for _ in range(CROWD)]
    taken = fleet.at_once(
        lambda c, n: c.execute(
            "select run_id from timestep.adopt_runs_v1(%s, 'python', '{a}', 5)", [crowd[n]]
        ).fetchall()
    )
    names = [row[0] for rows in taken for row in rows]
    assert len(names) == len(set(names)) == 30
    assert set(names) == runs


def test_a_process_of_the_same_name_ends_the_lease_of_the_older(fleet: Fleet) -> None:
    old = fleet.executor("worker-1")
    fleet.run(owner=old)
    fleet.claim("r", old)
    new = fleet.executor("worker-1")
    assert [row[:2] for row in fleet.adopt(new)] == [("r", 2)]
    assert not fleet.one("select timestep.keep_executor_alive_v1(%s, 30)", old)[0]


def test_a_run_fails_after_a_hundred_takeovers_and_may_pause_more_often(fleet: Fleet) -> None:
    new = fleet.executor()
    for name, segment in [("paused often", 150), ("kills", 0)]:
        fleet.run(name, owner=fleet.executor(lease=0.0))
        fleet.one(
            "update timestep.runs set status = 'running', segment = %s, epoch = 150"
            " where run_id = %s", segment, name,
        )  # fmt: skip
    assert fleet.adopt(new) == [("paused often", 151, "running"), ("kills", 151, "failed")]


def test_what_a_lost_owner_writes_is_not_written(fleet: Fleet) -> None:
    old, new = fleet.executor(lease=0.0), fleet.executor()
    fleet.run(owner=old)
    fleet.claim("r", old)
    assert fleet.record("r", 1, "t:/1")
    assert fleet.adopt(new) == [("r", 2, "running")]
    assert not fleet.record("r", 1, "t:/2")
    assert fleet.record("r", 2, "t:/2")
    finish = "select timestep.finish_run_v1('r', %s, 'completed', '1', null, null, 1, 1, 1, 1, 1)"
    assert fleet.one(finish, 1) == (False,)
    assert fleet.one(finish, 2) == (True,)
    assert fleet.one(finish, 2) == (False,)


def test_a_run_does_not_change_hands_while_a_step_is_written(fleet: Fleet) -> None:
    old, new = fleet.executor(lease=0.0), fleet.executor()
    fleet.run(owner=old)
    fleet.claim("r", old)
    with psycopg.connect(fleet.url) as writing:
        assert writing.execute(RECORD, ["t:/1"]).fetchone() == (True,)
        assert fleet.adopt(new) == []
        writing.commit()
    assert fleet.adopt(new) == [("r", 2, "running")]


def test_a_step_waits_for_a_change_of_hands_and_is_not_written_after_it(fleet: Fleet) -> None:
    old, new = fleet.executor(lease=0.0), fleet.executor()
    fleet.run(owner=old)
    fleet.claim("r", old)
    with psycopg.connect(fleet.url) as taking, ThreadPoolExecutor(1) as thread:
        taking.execute("select timestep.adopt_runs_v1(%s, 'python', '{a}', 5)", [new])
        written = thread.submit(fleet.record, "r", 1, "t:/1")
        until(lambda: fleet.all("select from pg_locks where not granted"))
        taking.commit()
        assert written.result(10) is False
    assert fleet.all("select from timestep.steps") == []


def test_a_step_is_written_once_and_may_be_sent_again(fleet: Fleet) -> None:
    owner = fleet.executor()
    fleet.run(owner=owner)
    fleet.claim("r", owner)
    assert fleet.record("r", 1, "t:/1", "1")
    assert fleet.record("r", 1, "t:/1", "1")
    assert not fleet.record("r", 1, "t:/1", "2")
    assert fleet.all("select body from timestep.steps") == [("1",)]


def test_a_call_that_must_run_once_is_begun_once(fleet: Fleet) -> None:
    owner = fleet.executor()
    fleet.run(owner=owner)
    fleet.claim("r", owner)
    begin = "select timestep.begin_step_v1('r', %s, 't:/1', 'a', 't', '1', '{}', 'python')"
    begun = fleet.at_once(lambda c, n: c.execute(begin.encode(), [1]).fetchone()[0])
    assert sorted(begun) == ["again"] * (CROWD - 1) + ["started"]
    assert fleet.one(begin, 2) == ("lost",)


def test_items_of_a_run_are_added_to_its_session_once(fleet: Fleet) -> None:
    owner = fleet.executor()
    fleet.run(owner=owner, session="s")
    fleet.claim("r", owner)
    append = (
        "select timestep.append_run_items_v1('r', %s, 's', '', %s, %s, '{message,message}',"
        " '{user,user}', '{null,null}')"
    )
    assert fleet.one(append, 1, 0, ["0", "1"]) == (True,)
    fleet.at_once(lambda c, n: c.execute(append.encode(), [1, 1, ["1", "2"]]))
    assert fleet.one(append, 9, 3, ["3", "4"]) == (False,)
    assert fleet.all("select document from timestep.session_items order by item_id") == [
        ("0",), ("1",), ("2",),
    ]  # fmt: skip


def paused(fleet: Fleet, run_id: str = "r", expires: float | None = None) -> list[str]:
    owner = fleet.executor()
    fleet.run(run_id, owner=owner, timeout=100)
    fleet.claim(run_id, owner)
    key = fleet.one("select timestep.state_key_v1(%s, null)", run_id)[0]
    assert key == run_id
    version = fleet.one(
        "select version from timestep.save_run_state_v1(%s, null, null, false, 'interrupted', 'a',"
        " 1, 1, 1, 1, 1, '{}', null, '{}', 'python', '1', '1', 'h', '{function,function}',"
        " '{a,a}', '{t,t}', '{c1,c2}', '{1,2}', '{x,y}', '{null,null}', '{null,null}')",
        key,
    )[0]
    assert fleet.one(
        "select timestep.pause_run_v1(%s, 1, %s, %s, %s, 1, 1, 1, 1, 1)",
        run_id, key, version, expires,
    ) == (True,)  # fmt: skip
    return [
        str(row[0])
        for row in fleet.all(
            "select approval_id from timestep.approvals where run_id = %s order by position", run_id
        )
    ]


DECIDE = (
    "select outcome, status, decided_by, pending"
    " from timestep.decide_approval_v1(%s, %s, null, null, false, %s)"
)


def test_of_a_crowd_that_decides_one_decision_counts(fleet: Fleet) -> None:
    first, _ = paused(fleet)
    decided = fleet.at_once(
        lambda c, n: c.execute(
            DECIDE.encode(), [first, "approved" if n % 2 else "rejected", str(n)]
        ).fetchone()
    )
    outcomes = [each[0] for each in decided]
    assert outcomes.count("decided") == 1
    winner = decided[outcomes.index("decided")]
    assert {(each[1], each[2]) for each in decided} == {(winner[1], winner[2])}
    assert outcomes.count("same") == CROWD // 2 - 1


def test_of_a_crowd_that_resumes_one_begins_the_next_segment(fleet: Fleet) -> None:
    approvals = paused(fleet)
    resume = "select resumed, reason, segment, pending from timestep.resume_run_v1('r', null)"
    assert fleet.one(resume) == (False, "undecided", 0, 2)
    for each in approvals:
        fleet.one(DECIDE, each, "approved", "me")
    resumed = fleet.at_once(lambda c, n: c.execute(resume.encode()).fetchone())
    assert sorted(each[0] for each in resumed) == [False] * (CROWD - 1) + [True]
    assert {each[2] for each in resumed} == {1}
    other = fleet.executor()
    assert fleet.claim("r", other, segment=0)[:2] == (False, "segment")
    claimed, _, epoch, deadline = fleet.claim("r", other, segment=1)
    assert (claimed, epoch) == (True, 2)
    assert 50 < deadline <= 100


def test_a_state_that_was_resumed_elsewhere_is_not_resumed_again(fleet: Fleet) -> None:
    for each in paused(fleet):
        fleet.one(DECIDE, each, "approved", "me")
    fleet.one("select timestep.claim_run_state_v1('r', 1, gen_random_uuid(), 30)")
    resume = "select resumed, reason from timestep.resume_run_v1('r', null)"
    assert fleet.one(resume) == (False, "taken")


def test_an_expired_approval_is_a_rejection(fleet: Fleet) -> None:
    first, _ = paused(fleet, expires=0.0)
    assert fleet.one(DECIDE, first, "approved", "late")[0] == "expired"
    assert fleet.all("select * from timestep.expire_approvals_v1()") == [("r",)]
    assert fleet.one("select count(*) from timestep.approvals where status = 'expired'") == (2,)
    assert fleet.one("select resumed from timestep.resume_run_v1('r', null)") == (True,)


def test_a_cancelled_run_takes_no_more_steps_and_leaves_nothing_to_decide(fleet: Fleet) -> None:
    first, _ = paused(fleet)
    assert fleet.one("select timestep.cancel_run_v1('r', 'why')") == ("interrupted",)
    assert fleet.one("select timestep.cancel_run_v1('r', 'why')") == ("cancelled",)
    assert fleet.one(DECIDE, first, "approved", "me")[0] == "conflict"
    assert fleet.one("select resumed, reason from timestep.resume_run_v1('r', null)") == (
        False, "cancelled",
    )  # fmt: skip


def test_removing_old_runs_leaves_nothing_of_them_and_touches_no_other(fleet: Fleet) -> None:
    paused(fleet)
    paused(fleet, "kept")
    fleet.one("select timestep.cancel_run_v1('r', 'why')")
    gone = fleet.all("select run_id from timestep.delete_runs_v1(clock_timestamp(), 100)")
    assert gone == [("r",)]
    assert fleet.all("select run_id from timestep.runs") == [("kept",)]
    assert fleet.all("select distinct run_id from timestep.approvals") == [("kept",)]
    assert fleet.all("select session_id from timestep.sessions") == [("kept",)]


def test_no_window_holds_more_calls_or_tokens_than_allowed(fleet: Fleet) -> None:
    fleet.one(
        "insert into timestep.rate_limits"
        " values ('m', 5, null, 1, now()), ('p', null, 100, 2, now()) returning name"
    )
    reserve = "select slots from timestep.reserve_model_call_v1('{m,p}', 30)"
    fleet.at_once(lambda c, n: [c.execute(reserve.encode()) for _ in range(2)])
    for name, limit, seconds, what in [("m", 5, 1, 1), ("p", 100, 2, 30)]:
        times = [
            row[0].timestamp()
            for row in fleet.all(
                "select slot_at from timestep.rate_limit_slots where name = %s order by slot_at",
                name,
            )
        ]
        assert len(times) == 2 * CROWD
        for start in times:
            assert what * sum(start <= each < start + seconds for each in times) <= limit


def test_a_call_larger_than_the_limit_waits_for_an_empty_window(fleet: Fleet) -> None:
    fleet.one("insert into timestep.rate_limits values ('p', null, 100, 5, now()) returning name")
    reserve = "select wait_seconds, slots from timestep.reserve_model_call_v1('{p}', %s)"
    assert fleet.one(reserve, 10)[0] == 0
    wait, slots = fleet.one(reserve, 1000)
    assert 4 < wait <= 5.25
    fleet.one("select timestep.settle_model_call_v1(%s, 1)", slots)
    assert fleet.one(reserve, 98)[0] == pytest.approx(wait, abs=0.5)
