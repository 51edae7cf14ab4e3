-- Stores a record if there is none.
--
-- KEYS: the record, its fencing token. ARGV: the idle expiry in ms, the content, the caller's
-- fencing token or '', and for how many ms it is kept after the record.
-- Returns {1, header, ms of now}, {0} if there is one, {-1} if the token is too small.
if overtaken(KEYS[2], ARGV[3]) then
    return {-1}
end
if redis.call('EXISTS', KEYS[1]) == 1 then
    return {0}
end
local now = clock()
local it = {
    revision = 1, created = now, updated = now, idle = tonumber(ARGV[1]), absolute = 0, owner = '',
    content = ARGV[2],
}
local head = put(KEYS[1], it, now)
remember(KEYS[2], ARGV[3], due(it, now) + ARGV[4])
return {1, head, now}
