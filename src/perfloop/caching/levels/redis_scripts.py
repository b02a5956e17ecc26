"""What changes in Redis, as scripts: each is done at once, by the server's own clock.

Keys of a namespace, after its prefix (which has the length of the namespace's name, so that no two collide):

- `v<key>`: a head (`HEAD`), the tags as a MessagePack array, the value.
- `l<key>`: a hash with the lease (`t` token, `b` when given, `u` until, `s` changes when given, `e` epoch) and the
  key's holds (`h<token>` until).
- `k<tag>`: a hash with the holds of a tag, those that ended by themselves within a day too: what was looked up while
  they lasted is not filled in afterwards either.
- `f`: the fence (`FENCE`). Whatever has another epoch, or was looked up before the last clear, is not there.
- `g`: a hash with the change that last removed each tag (`t<tag>`), and which fence it belongs to (`m`).

The fence names the run of the server that made it. After a restart, perhaps from an old snapshot, or a failover to a
replica that lagged behind, the run is another one; a fence that was evicted or flushed is missing: both begin a new
epoch, so nothing that was removed comes back. When `g` is lost, or has grown too large, the floor of the fence is
raised: whatever has tags and was looked up before is not there.
"""

from __future__ import annotations

import hashlib
import struct

__all__ = ["FENCE", "FORMAT", "HEAD", "RUN_LENGTH", "SCRIPTS", "Script"]

FORMAT = 1
RUN_LENGTH = 16
HEAD = struct.Struct(">B8sQQQI")
"""Format, epoch, changes when looked up, fresh until, kept until (ms of the server's clock), bytes of the tags."""
FENCE = struct.Struct(">16s8sQQQ")
"""Run of the server, epoch, changes, change that cleared last, floor for what has tags."""

_COMMON = """
local prefix, run = KEYS[1], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local DAY, TAGS = 86400000, 10000
local epoch, changes, cleared, floor
local fence = redis.call('GET', prefix .. 'f')
local unsaved = not (fence and #fence == 48 and string.sub(fence, 1, 16) == run)
if unsaved then
  epoch, changes, cleared, floor = ARGV[2], 0, 0, 0
else
  epoch, changes, cleared, floor = struct.unpack('>c8I8I8I8', fence, 17)
end

local function keep(key, till)
  local left = redis.call('PTTL', key)
  if left < 0 or now + left < till then redis.call('PEXPIREAT', key, till) end
end

local function save(till)
  if unsaved then
    redis.call('SET', prefix .. 'f', run .. epoch .. struct.pack('>I8I8I8', changes, cleared, floor), 'KEEPTTL')
    unsaved = false
  end
  till = math.max(till or 0, now) + 7 * DAY
  keep(prefix .. 'f', till)
  keep(prefix .. 'g', till)
end

-- Redis refuses what needs memory only until a script has written: ask with a command that would, and changes nothing.
local function no_room()
  local answer = redis.pcall('SETRANGE', prefix .. 'f', 0, '')
  return type(answer) == 'table' and answer.err and answer
end

-- Whoever finds the fence of another run makes a new one at once: its server may come back with data of this one.
local function renew()
  if not unsaved then return end
  redis.call('DEL', prefix .. 'x') -- nothing: having written, a script may write without room as well
  save()
end

local function mark() return epoch .. struct.pack('>I8', floor) end

local function removed(tags, since)
  if since >= changes then return false end
  if since < floor or redis.call('HGET', prefix .. 'g', 'm') ~= mark() then return true end
  for _, tag in ipairs(tags) do
    if tonumber(redis.call('HGET', prefix .. 'g', 't' .. tag) or 0) > since then return true end
  end
  return false
end

local function remove(tags)
  local list = prefix .. 'g'
  redis.call('DEL', prefix .. 'x') -- as in renew
  if redis.call('HGET', list, 'm') ~= mark() then
    floor = changes
    redis.call('DEL', list)
  end
  changes = changes + 1
  for _, tag in ipairs(tags) do redis.call('HSET', list, 't' .. tag, changes) end
  if redis.call('HLEN', list) > TAGS then
    floor = changes
    redis.call('DEL', list)
  end
  redis.call('HSET', list, 'm', mark())
  unsaved = true
  save()
end

local function running(hash, at)
  local fields = redis.call('HGETALL', hash)
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 1) == 'h' and tonumber(fields[i + 1]) > at then return true end
  end
  return false
end

-- Whether it is now, or was at any time since.
local function held(key, tags, since)
  if running(prefix .. 'l' .. key, now) then return true end
  for _, tag in ipairs(tags) do
    if running(prefix .. 'k' .. tag, since) then return true end
  end
  return false
end

local function void(key) redis.call('HDEL', prefix .. 'l' .. key, 't', 'b', 'u', 's', 'e') end

local function delete(key)
  void(key)
  redis.call('DEL', prefix .. 'v' .. key)
end

local function fresh_until(key)
  local name = prefix .. 'v' .. key
  local head = redis.pcall('GETRANGE', name, 0, 36)
  if type(head) ~= 'string' or #head < 37 then return nil end -- what is damaged is not there
  local format, of, since, fresh, kept, size = struct.unpack('>Bc8I8I8I8I4', head)
  if format ~= 1 or of ~= epoch or since < cleared or kept <= now then return nil end
  if size > 0 then
    local good, tags = pcall(cmsgpack.unpack, redis.call('GETRANGE', name, 37, 36 + size))
    if not good or type(tags) ~= 'table' or removed(tags, since) then return nil end
  end
  return fresh
end

local function put(key, value, lasts, kept, tags, since)
  local till = now + kept
  if till <= now then redis.call('DEL', prefix .. 'v' .. key) return end
  local head = struct.pack('>Bc8I8I8I8I4', 1, epoch, since, math.max(now + lasts, 0), till, #tags)
  redis.call('SET', prefix .. 'v' .. key, head .. tags .. value, 'PXAT', till)
  save(till)
end

local function lease(key, token, till, since, at)
  local hash = prefix .. 'l' .. key
  redis.call('HSET', hash, 't', token, 'u', till, 's', since, 'e', epoch, 'b', at)
  keep(hash, till)
  save()
end

local function unpacked(tags) if tags == '' then return {} end return cmsgpack.unpack(tags) end
"""

