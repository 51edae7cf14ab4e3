-- What scripts on sessions begin with, too.

-- Keeps a list until the last session in it must have expired, and no longer.
local function tidy(key, now)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
    if last then
        redis.call('PEXPIREAT', key, math.max(last - 1, now + 1))
    end
end

-- Lists an id until its session must have expired.
local function list(key, id, absolute, now)
    redis.call('ZADD', key, absolute, id)
    tidy(key, now)
end
