-- Removes a record, and keeps its fencing token for a while.
--
-- KEYS: the record, its fencing token, and its note if it is tracked. ARGV: the caller's fencing
-- token or '', and for how many ms it is kept. Returns how many records went, -1 if the token is too
-- small.
if overtaken(KEYS[2], ARGV[1]) then
    return -1
end
local now = clock()
remember(KEYS[2], ARGV[1], now + ARGV[2])
if KEYS[3] then
    local record = redis.call('GET', KEYS[1])
    local it = record and parsed(record)
    if it then
        note(KEYS[3], life_of(it), it.revision + 1, 1)
    elseif record or ARGV[1] ~= '' then
        local life, revision = noted(KEYS[3])
        note(KEYS[3], math.max(now, life), revision + 1, 1)
    end
end
return redis.call('DEL', KEYS[1])
