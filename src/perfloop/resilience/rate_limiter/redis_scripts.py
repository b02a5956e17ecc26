"""The algorithms in Redis: one script each, by the server's own time, the same whole numbers as in Python.

A state is kept for as long as it is worth more than none. Numbers are written with %.0f: Lua's own form of large ones
would round them.
"""

from __future__ import annotations

from .gcra import GCRA
from .sliding_window import SlidingWindow
from .token_bucket import TokenBucket

__all__ = ["SCRIPTS"]

_COMMON = """
local key, set_back = KEYS[1], tonumber(ARGV[4])
local gain, cost, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function text(number) return string.format('%.0f', number) end
local function keep(microseconds) redis.call('PEXPIRE', key, text(math.ceil(microseconds / 1000) + 1)) end
"""

_BUCKET = """
local held, at = burst * cost, now
local state = redis.call('HMGET', key, 'held', 'at')
if state[1] then held, at = tonumber(state[1]), tonumber(state[2]) end
local was_set_back = at - now > set_back
if was_set_back then at = now end
if at < now then
  -- A long time times the gain would not be exact.
  if now - at >= math.ceil((burst * cost - held) / gain) then held = burst * cost
  else held = held + (now - at) * gain end
  at = now
end
local wait = 0
if held >= cost then held = held - cost
else wait = math.ceil((cost - held) / gain) + at - now end
if wait == 0 or was_set_back then
  redis.call('HSET', key, 'held', text(held), 'at', text(at))
  keep((burst * cost - held) / gain + at - now)
end
return wait
"""

# When the next call is due, as microseconds and a fraction of one with the gain as its denominator.
_GCRA = """
local due, part = now, 0
local state = redis.call('HMGET', key, 'due', 'part')
if state[1] then due, part = tonumber(state[1]), tonumber(state[2]) end
if due < now then due, part = now, 0 end
local was_set_back = due - now > set_back
if was_set_back then
  part = burst * cost
  due = now + math.floor(part / gain)
  part = part % gain
end
local early = (due - now) * gain + part - (burst - 1) * cost
local wait = 0
if early > 0 then wait = math.ceil(early / gain)
else
  part = part + cost
  due = due + math.floor(part / gain)
  part = part % gain
end
if wait == 0 or was_set_back then
  redis.call('HSET', key, 'due', text(due), 'part', text(part))
  keep(due - now)
end
return wait
"""

_SLIDING_WINDOW = """
local limit, per = burst, tonumber(ARGV[5])
local length, at = redis.call('LLEN', key), now
if length > 0 then
  local last = tonumber(redis.call('LINDEX', key, -1))
  if last - now > set_back then
    redis.call('DEL', key)
    for _ = 1, length do redis.call('RPUSH', key, text(now)) end
    keep(per)
  elseif last > now then at = last end
end
if length >= limit then
  local first = tonumber(redis.call('LINDEX', key, 0))
  if first > at - per then return first + per - now end
  redis.call('LPOP', key)
end
redis.call('RPUSH', key, text(at))
keep(at + per - now)
return 0
"""

SCRIPTS = {
    TokenBucket.name: _COMMON + _BUCKET,
    GCRA.name: _COMMON + _GCRA,
    SlidingWindow.name: _COMMON + _SLIDING_WINDOW,
}
"""By the algorithm's name. Each takes a key, gain, cost, burst, set_back and per; it gives the microseconds to wait."""
