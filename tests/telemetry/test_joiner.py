"""The joiner against a model: any interleaving of publish, loss, restart and reconnect."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from hypothesis import event, given
from hypothesis import strategies as st

from telemetry.sample import InvalidSample, encode
from telemetry.stream.joiner import Gap, Joiner, Position, Question, Start
from telemetry.stream.replay import Reply
from telemetry.stream.ring import Held
from tests.strategies import sample, times
from tests.telemetry.world import World

BODY: Final = len(encode(sample()))

Action = tuple[str, int]

ANYTHING: Final = (
    *("live", "live", "live", "lost", "lost", "deliver", "deliver", "ask", "reply", "invalid"),
    *("restart", "lose ring", "lose reply", "silence", "cut"),
)


def actions(*names: str, least: int = 0, most: int = 60) -> st.SearchStrategy[list[Action]]:
    return st.lists(st.tuples(st.sampled_from(names), st.integers(1, 8)), min_size=least, max_size=most)


def act(world: World, action: Action) -> None:
    name, count = action
    match name:
        case "live":
            world.publish()
        case "lost":
            for _ in range(count):
                world.publish(live=False)
        case "invalid":
            world.publish(valid=False)
        case "deliver":
            world.deliver(count)
        case "ask":
            world.ask()
        case "reply":
            world.reply()
        case "answer":
            world.ask()
            world.reply()
        case "restart":
            world.restart(ring_kept=True)
        case "lose ring":
            world.restart(ring_kept=False)
        case "lose reply":
            world.pending = None
        case "silence":
            world.fall_silent()
        case "cut":
            world.wire.clear()
        case "give up":
            world.give_up()


def play(data: st.DataObject, before: list[Action], after: list[Action], capacity: int, page: int) -> None:
    world = World(capacity, page)
    with closing(world):
        for action in before:
            act(world, action)
        starts: list[Start | Position] = [Start.OLDEST, Start.NEWEST, *reversed(world.published)]
        start = data.draw(st.sampled_from(starts), label="start")
        held = world.held()
        world.subscribe(start)
        for action in after:
            act(world, action)
        world.settle()
        world.check(start)
        if start is Start.OLDEST and not world.gave_up:
            samples = {Position(item.run, item.seq) for item in world.items if not isinstance(item, Gap)}
            assert held & world.held() <= samples, "the oldest are left out"
        event(f"gaps: {min(3, sum(isinstance(item, Gap) for item in world.items))}")


PRELUDE: Final = actions("lost", "restart", "lose ring", "invalid", most=6)
CAPACITIES: Final = st.sampled_from([BODY * 4, BODY * 12, BODY * 1000])
PAGES: Final = st.integers(1, 5)
WHATEVER: Final = actions(*ANYTHING, "answer") | actions(*ANYTHING, least=30)
WITHOUT_REPLAY: Final = actions(*ANYTHING, "give up") | actions(*ANYTHING, "give up", least=30)


@times(4)
@given(st.data(), PRELUDE, WHATEVER, CAPACITIES, PAGES)
def test_any_interleaving(
    data: st.DataObject, before: list[Action], after: list[Action], capacity: int, page: int
) -> None:
    play(data, before, after, capacity, page)


@times(4)
@given(st.data(), PRELUDE, WITHOUT_REPLAY, CAPACITIES, PAGES)
def test_any_interleaving_with_unanswered_questions(
    data: st.DataObject, before: list[Action], after: list[Action], capacity: int, page: int
) -> None:
    play(data, before, after, capacity, page)


# --- single cases with a known right answer, and replies that our own ring never gives ----------------------


def joiner(start: Start | Position = Start.OLDEST) -> Joiner:
    return Joiner(start, lambda invalid: None)


def reply(
    run: str | None, first: int, last: int, *runs: Held, more: bool = False, error: str | None = None
) -> Reply:
    """Return a page with ``first`` to ``last`` of ``run``, from a ring that holds ``runs``."""
    held = next((held for held in runs if held.run == run), None)
    bodies = tuple(encode(sample(run or "", seq)) for seq in range(first, last + 1))
    oldest, newest = (held.first, held.last) if held else (None, None)
    return Reply(1, run, oldest, newest, more, runs, error, bodies)


def unknown(*runs: Held) -> Reply:
    return reply(None, 1, 0, *runs, error="unknown-run")


def some(run: str, first: int, last: int) -> list[object]:
    return [sample(run, seq) for seq in range(first, last + 1)]


def test_consecutive_live_samples_cause_no_question() -> None:
    it = joiner(Position("a", 1))
    assert it.question == Question("a", 1)
    assert it.reply(reply("a", 2, 1, Held("a", 1, 1))) == []
    for seq in (2, 3, 4):
        assert it.live(sample("a", seq)) == some("a", seq, seq)
        assert it.question is None


def test_oldest_starts_with_the_oldest_run() -> None:
    it = joiner(Start.OLDEST)
    held = Held("a", 3, 4), Held("b", 1, 2), Held("c", 1, 1)
    assert it.question == Question(None, 0)
    assert it.reply(reply("c", 1, 1, *held)) == []
    assert it.question == Question("a", 2)
    assert it.reply(reply("a", 3, 4, *held)) == some("a", 3, 4)
    assert it.question == Question("b", 0)
    assert it.reply(reply("b", 1, 2, *held)) == some("b", 1, 2)
    assert it.question == Question("c", 0)
    assert it.reply(reply("c", 1, 1, *held)) == some("c", 1, 1)
    assert it.question is None


def test_newest_gives_a_sample_of_an_earlier_run_if_the_current_one_has_none() -> None:
    it = joiner(Start.NEWEST)
    held = Held("a", 3, 4), Held("b", 1, 2)
    assert it.question == Question(None, None)
    assert it.reply(reply("c", 1, 0, *held)) == []
    assert it.question == Question("b", 1)
    assert it.reply(reply("b", 2, 2, *held)) == some("b", 2, 2)
    assert it.live(sample("a", 5)) == some("a", 5, 5)  # and it continues with b
    assert it.live(sample("b", 3)) == some("b", 3, 3)


def test_with_an_empty_ring_it_waits_for_live_samples() -> None:
    for start in Start:
        it = joiner(start)
        assert it.reply(reply("a", 1, 0)) == []
        assert it.question is None
        assert it.live(sample("a", 1)) == []
        assert it.question is not None
        assert it.reply(reply("a", 1, 1, Held("a", 1, 1))) == some("a", 1, 1)
        assert it.question is None


def test_a_reply_older_than_a_live_sample_does_not_settle_it() -> None:
    it = joiner(Position("a", 1))
    assert it.live(sample("a", 4)) == []
    assert it.reply(reply("a", 2, 2, Held("a", 1, 2))) == some("a", 2, 2)
    assert it.question == Question("a", 2)
    assert it.reply(reply("a", 3, 4, Held("a", 1, 4))) == some("a", 3, 4)
    assert it.question is None


def test_a_live_sample_that_follows_the_reply_causes_no_question() -> None:
    it = joiner(Position("a", 1))
    assert it.live(sample("a", 3)) == []
    assert it.live(sample("a", 4)) == []
    assert it.reply(reply("a", 2, 2, Held("a", 1, 2))) == some("a", 2, 4)
    assert it.question is None


def test_a_live_sample_that_the_ring_lost_is_yielded_between_two_gaps() -> None:
    it = joiner(Position("a", 1))
    it.reply(reply("a", 2, 1, Held("a", 1, 1)))
    assert it.live(sample("a", 3)) == []
    assert it.reply(reply("a", 5, 6, Held("a", 5, 6))) == [
        Gap("a", 2, 2),
        *some("a", 3, 3),
        Gap("a", 4, 4),
        *some("a", 5, 6),
    ]


def test_the_end_of_a_finished_run_is_fetched_before_the_next_run() -> None:
    it = joiner(Position("a", 1))
    it.reply(reply("a", 2, 1, Held("a", 1, 1)))
    assert it.live(sample("b", 1)) == []
    held = Held("a", 1, 3), Held("b", 1, 1)
    assert it.reply(reply("a", 2, 3, *held)) == some("a", 2, 3)
    assert it.reply(reply("b", 1, 1, *held)) == some("b", 1, 1)
    assert it.question is None


def test_the_end_of_a_finished_run_that_no_ring_has_comes_from_live_samples() -> None:
    it = joiner(Position("a", 1))
    it.reply(reply("a", 2, 1, Held("a", 1, 1)))
    assert it.live(sample("a", 3)) == []
    assert it.live(sample("a", 4)) == []
    assert it.reply(unknown(Held("b", 2, 2))) == [Gap("a", 2, 2), *some("a", 3, 4)]
    assert it.question == Question("b", 0)
    assert it.reply(reply("b", 2, 2, Held("b", 2, 2))) == [Gap("b", 1, 1), *some("b", 2, 2)]


def test_samples_in_one_reply_but_lost_by_the_next_are_a_gap() -> None:
    it = joiner(Start.OLDEST)
    held = Held("a", 1, 3), Held("b", 1, 2), Held("c", 1, 1)
    it.reply(reply("c", 1, 1, *held))
    it.reply(reply("a", 1, 1, *held, more=True))
    assert it.reply(unknown(Held("c", 1, 5))) == [Gap("a", 2, 3), Gap("b", 1, 2)]
    assert it.question == Question("c", 0)


def test_the_newest_seq_of_any_reply_counts() -> None:
    """The sampler restarted with a smaller ring, which kept only the older samples."""
    it = joiner(Start.OLDEST)
    it.reply(reply("a", 1, 2, Held("a", 1, 9), more=True))
    held = Held("a", 1, 4), Held("b", 1, 1)
    assert it.reply(reply("a", 3, 4, *held)) == [*some("a", 3, 4), Gap("a", 5, 9)]


def test_runs_are_not_read_again_if_the_ring_lost_its_newest_run() -> None:
    it = joiner(Start.OLDEST)
    held = Held("a", 1, 2), Held("b", 1, 1)
    it.reply(reply("b", 1, 1, *held))
    it.reply(reply("a", 1, 2, *held))
    assert it.reply(reply("b", 1, 1, *held)) == some("b", 1, 1)
    it.ask()
    assert it.reply(unknown(Held("a", 1, 2))) == []
    assert it.question is None
    it.ask()
    assert it.reply(unknown(Held("a", 1, 2), Held("c", 1, 1))) == []
    assert it.question == Question("c", 0)


def test_runs_before_the_position_are_skipped() -> None:
    it = joiner(Position("b", 1))
    held = Held("a", 1, 9), Held("b", 1, 2)
    assert it.reply(reply("b", 2, 2, *held)) == some("b", 2, 2)
    assert it.question is None


def test_invalid_bodies_become_gaps_and_are_requested_once() -> None:
    refused: list[InvalidSample] = []
    it = Joiner(Position("a", 1), refused.append)
    bodies = (b"junk", encode(sample("a", 3)), encode(sample("a", 9)), encode(sample("x", 5)))
    answer = Reply(1, "a", 1, 9, True, (Held("a", 1, 9),), None, bodies)
    assert it.reply(answer) == [Gap("a", 2, 2), *some("a", 3, 3), Gap("a", 4, 5)]
    assert it.question == Question("a", 5)
    assert len(refused) == 3
    assert "replay gave seq 9 in place of 4" in str(refused[1])


def test_a_run_that_arrives_late_is_still_yielded() -> None:
    """The ring was lost with its run, and the live sample arrived after the next run's first reply."""
    it = joiner(Position("a", 1))
    it.reply(unknown(Held("b", 1, 1)))
    assert it.reply(reply("b", 1, 1, Held("b", 1, 1))) == some("b", 1, 1)
    assert it.live(sample("a", 2)) == some("a", 2, 2)
    assert it.live(sample("a", 2)) == []
    assert it.live(sample("a", 5)) == [Gap("a", 3, 4), *some("a", 5, 5)]
    assert it.question is None
    assert it.live(sample("b", 2)) == some("b", 2, 2)