_BODIES = {
    # token, ms, 1 for even if it is fresh, keys → for each key its state and value
    "lease": """
local token, till, anyway = ARGV[3], now + ARGV[4], ARGV[5] == '1'
local answers = {}
for i = 6, #ARGV do
  local key = ARGV[i]
  local hash, left, state = prefix .. 'l' .. key, fresh_until(key), 'granted'
  if left and left > now and not anyway then
    state = 'fresh'
  elseif running(hash, now) then
    state = 'held'
  else
    local had = redis.call('HMGET', hash, 't', 'u', 'e', 's', 'b')
    local runs = had[1] and tonumber(had[2]) > now and had[3] == epoch and tonumber(had[4]) >= cleared
    if runs and had[1] ~= token then
      state = 'busy'
    else
      lease(key, token, till, runs and had[4] or changes, runs and had[5] or now)
    end
  end
  answers[#answers + 1] = state
  answers[#answers + 1] = left and redis.call('GET', prefix .. 'v' .. key) or false
end
return answers
""",
    # token, then for each key: key, value, fresh ms, kept ms, tags → 1 where it was put in
    "fill": """
local token, answers, full = ARGV[3], {}, no_room()
if full then return full end
for i = 4, #ARGV, 5 do
  local key, tags = ARGV[i], ARGV[i + 4]
  local lease = redis.call('HMGET', prefix .. 'l' .. key, 't', 'u', 'e', 's', 'b')
  local answer = 0
  if lease[1] == token then
    void(key)
    local names, since = unpacked(tags), tonumber(lease[4])
    local gone = #names > 0 and removed(names, since)
    local lasts = lease[3] == epoch and tonumber(lease[2]) > now and since >= cleared
    if lasts and not gone and not held(key, names, tonumber(lease[5])) then
      put(key, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tags, since)
      answer = 1
    end
  end
  answers[#answers + 1] = answer
end
return answers
""",
    # token, keys
    "abandon": """
for i = 4, #ARGV do
  if redis.call('HGET', prefix .. 'l' .. ARGV[i], 't') == ARGV[3] then void(ARGV[i]) end
end
""",
    # token, ms, keys: the lease of who is about to put in whatever was there
    "claim": """
local full, till = no_room(), now + ARGV[4]
for i = 5, #ARGV do
  delete(ARGV[i])
  if not full then lease(ARGV[i], ARGV[3], till, changes, now) end
end
renew()
return full
""",
    # keys
    "delete": """
for i = 3, #ARGV do delete(ARGV[i]) end
renew()
""",
    # keys
    "expire": """
for i = 3, #ARGV do
  local key = ARGV[i]
  void(key)
  local left = fresh_until(key)
  if left and left > now then redis.call('SETRANGE', prefix .. 'v' .. key, 17, struct.pack('>I8', now)) end
end
renew()
""",
    "renew": "renew()",
    # tags
    "remove_tags": """
local tags = {}
for i = 3, #ARGV do tags[#tags + 1] = ARGV[i] end
remove(tags)
""",
    "clear": """
redis.call('DEL', prefix .. 'x') -- as in renew
changes = changes + 1
cleared = changes
unsaved = true
save()
""",
    # token, ms (absent to release), number of keys, keys, tags
    "hold": """
local till, keys, tags = now + ARGV[4], tonumber(ARGV[5]), {}
local function hold(hash, remembered)
  local fields = redis.call('HGETALL', hash)
  for i = 1, #fields, 2 do
    local ended = string.sub(fields[i], 1, 1) == 'h' and tonumber(fields[i + 1]) <= now - remembered
    if ended then redis.call('HDEL', hash, fields[i]) end
  end
  redis.call('HSET', hash, 'h' .. ARGV[3], till)
  keep(hash, till + remembered)
end
for i = 6, 5 + keys do
  delete(ARGV[i])
  hold(prefix .. 'l' .. ARGV[i], 0)
end
for i = 6 + keys, #ARGV do
  tags[#tags + 1] = ARGV[i]
  hold(prefix .. 'k' .. ARGV[i], DAY)
end
if #tags > 0 then remove(tags) end
renew()
""",
    "release": """
local keys, tags = tonumber(ARGV[4]), {}
for i = 5, 4 + keys do
  delete(ARGV[i])
  redis.call('HDEL', prefix .. 'l' .. ARGV[i], 'h' .. ARGV[3])
end
for i = 5 + keys, #ARGV do
  tags[#tags + 1] = ARGV[i]
  redis.call('HDEL', prefix .. 'k' .. ARGV[i], 'h' .. ARGV[3])
end
if #tags > 0 then remove(tags) end
renew()
""",
}


class Script:
    """A script and the name Redis keeps it under."""

    def __init__(self, body: str) -> None:
        self.text = (_COMMON + body).encode()
        self.digest = hashlib.sha1(self.text, usedforsecurity=False).hexdigest().encode()


SCRIPTS = {name: Script(body) for name, body in _BODIES.items()}
