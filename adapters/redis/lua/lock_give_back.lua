-- Releases a lock if the holding has it, leaves the line, and calls who is first if it is free.
--
-- KEYS: the lock, its line, who in it was heard of (as in lock_take). ARGV: the holding, the
-- channels' prefix. Returns 1 if it was held, or else 0.
local lock, line, heard = KEYS[1], KEYS[2], KEYS[3]
local holder = redis.call('GET', lock)
local held = holder == ARGV[1]
if held then
    redis.call('DEL', lock)
end
redis.call('ZREM', line, ARGV[1])
redis.call('HDEL', heard, ARGV[1])
if held or not holder then
    local time = redis.call('TIME')
    local now = math.floor(time[1] * 1000 + time[2] / 1000)
    local first = redis.call('ZRANGE', line, 0, 0)[1]
    while first and tonumber(redis.call('HGET', heard, first) or 0) <= now do
        redis.call('ZREM', line, first)
        redis.call('HDEL', heard, first)
        first = redis.call('ZRANGE', line, 0, 0)[1]
    end
    if first then
        redis.call('PUBLISH', ARGV[2] .. first, '')
    end
end
return held and 1 or 0