def test_a_live_sample_of_a_lost_ring_does_not_end_the_current_run() -> None:
    """It arrived before the first reply, which is about another run. It is older, so that run continues."""
    it = joiner(Start.OLDEST)
    assert it.live(sample("a", 1)) == []
    assert it.reply(reply("b", 1, 1, Held("b", 1, 1))) == some("b", 1, 1)
    assert it.reply(reply("b", 2, 1, Held("b", 1, 1))) == some("a", 1, 1)
    assert it.question is None
    assert it.live(sample("b", 2)) == some("b", 2, 2)


def test_newest_yields_nothing_older() -> None:
    it = joiner(Start.NEWEST)
    assert it.live(sample("a", 1)) == []
    assert it.reply(reply("b", 1, 0)) == []
    assert it.reply(reply("b", 1, 1, Held("b", 1, 1))) == some("b", 1, 1)
    assert it.question is None


def test_with_an_empty_ring_live_samples_are_yielded() -> None:
    for start in Start:
        it = joiner(start)
        assert it.live(sample("a", 5)) == []
        assert it.reply(unknown()) == []
        assert it.reply(unknown()) == some("a", 5, 5)
        assert it.question is None


def test_a_hole_that_a_lost_ring_cannot_fill_becomes_a_gap_at_once() -> None:
    it = joiner(Position("a", 5))
    it.reply(reply("a", 6, 5, Held("a", 1, 5)))
    assert it.live(sample("a", 7)) == []
    assert it.reply(unknown()) == [Gap("a", 6, 6), *some("a", 7, 7)]
    assert it.question is None


