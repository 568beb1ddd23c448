"""When an instance is started and stopped by the clock: two lines of cron in a time zone. No Django."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from celery.schedules import ParseException, crontab
from django.utils.translation import gettext as _

from studio.kernel.errors import Invalid

#: How far the next moment is looked for: a line such as "0 9 29 2 *" is far away.
_HORIZON = timedelta(days=4 * 366)
#: What was missed while nobody looked is done late, but not later than that.
_LATE = timedelta(minutes=30)
WORDS = ("start", "stop", "time_zone")


def clean_schedule(given: object) -> dict[str, str]:
    """{start, stop, time_zone}; both lines may be empty. Raises Invalid that says what is wrong with which line."""
    if not isinstance(given, Mapping):
        raise Invalid(_("schedule is an object of start, stop and time_zone."), field="schedule")
    if strange := sorted(str(key) for key in given if key not in WORDS):
        raise Invalid(
            _("A schedule has start, stop and time_zone, and no %(strange)s.") % {"strange": repr(strange[0][:40])},
            field="schedule",
        )
    zone = str(given.get("time_zone") or "UTC")
    if zone not in available_timezones():
        raise Invalid(
            _("There is no time zone %(zone)s.") % {"zone": repr(zone[:60])},
            hint=_("Names look like Asia/Tokyo."),
            field="time_zone",
        )
    made = {"time_zone": zone}
    for word in ("start", "stop"):
        line = " ".join(str(given.get(word) or "").split())
        if line:
            _check(line, word)
        made[word] = line
    if made["start"] and made["start"] == made["stop"]:
        raise Invalid(_("It would start and stop at the same moments."), field="stop")
    return made


def _check(line: str, word: str) -> None:
    hint = _("Five parts: minute, hour, day of month, month, day of week. 0 9 * * 1-5 is 9:00 from Monday to Friday.")
    try:
        if len(line) > 100 or not line.isascii():
            raise ValueError
        _parsed(line)
    except (ValueError, ParseException, KeyError, TypeError):
        raise Invalid(
            _("%(word)s: %(line)s is no line of cron.") % {"word": word, "line": repr(line[:60])}, hint=hint, field=word
        ) from None


@dataclass(frozen=True, slots=True)
class _Line:
    """What a line of cron means, part by part."""

    minutes: list[int]
    hours: list[int]
    days: set[int]
    months: set[int]
    weekdays: set[int]


@lru_cache(maxsize=256)
def _parsed(line: str) -> _Line:
    if len(line.split()) != 5:
        raise ValueError("five parts")
    read: Any = crontab.from_string(line)
    return _Line(sorted(read.minute), sorted(read.hour), read.day_of_month, read.month_of_year, read.day_of_week)


def _on_day(parsed: _Line, day: datetime) -> bool:
    """As cron has it: when both days are chosen, either is enough."""
    of_month, of_week = day.day in parsed.days, day.isoweekday() % 7 in parsed.weekdays
    both = len(parsed.days) < 31 and len(parsed.weekdays) < 7
    return day.month in parsed.months and ((of_month or of_week) if both else (of_month and of_week))


def next_after(line: str, zone: str, moment: datetime) -> datetime | None:
    """The first minute after `moment` that the line means, in the zone; None for no line, or one that never comes."""
    if not line:
        return None
    parsed, place = _parsed(line), ZoneInfo(zone)
    begun = moment.astimezone(place)
    day = begun.replace(hour=0, minute=0, second=0, microsecond=0)
    while day - begun < _HORIZON:
        if _on_day(parsed, day):
            for hour in parsed.hours:
                for minute in parsed.minutes:
                    at = day.replace(hour=hour, minute=minute)
                    # An hour that the clocks jump over does not exist on that day.
                    if at > begun and at.astimezone(ZoneInfo("UTC")).astimezone(place).hour == hour:
                        return at
        day += timedelta(days=1)
    return None


def last_due(schedule: Mapping[str, Any], since: datetime, now: datetime) -> str:
    """What the schedule says last between the two moments: `start`, `stop`, or nothing."""
    begun = max(since, now - _LATE)
    found: tuple[datetime, str] | None = None
    for word in ("start", "stop"):
        at = next_after(schedule.get(word, ""), schedule.get("time_zone", "UTC"), begun)
        while at is not None and at <= now:
            if found is None or at > found[0]:
                found = (at, word)
            at = next_after(schedule[word], schedule["time_zone"], at)
    return found[1] if found else ""
