-- Stores a session, and lists it with its user's.
--
-- KEYS: the session, its user's list (ids by absolute expiry). ARGV: the id, the user, the idle
-- expiry and the lifetime in ms, the content. Returns {header, ms of now}.
local now = clock()
local it = {
    revision = 1, created = now, updated = now, idle = tonumber(ARGV[3]), absolute = now + ARGV[4],
    owner = ARGV[2], content = ARGV[5],
}
local head = put(KEYS[1], it, now)
list(KEYS[2], ARGV[1], it.absolute, now)
return {head, now}
