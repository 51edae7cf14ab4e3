-- Moves a session to another id.
--
-- KEYS: the session, its new place, its user's list. ARGV: the id, the new one.
-- Returns {header, owner and content, ms of now}, or nil if there is none.
local record = redis.call('GET', KEYS[1])
local now, it = clock(), record and parsed(record)
if not it then
    return nil
end
it.revision, it.updated = it.revision + 1, now
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
list(KEYS[3], ARGV[2], it.absolute, now)
return {put(KEYS[2], it, now), it.owner .. it.content, now}
