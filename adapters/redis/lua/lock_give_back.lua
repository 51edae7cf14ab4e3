-- Releases a lock if the holding has it, leaves the line, and calls who is first if it is free.
--
-- KEYS: the lock, its line, who in it was heard of (as in lock_take). ARGV: the holding, the
-- channels' prefix. Returns 1 if it was held, or else 0.
local lock, line, heard = KEYS[1], KEYS[2], KEYS[3]
local holder = redis.call('GET', lock)
local held = holder == ARGV[1]

-- Who is first, and who leaves the line: all is read before anything is removed (see lock_take).
local leaving, first = {ARGV[1]}, nil
if held or not holder then
    local time = redis.call('TIME')
    local now = math.floor(time[1] * 1000 + time[2] / 1000)
    local at = 0
    first = redis.call('ZRANGE', line, 0, 0)[1]
    while first and tonumber(redis.call('HGET', heard, first) or 0) <= now or first == ARGV[1] do
        leaving[#leaving + 1] = first
        at = at + 1
        first = redis.call('ZRANGE', line, at, at)[1]
    end
end

if held then
    redis.call('DEL', lock)
end
for _, each in ipairs(leaving) do
    redis.call('ZREM', line, each)
    redis.call('HDEL', heard, each)
end
if first then
    redis.call('PUBLISH', ARGV[2] .. first, '')
end
return held and 1 or 0
