-- What every script on keyed records begins with.
--
-- A record is a header of integers, its owner, which never changes, and content that nobody reads
-- here. The header: form (1), revision, ms when it was created, updated and last used, its idle
-- expiry and its absolute one (0: it has none), and how long the owner is.
--
-- A record's key expires when the record does. As long as that moves with each use, it says when the
-- last one was; once the absolute expiry comes first, the header does (see `use`).
local HEADER = '>BI8I8I8I8I8I8I4'
local LENGTH = 53
local USED = 25

local function clock()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function readable(record)
    return #record >= LENGTH and string.byte(record) == 1
end

local function parsed(record)
    if not readable(record) then
        return nil
    end
    local form, revision, created, updated, used, idle, absolute, length =
        struct.unpack(HEADER, record)
    return {
        revision = revision, created = created, updated = updated, used = used, idle = idle,
        absolute = absolute, owner = string.sub(record, LENGTH + 1, LENGTH + length),
        content = string.sub(record, LENGTH + length + 1),
    }
end

local function header(it)
    return struct.pack(HEADER, 1, it.revision, it.created, it.updated, it.used, it.idle,
        it.absolute, #it.owner)
end

local function due(it, now)
    local at = now + it.idle
    if it.absolute > 0 and it.absolute < at then
        return it.absolute
    end
    return at
end

-- Stores it as used now. (Redis keeps a key through the millisecond at which it expires; and what
-- has only that one left already expires as it should.)
local function put(key, it, now)
    it.used = now
    local head, at = header(it), due(it, now) - 1
    if at > now then
        redis.call('SET', key, head .. it.owner .. it.content, 'PXAT', at)
    else
        redis.call('SET', key, head .. it.owner .. it.content, 'KEEPTTL')
    end
    return head
end

local function last_use(it, now, key)
    return math.max(it.used, now + redis.call('PTTL', key) + 1 - it.idle)
end

-- Whether a greater fencing token wrote before.
local function overtaken(fence, token)
    return token ~= '' and tonumber(token) < tonumber(redis.call('GET', fence) or 0)
end

-- Keeps the token, or else the one that is there, until a time.
local function remember(fence, token, at)
    if token ~= '' then
        redis.call('SET', fence, token, 'PXAT', at - 1)
    else
        redis.call('PEXPIREAT', fence, at - 1)
    end
end