def test_nothing_is_yielded_twice() -> None:
    it = joiner(Position("a", 1))
    it.reply(reply("a", 2, 3, Held("a", 1, 3)))
    for seq in (1, 2, 3):
        assert it.live(sample("a", seq)) == []
        assert it.question is None


def test_live_samples_out_of_order_are_put_in_order() -> None:
    it = joiner(Position("a", 1))
    for seq in (6, 3, 4):
        assert it.live(sample("a", seq)) == []
    assert it.unanswered() == [Gap("a", 2, 2), *some("a", 3, 4), Gap("a", 5, 5), *some("a", 6, 6)]


def test_unanswered_continues_with_live_samples() -> None:
    for start in Start:
        it = joiner(start)
        assert it.live(sample("a", 7)) == []
        assert it.unanswered() == some("a", 7, 7)  # a subscriber that begins here has lost nothing earlier
        assert it.question is None
        assert it.live(sample("a", 8)) == some("a", 8, 8)
        assert it.reply(reply("a", 7, 8, Held("a", 7, 8))) == []  # there was no question
        assert it.live(sample("a", 10)) == []
        assert it.question == Question("a", 8)
        assert it.unanswered() == [Gap("a", 9, 9), *some("a", 10, 10)]


def test_unanswered_without_live_samples_gives_nothing_up() -> None:
    it = joiner(Position("a", 1))
    assert it.unanswered() == []
    it.ask()
    assert it.reply(reply("a", 2, 3, Held("a", 1, 3))) == some("a", 2, 3)


