-- Reads sessions of a user, and lists those that ended no more.
--
-- KEYS: the user's list, the sessions. ARGV: their ids.
-- Returns the record and ms of the last use of each, nil and 0 for those that there aren't; then, if
-- there is one that there isn't, how many others are listed, whose id it may have taken.
local now, found, it, listed, there = clock(), {}, {}, nil, 0
for place = 2, #KEYS do
    local record, used = redis.call('GET', KEYS[place]), 0
    if not record then
        listed = listed or redis.call('ZCARD', KEYS[1])
        if listed > 0 then
            listed = listed - redis.call('ZREM', KEYS[1], ARGV[place - 1])
        end
    else
        there = there + 1
    end
    if record and readable(record) then
        it.used, it.idle = struct.unpack('>I8I8', record, USED + 1)
        used = last_use(it, now, KEYS[place])
    end
    found[2 * place - 3], found[2 * place - 2] = record, used
end
if listed and listed > 0 then
    tidy(KEYS[1], now)
end
found[2 * #KEYS - 1] = listed and listed - there or 0
return found
