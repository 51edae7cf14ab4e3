-- Stores a session as it was, and lists it with its user's, unless it has ended or there is one.
--
-- KEYS: the session, its user's list. ARGV: the id, the user, the revision, ms of creation, last
-- update and last use, the idle expiry in ms, ms of the absolute one, the content.
-- Returns 1, 0 if there is one, -1 if it has ended.
if redis.call('EXISTS', KEYS[1]) == 1 then
    return 0
end
local now = clock()
local it = {
    revision = tonumber(ARGV[3]), created = tonumber(ARGV[4]), updated = tonumber(ARGV[5]),
    used = tonumber(ARGV[6]), idle = tonumber(ARGV[7]), absolute = tonumber(ARGV[8]),
    owner = ARGV[2], content = ARGV[9],
}
local at = due(it, it.used) - 1
if at < now then
    return -1
end
at = math.max(at, now + 1)
redis.call('SET', KEYS[1], header(it) .. it.owner .. it.content, 'PXAT', at)
list(KEYS[2], ARGV[1], it.absolute, now)
return 1
