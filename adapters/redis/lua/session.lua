-- What scripts on sessions begin with, too.

-- Keeps a list, which there is, until the last session in it must have expired, and no longer.
-- (Nothing here touches a key that it may have removed: while a slot moves, a node would refuse that
-- as somebody else's, and leave the rest undone.)
local function tidy(key, now)
    local last = tonumber(redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2])
    if last > now then
        redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
        redis.call('PEXPIREAT', key, math.max(last - 1, now + 1))
    else
        redis.call('DEL', key)
    end
end

-- Lists an id until its session must have expired.
local function list(key, id, absolute, now)
    redis.call('ZADD', key, absolute, id)
    tidy(key, now)
end
