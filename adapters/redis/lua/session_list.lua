-- Reads sessions of a user, and lists those that ended no more.
--
-- KEYS: the user's list, the sessions. ARGV: their ids.
-- Returns {id, record, ms of its last use} of each that there is.
local now, found = clock(), {}
for place = 2, #KEYS do
    local record = redis.call('GET', KEYS[place])
    if record then
        local used = 0
        if readable(record) then
            local it = {}
            it.used, it.idle = struct.unpack('>I8I8', record, USED + 1)
            used = last_use(it, now, KEYS[place])
        end
        found[#found + 1] = {ARGV[place - 1], record, used}
    else
        redis.call('ZREM', KEYS[1], ARGV[place - 1])
    end
end
return found
