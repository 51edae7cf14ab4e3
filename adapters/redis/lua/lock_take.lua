-- Takes a lock if it is free and nobody waits before; or else gets in line.
--
-- KEYS: the lock (who holds it), its last fencing token, its line (holding -> place), who in it was
-- heard of (holding -> until when it keeps its turn, in ms).
-- ARGV: the holding, time to live in ms, for how long to keep the token after it, for how long a
-- turn is kept, the place ('' to stay out of the line, '0' for none yet), the channels' prefix.
-- Returns {1, fencing token, 0}, or {0, place, ms until the lease ends (-1: others wait before)}.
local lock, fence, line, heard = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local holding, ttl, kept, turn, place = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local function integer(number) return string.format('%.0f', number) end

local holder = redis.call('GET', lock)
if holder == holding then
    return {1, tonumber(redis.call('GET', fence) or micros), 0}
end

-- Who lost their turn is passed over, and leaves the line at the end: while a slot moves, a node
-- refuses a key that it hasn't as somebody else's, and a line is one no more that all have left.
local leaving = {}
local first = redis.call('ZRANGE', line, 0, 0)[1]
while first and first ~= holding and tonumber(redis.call('HGET', heard, first) or 0) <= now do
    leaving[#leaving + 1] = first
    first = redis.call('ZRANGE', line, #leaving, #leaving)[1]
end
local function leave()
    for _, each in ipairs(leaving) do
        redis.call('ZREM', line, each)
        redis.call('HDEL', heard, each)
    end
end

-- Who comes back to its place is before those who came later.
local before = first and first ~= holding
if before and place ~= '' and place ~= '0' then
    before = tonumber(redis.call('ZSCORE', line, first)) < tonumber(place)
end
if not holder and not before then
    local token = math.max(tonumber(redis.call('GET', fence) or 0) + 1, micros)
    redis.call('SET', fence, integer(token), 'PX', integer(ttl + kept))
    redis.call('SET', lock, holding, 'PX', ttl)
    leaving[#leaving + 1] = holding
    leave()
    return {1, token, 0}
end

local at = 0
if place ~= '' then
    at = tonumber(place)
    if at == 0 then
        local last = redis.call('ZRANGE', line, -1, -1, 'WITHSCORES')[2]
        at = math.max(tonumber(last or 0) + 1, micros)
    end
    redis.call('ZADD', line, integer(at), holding)
    redis.call('HSET', heard, holding, integer(now + turn))
    redis.call('PEXPIRE', line, turn)
    redis.call('PEXPIRE', heard, turn)
end
leave()
if before then
    if not holder then
        redis.call('PUBLISH', ARGV[6] .. first, '')
    end
    return {0, at, -1}
end
return {0, at, redis.call('PTTL', lock)}
