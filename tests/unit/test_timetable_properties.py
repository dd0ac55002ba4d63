"""What holds of the due times of any expression in any zone at any moment."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

from hypothesis import example, given, settings
from hypothesis import strategies as st

from backupctl import cron, zones
from backupctl.timetable import Timetable

ZONES = (
    "UTC",
    "Africa/Casablanca",  # leaves summer time for Ramadan
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",  # until 2011 one minute after midnight
    "Antarctica/Troll",  # two hours
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # half an hour
    "Europe/Berlin",
    "Pacific/Apia",  # a day
)
MANY = 1000
HOURS, MINUTE, SECOND = timedelta(hours=5), timedelta(minutes=1), timedelta(seconds=1)
FEW = settings(max_examples=60, deadline=None)


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    step = st.integers(1, high)
    return st.one_of(
        number.map(str),
        st.lists(number, min_size=2, max_size=4).map(lambda numbers: ",".join(map(str, numbers))),
        span,
        st.tuples(span, step).map(lambda pair: f"{pair[0]}/{pair[1]}"),
        step.map("*/{}".format),
    )


def or_star(field: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(st.just("*"), st.just("*"), field)


def is_valid(expression: str) -> bool:
    try:
        cron.check(expression)
    except cron.CronError:
        return False
    return True


EXPRESSIONS = (
    st.tuples(
        fields(0, 59), or_star(fields(0, 23)), or_star(fields(1, 31)), or_star(fields(1, 12)), or_star(fields(0, 7))
    )
    .map(" ".join)
    .filter(is_valid)
)
TIMETABLES = st.builds(
    Timetable, EXPRESSIONS, st.sampled_from(ZONES), st.integers(0, 7200).map(lambda seconds: timedelta(seconds=seconds))
)
ANY_MOMENT = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- the strategy adds the zone


@st.composite
def moments(draw: st.DrawFn, zone: str) -> datetime:
    """Any moment; half the time one that is near a clock change, if there is one in the year."""
    moment = draw(ANY_MOMENT)
    near = list(zones.changes(zone, moment, moment + timedelta(days=366)))
    if not near or draw(st.booleans()):
        return moment
    return draw(st.sampled_from(near)).at + timedelta(minutes=draw(st.integers(-200, 200)))


@FEW
@given(TIMETABLES, st.data())
def test_a_moment_lies_between_the_latest_due_time_and_the_next(timetable: Timetable, data: st.DataObject) -> None:
    moment = data.draw(moments(timetable.zone))
    latest, following = at(timetable.latest(moment)), at(timetable.after(moment))
    assert latest <= moment < following
    assert at(timetable.after(latest)) == following
    assert at(timetable.latest(following - SECOND)) == latest
    assert at(timetable.latest(following)) == following


def at(due: datetime | None) -> datetime:
    # In UTC: Python subtracts a second from a time of a zone as if its clock were never changed.
    assert due is not None
    return due.astimezone(UTC)


@FEW
@given(TIMETABLES, st.data())
def test_due_times_increase_and_stay_the_same_wherever_the_asking_begins(
    timetable: Timetable, data: st.DataObject
) -> None:
    times = [due.astimezone(UTC) for due in islice(timetable.upcoming(data.draw(moments(timetable.zone))), 12)]
    assert times == sorted(set(times))
    begin = data.draw(st.datetimes(naive(times[0]), naive(times[-1]) - SECOND, timezones=st.just(UTC)))
    assert at(timetable.after(begin)) == min(due for due in times if due > begin)


def naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


@FEW
@given(TIMETABLES, st.data())
def test_the_clock_shows_what_the_expression_says_unless_the_time_is_marked(
    timetable: Timetable, data: st.DataObject
) -> None:
    for due in islice(timetable.upcoming(data.draw(moments(timetable.zone))), 5):
        shown = zones.wall(timetable.zone, due.astimezone(UTC) - timetable.delay)
        if next(cron.walls_back(timetable.expression, shown)) != shown:
            assert "which the clock change skips" in (timetable.clock_change(due) or "")


@FEW
@given(TIMETABLES, st.data())
def test_no_run_is_lost_and_only_wildcards_run_twice(timetable: Timetable, data: st.DataObject) -> None:
    begin = data.draw(moments(timetable.zone)).replace(second=0, microsecond=0)
    plain = Timetable(timetable.expression, timetable.zone)
    end = begin + HOURS
    found = [due.astimezone(UTC) for due in takewhile(lambda due: due.astimezone(UTC) <= end, plain.upcoming(begin))]
    assert found == worked_out(plain, begin)


def worked_out(timetable: Timetable, begin: datetime) -> list[datetime]:
    """The due times of some hours, from what the clock shows in each of their minutes and those before them."""
    minutes = [begin + timedelta(minutes=count) for count in range(-HOURS // MINUTE, HOURS // MINUTE + 1)]
    walls = [zones.wall(timetable.zone, minute) for minute in minutes]
    named = named_walls(timetable.expression, min(walls), max(walls))
    due, seen = [], walls[0]
    for minute, wall in zip(minutes, walls, strict=True):
        since = wall - MINUTE if cron.follows_real_time(timetable.expression) else seen
        if bisect_right(named, since) < bisect_right(named, wall) and minute > begin:
            due.append(minute)
        seen = max(seen, wall)
    return due


def named_walls(expression: str, first: datetime, last: datetime) -> list[datetime]:
    return list(takewhile(lambda wall: wall <= last, cron.walls_after(expression, first - SECOND)))


@settings(max_examples=40, deadline=None)
@example("*/30 2 * * *", "Europe/Berlin", datetime(2026, 1, 1, tzinfo=UTC))
@example("0 9 30 12 *", "Pacific/Apia", datetime(2011, 12, 31, tzinfo=UTC))
@example("0 12 29 2 *", "America/New_York", datetime(2026, 1, 1, tzinfo=UTC))
@example("0 * * 4-5/2 *", "Pacific/Apia", datetime(2011, 1, 1, tzinfo=UTC))  # two changes in one gap
@given(EXPRESSIONS, st.sampled_from(ZONES), ANY_MOMENT)
def test_the_longest_gap_is_that_of_all_gaps_to_within_its_clock_changes(
    expression: str, zone: str, moment: datetime
) -> None:
    begin = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    timetable, end = Timetable(expression, zone), begin + timedelta(days=366)
    due = timetable.latest(begin)
    assert due is not None
    earlier, longest = due.astimezone(UTC), timedelta(0)
    for following in islice(timetable.upcoming(earlier), MANY):
        longest, earlier = max(longest, following.astimezone(UTC) - earlier), following.astimezone(UTC)
        if earlier > end:
            break
    sizes = (abs(change.after - change.before) for change in zones.changes(zone, due.astimezone(UTC), earlier))
    excess = timetable.longest_gap(moment) - longest
    assert excess >= timedelta(0)
    if earlier > end:  # else it runs so often that the rest of the year was not looked at
        assert excess <= sum(sizes, timedelta(0))
