-- Lets a session end at another time.
--
-- KEYS: the session, its user's list. ARGV: the id, the idle expiry and the lifetime in ms, each or
-- '' to leave it. Returns {header, owner and content, ms of now}, or nil if there is none.
local record = redis.call('GET', KEYS[1])
local now, it = clock(), record and parsed(record)
if not it then
    return nil
end
it.revision, it.updated = it.revision + 1, now
if ARGV[2] ~= '' then
    it.idle = tonumber(ARGV[2])
end
if ARGV[3] ~= '' then
    it.absolute = now + ARGV[3]
    list(KEYS[2], ARGV[1], it.absolute, now)
end
return {put(KEYS[1], it, now), it.owner .. it.content, now}
