-- Stores a record if there is none.
--
-- KEYS: the record, its fencing token, its note if it is tracked, and the mark of what was erased. ARGV: the idle expiry in ms,
-- the content, the caller's fencing token or '', and for how many ms it is kept after the record; if
-- it is tracked, what its life must be greater than.
-- Returns {1, header, ms of now}, {0} if there is one, {-1} if the token is too small, {-2} if it was
-- erased.
if redis.call('EXISTS', KEYS[#KEYS]) == 1 then
    return {-2}
end
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
if KEYS[4] then
    local life = math.max(now, ARGV[5] + 1, noted(KEYS[3]) + 1)
    if life > now then
        it.owner = string.format('%.0f', life)
    end
    note(KEYS[3], life, 1, 0)
end
local head = put(KEYS[1], it, now)
remember(KEYS[2], ARGV[3], due(it, now) + ARGV[4])
return {1, head, now}