def test_unanswered_yields_the_known_gap_of_the_run_that_it_leaves() -> None:
    it = joiner(Start.OLDEST)
    it.reply(reply("a", 1, 2, Held("a", 1, 9), more=True))
    assert it.live(sample("b", 2)) == []
    assert it.unanswered() == [Gap("a", 3, 9), Gap("b", 1, 1), *some("b", 2, 2)]


def test_a_reply_with_an_error_counts_as_no_reply() -> None:
    it = joiner(Position("a", 1))
    assert it.live(sample("a", 3)) == []
    held = Held("a", 1, 3), Held("b", 1, 1)
    assert it.reply(reply(None, 1, 0, *held, error="bad-request: no")) == [Gap("a", 2, 2), *some("a", 3, 3)]
    assert it.question is None


def test_a_ring_that_promises_more_but_sends_nothing_is_not_asked_for_ever() -> None:
    it = joiner(Position("a", 3))
    for _ in range(3):
        it.ask()
        assert it.reply(Reply(1, "a", 1, 3, True, (Held("a", 1, 3),), None, ())) == []
        assert it.question is None


def test_bodies_beyond_the_stated_range_of_a_reply_are_ignored() -> None:
    it = joiner(Position("a", 1))
    assert it.reply(Reply(1, "a", 1, 3, False, (Held("a", 1, 3),), None, (b"junk",) * 9)) == [Gap("a", 2, 3)]


def test_a_bounded_number_of_live_samples_is_kept_while_the_ring_is_silent() -> None:
    it = joiner(Position("a", 1))
    for seq in range(3, 3003):
        assert it.live(sample("a", seq)) == []
        if seq == 2400:  # the oldest are dropped first, even if a question was sent in between
            assert it.reply(reply("a", 2, 1, Held("a", 1, 1))) == []
    out = it.unanswered()
    assert out[0] == Gap("a", 2, 2002)
    assert out[1:] == some("a", 2003, 3002)


def test_the_memory_of_runs_is_bounded() -> None:
    it = joiner(Position("a", 1))
    for number in range(2000):
        it.live(sample(f"r{number}", 1))
        it.unanswered()
    assert len(it._passed) <= 300  # there is no other way to check it


def test_the_current_run_is_never_forgotten() -> None:
    it = joiner(Position("a", 1))
    it.reply(reply("a", 2, 1, Held("a", 1, 1)))
    for number in range(2, 400):
        assert it.live(sample("a", number)) == some("a", number, number)
        assert it.live(sample("a", 1)) == []
        assert it.question is None
        assert it.live(sample(f"r{number}", 1)) == []
        assert it.reply(reply("a", 2, 1, Held("a", 1, number))) == some(f"r{number}", 1, 1)
